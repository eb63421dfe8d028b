"""Opens a record, whatever it is: a bundle, a log, or a recorded feed."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.evidence.bundle import is_bundle, read_bundle
from gateway.evidence.item import Finding, Item, Seal
from gateway.evidence.lines import Progress, read_recorded
from gateway.log.archive import Archive, Row, is_log


def open_record(path: Path, progress: Progress | None = None) -> Iterator[Item | Finding | Seal]:
    """Whatever `path` is: a bundle (file or directory), a log, or a recorded feed. Raises NoLog, OSError."""
    if is_bundle(path):
        return read_bundle(path)
    if is_log(path):
        return read_log(path, progress)
    return read_recorded(path, progress)


def read_log(path: Path, progress: Progress | None = None) -> Iterator[Item | Finding]:
    """Every batch of a log file; rows with a wrong CRC and rows that cannot be read are findings."""
    with Archive(path) as archive:
        first, last = archive.span()
        removed: list[Finding] = []
        for number, row in enumerate(rows_between(archive, first, last, removed)):
            place = f"position {row.position}"
            if progress is not None and number % 1000 == 0:
                progress(row.position - first, last - first + 1)
            if row.sound:
                yield Item(None, row.body, place, stream=row.stream, seq=row.seq)
            else:
                yield Finding("crc", stream=row.stream, first=row.seq, details={"place": place})
        yield from removed
        for low, high in archive.damaged:
            details = {"place": f"positions {low}-{high}", "reason": "the log's pages are damaged"}
            yield Finding("unreadable", details=details)


def rows_between(archive: Archive, first: int, last: int, removed: list[Finding]) -> Iterator[Row]:
    """Rows of the positions `first` to `last`; what the log says it has removed between them goes into `removed`."""
    before: Row | None = None
    for row in archive.rows(first - 1):
        if row.position > last:
            return
        if before is not None and row.position > before.position + 1:
            removed += _removed(before, row, archive.gone())
        before = row
        yield row


def _removed(before: Row, after: Row, gone: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    """What the log says it has removed between two rows, by stream and seq: within a stream both rise by one."""
    begins = after.position if before.stream == after.stream else after.position - after.seq + 1
    for first, last in gone:
        for row, low, high in ((before, before.position + 1, begins - 1), (after, begins, after.position - 1)):
            low, high = max(low, first), min(high, last)
            if low <= high:
                shift = row.seq - row.position
                yield Finding("removed", stream=row.stream, first=low + shift, last=high + shift)
