"""Delivery of the log to brokers, and commands from them."""

from gateway.uplink.commands import Action, Commands
from gateway.uplink.permission import Denied, Permission
from gateway.uplink.points import catalogue
from gateway.uplink.settings import UplinkSettings
from gateway.uplink.uplink import Uplink

__all__ = ["Action", "Commands", "Denied", "Permission", "Uplink", "UplinkSettings", "catalogue"]
