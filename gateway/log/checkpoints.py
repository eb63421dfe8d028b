"""Signed checkpoints of the chain: hourly, and at a clean stop (contract.md §2)."""

from collections.abc import Mapping
from typing import Any

from gateway.clock import Clock
from gateway.log.options import Signer
from gateway.log.work import End
from gateway.signing import checkpoint_text

KIND = "log.checkpoint"
EVERY_S = 3600.0


class Checkpoints:
    """When one is due and what it says. Without a signer there are none."""

    def __init__(self, gateway: str, signer: Signer | None, clock: Clock) -> None:
        self._gateway = gateway
        self._signer = signer
        self._clock = clock
        self._committed_s = float("-inf")

    def due(self, something: bool, final: bool) -> bool:
        """Whether the next batch carries one; hourly ones wait for `something` to travel with."""
        if self._signer is None:
            return False
        return final or (something and self._clock.monotonic() - self._committed_s >= EVERY_S)

    def data(self, end: End) -> Mapping[str, Any]:
        """The event's data for the newest batch."""
        assert self._signer is not None
        signature = self._signer.sign(checkpoint_text(self._gateway, end.stream, end.seq, end.head))
        return {"seq": end.seq, "head": end.head, "signature": signature, "key": self._signer.key}

    def committed(self) -> None:
        """The next one is due in an hour."""
        self._committed_s = self._clock.monotonic()
