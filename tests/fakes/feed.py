"""A feed as a gateway writes it, for tests of whoever reads it: real bodies, a real chain, real signatures."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.contract import Flag, Sample
from gateway.batch import FIRST_PREV, digest, encode
from gateway.reading import Event, Reading
from gateway.signing import Signer, checkpoint_text

GATEWAY = "lyu-gas-017"
START_MS = 1_763_999_940_000  # 2025-11-24 15:59:00 UTC, one minute before midnight in Shanghai
POINTS = ("so2", "nox")


def signer(seed: int = 1) -> Signer:
    """A key that is the same in every run."""
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def reading(ts_ms: int, values: Sequence[Any] = (12.31, 4.5), instrument: str = "cems-1", lag_ms: int = 120) -> Reading:
    """One poll; None among the values is a timeout."""
    nulls = [index for index, value in enumerate(values) if value is None]
    sample = Sample(
        tuple(values),
        dict.fromkeys(nulls, Flag.COMMUNICATION),
        dict.fromkeys(nulls, "timeout: no answer in 1.0 s"),
        "timeout" if nulls else "ok",
    )
    return Reading(instrument, POINTS[: len(values)], ts_ms, lag_ms, sample)


class FakeFeed:
    """Writes one stream, batch after batch; `bodies` has them, uncompressed."""

    def __init__(self, stream: str = "01JD9QAAAA", key: Signer | None = None, gateway: str = GATEWAY) -> None:
        self.gateway = gateway
        self.stream = stream
        self.key = key or signer()
        self.bodies: list[bytes] = []
        self.at_ms = START_MS

    def add(self, readings: Iterable[Reading] = (), events: Iterable[Event] = ()) -> bytes:
        """The next batch, a second later."""
        prev = digest(self.bodies[-1]) if self.bodies else FIRST_PREV
        self.at_ms += 1000
        seq = len(self.bodies) + 1
        body = encode(self.gateway, self.stream, seq, prev, self.at_ms, "synced", readings, (), events)
        self.bodies.append(body)
        return body

    def start(self, previous: dict[str, Any] | None = None, reason: str = "new") -> bytes:
        """The first batch of the stream."""
        return self.add(events=[Event(self.at_ms, "log.started", {"reason": reason, "previous": previous})])

    def poll(self, values: Sequence[Any] = (12.31, 4.5)) -> bytes:
        """A batch with one reading of it."""
        return self.add([reading(self.at_ms + 900, values)])

    def checkpoint(self) -> bytes:
        """A batch that signs the one before it."""
        return self.add(events=[Event(self.at_ms, "log.checkpoint", self.checkpoint_data())])

    def checkpoint_data(self) -> dict[str, Any]:
        """What a checkpoint in the next batch says."""
        seq, head = len(self.bodies), digest(self.bodies[-1])
        signature = self.key.sign(checkpoint_text(self.gateway, self.stream, seq, head))
        return {"seq": seq, "head": head, "signature": signature, "key": self.key.key}


def signed_feed(polls: int = 10, every: int = 4, feed: FakeFeed | None = None) -> FakeFeed:
    """A stream from its start to a clean stop: readings, a checkpoint after every few, the last batch a checkpoint."""
    feed = feed or FakeFeed()
    feed.start()
    for number in range(polls):
        feed.poll((12.0 + number / 8, None if number % 5 == 4 else 4.5))
        if number % every == every - 1:
            feed.checkpoint()
    feed.checkpoint()
    return feed


def packed(bodies: Iterable[bytes]) -> list[bytes]:
    """The bodies as zlib makes them on the wire."""
    return [zlib.compress(body, 1) for body in bodies]
