"""What the catalogue needs to know of HJ 212."""

from drivers.catalogue import Protocol, no_tags
from drivers.hj212.check import listens, problems
from drivers.hj212.driver import Hj212Driver
from drivers.hj212.listening import Hj212Hearing
from drivers.hj212.recorded import RecordedLine
from drivers.hj212.scan import scan, senders
from drivers.hj212.source import Hj212Options, Hj212Point

PROTOCOL = Protocol(
    "hj212",
    Hj212Point,
    Hj212Options,
    Hj212Driver,
    no_tags,
    check=problems,
    listens=listens,
    hearing=Hj212Hearing,
    replayed=RecordedLine,
    scan=scan,
    scan_answer_s=5.0,
    scan_listen_s=35.0,  # RtdInterval is 30 s at least
    senders=senders,
)
