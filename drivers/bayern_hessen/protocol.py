"""What the catalogue needs to know of Bayern-Hessen."""

from drivers.bayern_hessen.driver import driver, think_s, wire_s
from drivers.bayern_hessen.scan import scan
from drivers.bayern_hessen.source import BayernHessenOptions, BayernHessenPoint
from drivers.catalogue import Protocol, no_tags

PROTOCOL = Protocol(
    "bayern_hessen", BayernHessenPoint, BayernHessenOptions, driver, no_tags, wire_s, think_s=think_s, scan=scan
)
