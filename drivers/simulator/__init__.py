"""Instruments that behave, and misbehave, like the real ones, on sockets and pseudo-terminals."""

from drivers.simulator.site import simulate
from drivers.simulator.truth import Truth

__all__ = ["Truth", "simulate"]
