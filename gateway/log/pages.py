"""Reading SQLite's pages without SQLite: rows of a file whose tree can no longer be walked.

The file format (https://www.sqlite.org/fileformat2.html): a table's rows are cells of its leaf pages (§1.6); what
does not fit in the page continues on a chain of overflow pages. Nothing here is trusted: whoever calls checks the
row by its CRC, and every length is bounded.
"""

from collections.abc import Callable, Iterator

from gateway.log.database import MOST_ROW

LEAF = 0x0D

Value = int | float | str | bytes | None


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer and the place after it (§1.6). Raises IndexError at the end of the data."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    value = value << 8 | data[at + 8]
    return (value - (1 << 64) if value >> 63 else value), at + 9


def rows(page: bytes, first: bool, overflow: Callable[[int], bytes]) -> Iterator[tuple[int, list[Value], list[int]]]:
    """Of each cell of a table leaf that can be read: row id, columns, and the overflow pages it lies on.

    `first`: the page carries the file's header in its first 100 bytes. `overflow(n)` gives page n or b"".
    """
    start = 100 if first else 0
    if len(page) <= start + 8 or page[start] != LEAF:
        return
    count = int.from_bytes(page[start + 3 : start + 5])
    for index in range(min(count, len(page) // 4)):
        pointer = int.from_bytes(page[start + 8 + 2 * index : start + 10 + 2 * index])
        try:
            length, at = varint(page, pointer)
            row, at = varint(page, at)
            if not 0 < length <= MOST_ROW:
                continue
            payload, pages = _payload(page, at, length, overflow)
            yield row, columns(payload), pages
        except (IndexError, ValueError):
            continue


def _payload(page: bytes, at: int, length: int, overflow: Callable[[int], bytes]) -> tuple[bytes, list[int]]:
    """All bytes of a row (§1.6: how much of it is local). Raises ValueError if some are missing."""
    usable = len(page)
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if length <= most:
        payload = page[at : at + length]
        if len(payload) < length:
            raise ValueError("the cell ends beyond its page")
        return payload, []
    spread = least + (length - least) % (usable - 4)
    local = spread if spread <= most else least
    parts, size = [page[at : at + local]], local
    number = int.from_bytes(page[at + local : at + local + 4])
    pages: list[int] = []
    while size < length:
        content = overflow(number) if number else b""
        if len(content) < usable or len(pages) * (usable - 4) > length:
            raise ValueError("the chain of overflow pages is broken")
        pages.append(number)
        part = content[4 : 4 + length - size]
        parts.append(part)
        size += len(part)
        number = int.from_bytes(content[:4])
    return b"".join(parts), pages


def columns(payload: bytes) -> list[Value]:
    """The values of a record (§2.1). Raises IndexError, ValueError."""
    end, at = varint(payload, 0)
    kinds: list[int] = []
    while at < end:
        kind, at = varint(payload, at)
        kinds.append(kind)
        if len(kinds) > 16:
            raise ValueError("no table of the log has so many columns")
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return values


_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in _INTEGER_BYTES:
        end = at + _INTEGER_BYTES[kind]
        return int.from_bytes(payload[at:end], signed=True), end
    if kind < 12:
        raise ValueError("no column of the log has this type")
    end = at + (kind - 12) // 2
    if end > len(payload):
        raise ValueError("the column ends beyond its row")
    content = payload[at:end]
    return (content if kind % 2 == 0 else content.decode()), end
