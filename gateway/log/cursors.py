"""What each uplink has settled. Positions 1..newest are, for an uplink, settled, gone, or undelivered: nothing else."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.log.intervals import Intervals

MOST_RUNS = 256
"""Runs remembered for an uplink; beyond, the shortest are forgotten, which costs repeats and never a loss."""


class Cursors:
    """One set of settled positions for each uplink, and one of positions that hold no batch any more (or never did)."""

    def __init__(self, uplinks: Sequence[str]) -> None:
        self.gone = Intervals()
        self.settled = {name: Intervals() for name in uplinks}
        self.changed: set[str] = set()

    def load(self, gone: Intervals, settled: dict[str, Intervals]) -> None:
        """Take over what the log says; what is settled in memory is known better and stays."""
        self.gone = gone
        for name, mine in self.settled.items():
            for runs in (settled.get(name, Intervals()), gone):
                for run in runs:
                    mine.add(*run)

    def settle(self, uplink: str, position: int) -> None:
        """The uplink needs this one no more."""
        runs = self.settled[uplink]
        if position not in runs:
            runs.add(position)
            if len(runs) > MOST_RUNS:
                runs.shed(MOST_RUNS)
                for run in self.gone:  # what is not there must never look undelivered
                    runs.add(*run)
            self.changed.add(uplink)

    def needs(self, uplink: str, position: int) -> bool:
        """Whether the uplink still needs this one."""
        return position not in self.settled[uplink]

    def lose(self, first: int, last: int) -> None:
        """These hold no batch that can be delivered."""
        self.gone.add(first, last)
        for runs in self.settled.values():
            runs.add(first, last)

    def find(self, first: int, last: int, settled: Mapping[str, Intervals]) -> None:
        """These are there after all (salvaged); `settled` says who had them."""
        self.gone.remove(first, last)
        for name, runs in self.settled.items():
            runs.remove(first, last)
            for run in settled.get(name, Intervals()).within(first, last):
                runs.add(*run)
            self.changed.add(name)

    def undelivered(self, uplink: str, after: int, before: int) -> Iterator[tuple[int, int]]:
        """Runs of positions with after < position < before that the uplink still needs."""
        return self.settled[uplink].gaps(after + 1, before - 1)

    def backlog(self, uplink: str, newest: int) -> int:
        """How many batches the uplink still needs."""
        return newest - self.settled[uplink].total

    def written(self) -> dict[str, bytes]:
        """What has changed since the last call, to be saved: without what is gone, so that batches which are found
        again after all (salvaged) are undelivered, whatever else was saved by then."""
        changed, self.changed = self.changed, set()
        return {name: self._present(self.settled[name]).written() for name in changed}

    def _present(self, settled: Intervals) -> Intervals:
        return Intervals(run for mine in settled for run in self.gone.gaps(*mine))
