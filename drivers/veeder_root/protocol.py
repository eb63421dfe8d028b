"""What the catalogue needs to know of Veeder-Root consoles."""

from drivers.catalogue import Protocol, no_tags
from drivers.veeder_root.driver import driver, think_s, wire_s
from drivers.veeder_root.scan import scan
from drivers.veeder_root.source import VeederRootOptions, VeederRootPoint

PROTOCOL = Protocol(
    "veeder_root",
    VeederRootPoint,
    VeederRootOptions,
    driver,
    no_tags,
    wire_s,
    think_s=think_s,
    scan=scan,
    scan_answer_s=3.0,
)
