"""What the catalogue needs to know of M-Bus."""

from drivers.catalogue import Protocol, no_tags
from drivers.mbus.driver import driver, think_s, wire_s
from drivers.mbus.scan import scan
from drivers.mbus.source import MbusOptions, MbusPoint

PROTOCOL = Protocol(
    "mbus", MbusPoint, MbusOptions, driver, no_tags, wire_s, think_s=think_s, scan=scan, scan_answer_s=0.3
)
