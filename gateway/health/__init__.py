"""Health: reads every stage's counters and steers none."""

from gateway.health.health import Health
from gateway.health.sources import Parts

__all__ = ["Health", "Parts"]
