"""The topics of one gateway (contract.md §2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of `gateway` under `base`."""

    status: str
    points: str
    data: str
    backfill: str
    command: str
    reply: str

    @classmethod
    def of(cls, base: str, gateway: str) -> "Topics":
        """`{base}/{gateway}/…`."""
        return cls(*(f"{base}/{gateway}/{leaf}" for leaf in cls.__slots__))
