"""One stream's chain: which seqs were seen, whether each `prev` is the SHA-256 of the batch before it.

Batches come in any order and more than once, and a stream may be years long, so a seq costs eight bytes: not its
SHA-256 but a mark of it under a key drawn at random for this run. Two different digests get the same mark with
probability 2^-64, and nobody who prepares a feed can aim at it, because the key did not exist then.
"""

import hashlib
import secrets
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK = 256
"""Seqs kept together: 2 KiB, so that a feed with wild seqs cannot make the check reserve much for each of them."""

_RUN_KEY = secrets.token_bytes(32)


def mark(digest_hex: str) -> int:
    """Eight bytes for a SHA-256, never 0; the same within this process only. Raises ValueError for what is not hex."""
    short = hashlib.blake2b(bytes.fromhex(digest_hex), digest_size=8, key=_RUN_KEY).digest()
    return int.from_bytes(short) or 1


class Marks:
    """seq -> mark, eight bytes each; 0 means not seen."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: dict[int, array[int]] = {}

    def __getitem__(self, seq: int) -> int:
        chunk = self._chunks.get(seq // CHUNK)
        return chunk[seq % CHUNK] if chunk is not None else 0

    def __setitem__(self, seq: int, value: int) -> None:
        chunk = self._chunks.get(seq // CHUNK)
        if chunk is None:
            chunk = self._chunks[seq // CHUNK] = array("Q", bytes(8 * CHUNK))
        chunk[seq % CHUNK] = value

    def spans(self) -> Iterator[tuple[int, int]]:
        """First and last seq of each unbroken run of seen seqs, rising."""
        first = last = 0
        for index in sorted(self._chunks):
            for offset, value in enumerate(self._chunks[index]):
                if not value:
                    continue
                seq = index * CHUNK + offset
                if last and seq != last + 1:
                    yield first, last
                    first = seq
                first, last = first or seq, seq
        if last:
            yield first, last


@dataclass(frozen=True, slots=True)
class Edit:
    """Among batches `first` to `last` at least one is not what the gateway wrote."""

    first: int
    last: int


class Chain:
    """The batches of one (gateway, stream) seen so far."""

    __slots__ = ("_broken", "_twins", "_waiting", "batches", "checkpoints", "keys", "lowest_created", "repeats", "seen")

    def __init__(self) -> None:
        self.seen = Marks()
        self.batches = 0
        self.repeats = 0
        self.keys: dict[str, list[int]] = {}  # public key -> [first, last, how many] checkpoints it signed, by seq
        self.checkpoints: list[int] = []  # seqs whose head was rightly signed
        self.lowest_created: tuple[int, int] | None = None  # (lowest seq, its created)
        self._waiting: dict[int, int] = {}  # seq whose predecessor is not here yet -> mark of its prev
        self._twins: dict[int, set[int]] = {}  # seq seen with several bodies -> marks of the later ones
        self._broken: dict[int, int] = {}  # seq that does not fit its successor -> mark of the successor's prev

    def take(self, seq: int, digest: str, prev: str) -> str:
        """Note one batch by its SHA-256 and its `prev` (hex): "new", "repeat", or "twin": the seq had another body."""
        own, before = mark(digest), mark(prev)
        known = self.seen[seq]
        if known == own:
            self.repeats += 1
            return "repeat"
        if known:
            self._twins.setdefault(seq, set()).add(own)
            return "twin"
        self.seen[seq] = own
        self.batches += 1
        if seq > 1:
            self._link(seq - 1, before)
        if (claimed := self._waiting.pop(seq + 1, None)) is not None:
            self._link(seq, claimed)
        return "new"

    def _link(self, seq: int, claimed: int) -> None:
        known = self.seen[seq]
        if not known:
            self._waiting[seq + 1] = claimed
        elif known != claimed:
            self._broken[seq] = claimed

    def signed(self, key: str, seq: int) -> None:
        """Note a rightly signed checkpoint of batch `seq`."""
        span = self.keys.setdefault(key, [seq, seq, 0])
        span[:] = min(span[0], seq), max(span[1], seq), span[2] + 1
        self.checkpoints.append(seq)

    def edits(self) -> Iterator[Edit]:
        """Where the chain does not close, as narrowly as it can be said.

        A link broken between s and s+1 alone, with s+1 confirmed by s+2, leaves only s. A link that a second
        body of s would close is no edit: that the seq has two bodies has been said already.
        """
        broken = sorted(seq for seq, claimed in self._broken.items() if claimed not in self._twins.get(seq, ()))
        index = 0
        while index < len(broken):
            first = last = broken[index]
            while index + 1 < len(broken) and broken[index + 1] == last + 1:
                index += 1
                last = broken[index]
            index += 1
            successor_confirmed = self.seen[last + 2] != 0
            yield Edit(first, last if successor_confirmed else last + 1)

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """First and last of each unbroken run of seqs, and the last of it that a signature covers (first - 1: none)."""
        points = sorted(self.checkpoints)
        index = 0
        for first, last in self.seen.spans():
            covered = first - 1
            while index < len(points) and points[index] <= last:
                covered = max(covered, points[index])
                index += 1
            yield first, last, covered
