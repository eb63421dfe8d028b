"""The topics of one gateway (contract.md §2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of `gateway` under `base`."""

    base: str
    status: str
    points: str
    data: str
    backfill: str
    command: str
    reply: str

    @classmethod
    def of(cls, base: str, gateway: str) -> "Topics":
        """`{base}/{gateway}/…`."""
        leaves = ("status", "points", "data", "backfill", "command", "reply")
        return cls(base, *(f"{base}/{gateway}/{leaf}" for leaf in leaves))
