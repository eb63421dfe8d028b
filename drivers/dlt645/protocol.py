"""What the catalogue needs to know of DL/T 645."""

from drivers.catalogue import Protocol, no_tags
from drivers.dlt645.driver import driver, think_s, wire_s
from drivers.dlt645.scan import scan
from drivers.dlt645.source import Dlt645Options, Dlt645Point

PROTOCOL = Protocol(
    "dlt645", Dlt645Point, Dlt645Options, driver, no_tags, wire_s, think_s=think_s, scan=scan, scan_answer_s=1.0
)
