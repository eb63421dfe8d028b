"""A simulated DL/T 645 meter: its profile's identifiers, filled by a behaviour; long blocks in several parts."""

from collections.abc import Mapping

from drivers.contract import Value
from drivers.dlt645 import frame
from drivers.dlt645.driver import readings, value
from drivers.dlt645.source import Dlt645Options, Dlt645Point
from drivers.simulator.meter import DECOY_DIGITS, Readings, bcd_bytes, raw_number
from drivers.values import taken

NO_DATA = 0x02
"""Bit 1 of the error byte: no such data (2007); wrong identifier (1997)."""


class Dlt645Meter:
    """See Meter. `address` is its own when the site file asks by wildcard."""

    def __init__(self, shown: Readings, address: str = "000000000001", part_bytes: int = 190) -> None:
        spec = shown.instrument
        self._readings = {reading.identifier: reading for reading in readings(spec)}
        options = spec.options if isinstance(spec.options, Dlt645Options) else Dlt645Options()
        self._old = options.edition == 1997
        written = str(spec.address).zfill(12).upper()
        self.address = frame.address_bytes(address if written == frame.ANYBODY else written)
        self._shown = shown
        self._part_bytes = part_bytes
        self._block = b""

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        asked = frame.parsed(request)
        if not _mine(asked.address, self.address) or asked.control & frame.REPLY:
            return None
        if asked.control == 0x13 and not self._old:
            return frame.frame(self.address, 0x93, self.address)
        first, more = (0x01, 0x02) if self._old else (0x11, 0x12)
        width = 2 if self._old else 4
        head = asked.data[:width]
        reading = self._readings.get(head[::-1].hex().upper())
        if asked.control not in (first, more) or reading is None:
            return frame.frame(self.address, asked.control | 0xC0, bytes([NO_DATA]))
        if asked.control == first:
            self._block, number = self._data(reading.identifier), 0
        else:
            number = asked.data[width] if not self._old else 1
            self._block = self._block[self._part_bytes :]
        follows = frame.FOLLOWS if len(self._block) > self._part_bytes else 0
        tail = bytes([number]) if number and not self._old else b""
        control = asked.control | frame.REPLY | follows
        return frame.frame(self.address, control, head + self._block[: self._part_bytes] + tail, wake=2)

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter."""
        asked = frame.parsed(request)
        head = asked.data[: 2 if self._old else 4]
        reading = self._readings.get(head[::-1].hex().upper())
        decoy = bytes([DECOY_DIGITS]) * (reading.size if reading is not None else 4)
        other = bytes([(self.address[0] + 1) % 0x10]) + self.address[1:]
        control = asked.control | frame.REPLY
        return {
            "decoy": frame.frame(self.address, control, head + decoy),
            "wrong unit": frame.frame(other, control, head + decoy),
            "wrong identifier": frame.frame(self.address, control, bytes([head[0] ^ 1]) + head[1:] + decoy),
            "wrong control": frame.frame(self.address, 0x94, head + decoy),
            "short": frame.frame(self.address, control, head + decoy[:-1]),
            "long": frame.frame(self.address, control, head + decoy + decoy[:1]),
            "empty": frame.frame(self.address, control),
            "refusal": frame.frame(self.address, control | frame.REFUSES, bytes([NO_DATA])),
        }

    def _data(self, identifier: str) -> bytes:
        reading = self._readings[identifier]
        shown = self._shown.shown()
        data = bytearray(reading.size)
        for _, point in reading.places:
            layout = point.layout
            at = (point.part or 0) * layout.size
            data[at : at + layout.size] = own = encoded(point, shown[point.id])
            whole = bytes(at) + own
            self._shown.served(point, taken(point, value(point, whole))[0])
        return bytes(data)


def encoded(point: Dlt645Point, shown: Value) -> bytes:
    """A value as the meter sends it."""
    layout = point.layout
    if point.type == "string":
        return str(shown).encode("ascii", "replace")[: layout.size].rjust(layout.size, b"\0")[::-1]
    if point.type == "bits":
        return int(shown or 0).to_bytes(layout.size, "little")
    number = raw_number(point, shown, layout.decimals, layout.unit)
    data = bcd_bytes(number, layout.size)
    return data[:-1] + bytes([data[-1] | 0x80]) if number < 0 and layout.signed else data


def _mine(asked: bytes, own: bytes) -> bool:
    return all(one in (mine, 0xAA) for one, mine in zip(asked, own, strict=True))
