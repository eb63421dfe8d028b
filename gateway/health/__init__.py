"""Health: reads every stage's counters and steers none."""

from gateway.health.health import Health

__all__ = ["Health"]
