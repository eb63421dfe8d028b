"""Messages in a stream of bytes, pure: where one begins and ends, and whether its checksum is right.

`cut` looks at the input so far and says: the first message, so many bytes to drop, or wait for more. `body` checks a
message and gives what the checksum covers, as text.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import xor

from drivers.contract import Skip, Verdict, Whole
from drivers.errors import BadReply
from drivers.modbus.crc import crc16
from drivers.text.source import Checksum, TextOptions


class Framing:
    """Where messages begin and end."""

    __slots__ = ("_begins", "_end", "_length", "longest", "safe_start", "silence_s")

    def __init__(self, options: TextOptions) -> None:
        self._end = options.end
        self._length = options.length
        self._begins = options.begins.encode(options.encoding) if options.begins else None
        self.longest = options.longest
        self.silence_s = options.silence
        self.safe_start = bool(options.begins or options.checksum or options.whole_from_start or options.silence)
        """Whether what comes first can be taken for a message; otherwise it may be the rest of one."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for framings that find the same messages."""
        return self._end, self._length, self._begins, self.longest, self.silence_s, self.safe_start

    def cut(self, data: bytes | bytearray) -> Verdict:
        """The first message without its end, what to drop, or None for "need more". Raises nothing."""
        if self._begins is not None and (drop := self._before(data)):
            return Skip(drop, "noise")
        if self._end is not None:
            return self._to_end(data, self._end)
        if self._length is not None and len(data) >= self._length:
            return Whole(self._length, bytes(data[: self._length]))
        if self._length is None and len(data) > self.longest:
            return Skip(len(data), "noise")
        return None

    def _to_end(self, data: bytes | bytearray, end: bytes) -> Verdict:
        at = data.find(end, 0, self.longest + len(end))
        if at < 0:
            # the end may be half there
            return Skip(self.longest, "noise") if len(data) >= self.longest + len(end) else None
        if self._begins is not None:
            # a message that was cut off is followed by the next one's beginning
            again = data.rfind(self._begins, len(self._begins), at)
            if again > 0:
                return Skip(again, "noise")
        return Whole(at + len(end), bytes(data[:at]))

    def _before(self, data: bytes | bytearray) -> int:
        """Bytes at the front that cannot begin a message."""
        assert self._begins is not None
        at = data.find(self._begins)
        if at >= 0:
            return at
        for kept in range(min(len(self._begins) - 1, len(data)), 0, -1):
            if data.endswith(self._begins[:kept]):
                return len(data) - kept
        return len(data)


def body(message: bytes, checksum: Checksum | None, encoding: str) -> str:
    """What the message says, its checksum checked and left out. Raises BadReply."""
    covered = message if checksum is None else _covered(message, checksum)
    try:
        return covered.decode(encoding)
    except UnicodeDecodeError:
        raise BadReply(f"no {encoding} text: {message[:32].hex(' ')}", "noise") from None


def _covered(message: bytes, checksum: Checksum) -> bytes:
    if checksum.kind == "nmea":
        if message[:1] not in (b"$", b"!") or message[-3:-2] != b"*":
            raise BadReply(f"no NMEA 0183 sentence: {_shown(message)}")
        covered, given = message[1:-3], message[-2:]
    else:
        size = digits(checksum)
        upto = len(message) - checksum.behind - size
        covered = message[checksum.first : max(0, upto - checksum.between)]
        given = message[max(0, upto) : len(message) - checksum.behind]
        if upto - checksum.between < checksum.first:
            raise BadReply(f"too short for its checksum: {_shown(message)}")
    wanted = computed(covered, checksum)
    if given.upper() != wanted if checksum.form == "hex" else given != wanted:
        raise BadReply(f"checksum of {_shown(message)} should be {_shown(wanted)}")
    return covered


def digits(checksum: Checksum) -> int:
    """Bytes that the checksum takes in the message."""
    return (2 if checksum.kind.startswith("crc16") else 1) * (2 if checksum.form == "hex" else 1)


_SUMS: Mapping[str, Callable[[bytes], int]] = {
    "xor": lambda data: reduce(xor, data, 0),
    "nmea": lambda data: reduce(xor, data, 0),
    "sum": lambda data: sum(data) & 0xFF,
    "negative_sum": lambda data: -sum(data) & 0xFF,
    "crc16": lambda data: crc16(data) if len(data) > 1 else _reflected(data),
}


def _reflected(data: bytes) -> int:
    """CRC-16 of Modbus over one byte or none, for which the fast form is not made."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register


def _ccitt(data: bytes) -> int:
    """CRC-16 with polynomial 1021, start FFFF, not reflected: "123456789" gives 29B1."""
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register


def computed(covered: bytes, checksum: Checksum) -> bytes:
    """The checksum as it stands in a message that says this."""
    wide = checksum.kind.startswith("crc16")
    number = _ccitt(covered) if checksum.kind == "crc16_ccitt" else _SUMS[checksum.kind](covered)
    data = number.to_bytes(2 if wide else 1, "little" if checksum.low_first else "big")
    return data.hex().upper().encode() if checksum.form == "hex" else data


def sealed(text: bytes, checksum: Checksum | None) -> bytes:
    """A request with its checksum in the place of `{checksum}`: over what is before it, as in a message."""
    if checksum is None or b"{checksum}" not in text:
        return text
    before, _, after = text.partition(b"{checksum}")
    if checksum.kind == "nmea":
        covered = before.lstrip(b"$!").removesuffix(b"*")
    else:
        covered = before[checksum.first : len(before) - checksum.between]
    return before + computed(covered, checksum) + after


def _shown(data: bytes) -> str:
    text = data[:40].decode("ascii", "backslashreplace")
    return ascii(text + ("…" if len(data) > 40 else ""))
