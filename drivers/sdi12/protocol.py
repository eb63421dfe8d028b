"""What the catalogue needs to know of SDI-12."""

from drivers.catalogue import Protocol, no_tags
from drivers.sdi12.driver import driver, wire_s
from drivers.sdi12.scan import scan
from drivers.sdi12.source import Sdi12Options, Sdi12Point

PROTOCOL = Protocol("sdi12", Sdi12Point, Sdi12Options, driver, no_tags, wire_s, scan=scan)
