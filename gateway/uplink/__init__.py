"""Delivery of the log to brokers, and commands from them."""

from gateway.uplink.points import catalogue
from gateway.uplink.settings import UplinkSettings
from gateway.uplink.uplink import Uplink

__all__ = ["Uplink", "UplinkSettings", "catalogue"]
