"""What the catalogue needs to know of CJ/T 188."""

from drivers.catalogue import Protocol, no_tags
from drivers.cjt188.driver import driver, think_s, wire_s
from drivers.cjt188.scan import scan
from drivers.cjt188.source import Cjt188Options, Cjt188Point

PROTOCOL = Protocol(
    "cjt188", Cjt188Point, Cjt188Options, driver, no_tags, wire_s, think_s=think_s, scan=scan, scan_answer_s=1.0
)
