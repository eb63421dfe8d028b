"""A few stretches of time, joined where they touch."""


class Spans:
    """[from, to) in ms; at most `MOST`, beyond which the two nearest become one (what lies between is then in it)."""

    MOST = 64

    def __init__(self, spans: list[list[int]] | None = None) -> None:
        self._spans = [list(span) for span in spans or ()]

    def __contains__(self, at_ms: int) -> bool:
        return any(first <= at_ms < after for first, after in self._spans)

    def add(self, first: int, after: int) -> None:
        """Add [first, after)."""
        spans = sorted([*self._spans, [first, after]])
        joined = [spans[0]]
        for span in spans[1:]:
            if span[0] <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], span[1])
            else:
                joined.append(span)
        if len(joined) > self.MOST:
            at = min(range(1, len(joined)), key=lambda index: joined[index][0] - joined[index - 1][1])
            joined[at - 1][1] = joined.pop(at)[1]
        self._spans = joined

    def rows(self) -> list[list[int]]:
        """For a kept state."""
        return self._spans
