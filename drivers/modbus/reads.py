"""The reads of one instrument as it accepts them: what answers exception 2 or 3 is split until only the refused
registers are left out. Pure; times are monotonic seconds, passed in.

A refused block is halved between its atoms. Halves do not reach across the registers between them, so a hole that
nobody asked for is out after one split. A refused single atom is excluded. Neighbours that were split are joined
again where no foreign register lies between and the instrument has answered a read of that size.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from drivers.modbus.plan import Block, block

ADDRESS_EXCEPTIONS = frozenset({2, 3})
"""Illegal data address; illegal data value, which some instruments answer to too many registers."""
RETRY_S = 600.0
"""Excluded registers are tried again every 10 minutes (contract.md §3)."""
PROBES = 4
"""Excluded atoms tried again in one poll: each may cost an exchange."""


class Reads:
    """Which blocks to ask for. `blocks` is replaced, never changed, so that its identity tells of a change."""

    __slots__ = ("_largest", "_next", "_origin", "_planned", "_probes", "_refused", "_retry_at", "blocks", "excluded")

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks: tuple[Block, ...] = tuple(blocks)
        self.excluded: dict[Block, str] = {}
        """Reads of a single atom that were refused, and the reason for each of their points."""
        self._origin = {atom: place for place, one in enumerate(blocks) for atom in one.atoms}
        self._largest: dict[str, int] = {}
        """Longest read that was answered, by table."""
        self._planned = {table: max(b.count for b in blocks if b.table == table) for table in {b.table for b in blocks}}
        self._refused: set[Block] = set()
        """Reads that were refused as a whole: joining must not try them again and again."""
        self._probes: deque[Block] = deque()
        self._retry_at = 0.0
        self._next = 0

    def refused(self, refused: Block, why: str, now_s: float) -> tuple[Block, ...]:
        """The block was refused; what to ask for instead, nothing when its only atom is excluded now."""
        if len(refused.atoms) == 1:
            if refused in self.blocks:
                self.blocks = tuple(one for one in self.blocks if one != refused)
            self.excluded[refused] = f"excluded: {refused.words} answered {why}"
            self._retry_at = now_s + RETRY_S
            return ()
        self._refused.add(refused)
        middle = len(refused.atoms) // 2
        halves = tuple(
            block(refused.table, refused.function, part) for part in (refused.atoms[:middle], refused.atoms[middle:])
        )
        self.blocks = tuple(part for one in self.blocks for part in (halves if one == refused else (one,)))
        return halves

    def accepted(self, answered: Block) -> bool:
        """The block was answered: its size works, and if it was excluded it is back. True if the blocks changed."""
        if answered.count > self._largest.get(answered.table, 0):
            self._largest[answered.table] = answered.count
        if not self.excluded or self.excluded.pop(answered, None) is None:
            return False
        self.blocks = tuple(sorted((*self.blocks, answered), key=lambda one: (one.function, one.address)))
        # what made it refuse longer reads may be over too
        self._largest[answered.table] = self._planned[answered.table]
        self._refused.clear()
        self.retry()  # what brought this one back may have brought others
        return True

    def retry(self) -> None:
        """Try everything that is excluded again, a few in each poll."""
        self._probes = deque(self.excluded)

    def probes(self, now_s: float) -> Iterator[Block]:
        """Excluded reads that this poll should try."""
        if self.excluded and now_s >= self._retry_at:
            self._retry_at = now_s + RETRY_S
            self.retry()
        elif not self.blocks and not self._probes:
            # nothing is left to ask for: one read a poll shows whether the instrument is back to its senses
            self._next = (self._next + 1) % len(self.excluded)
            self._probes.append(list(self.excluded)[self._next])
        for _ in range(min(PROBES, len(self._probes))):
            yield self._probes.popleft()

    def join(self) -> None:
        """Join neighbours that splitting left apart, as far as reads of that size have worked."""
        joined: list[Block] = []
        for one in self.blocks:
            whole = self._joined(joined[-1], one) if joined else None
            if whole is None:
                joined.append(one)
            else:
                joined[-1] = whole
        if len(joined) < len(self.blocks):
            self.blocks = tuple(joined)

    def _joined(self, first: Block, second: Block) -> Block | None:
        """Both in one read, if they were planned so, touch each other, and a read of that size may succeed."""
        if self._origin[first.atoms[0]] != self._origin[second.atoms[0]]:
            return None
        whole = block(first.table, first.function, (*first.atoms, *second.atoms))
        if first.address + first.count != second.address or whole.count > self._largest.get(whole.table, 0):
            return None
        return None if whole in self._refused else whole
