"""A simulated CJ/T 188 meter: all its values in one answer, filled by a behaviour."""

from collections.abc import Mapping

from drivers.cjt188 import frame
from drivers.cjt188.driver import Reading, address_of, options_of, value
from drivers.cjt188.layout import UNITS, Field
from drivers.cjt188.source import Cjt188Point
from drivers.contract import Value
from drivers.simulator.meter import DECOY_DIGITS, Readings, bcd_bytes, raw_number
from drivers.values import taken

_USUAL_UNITS = {
    "settlement_heat": 0x05, "heat": 0x05, "power": 0x17, "flow": 0x35, "volume": 0x2C, "settlement_volume": 0x2C,
}  # fmt: skip
"""Unit bytes that this meter sends: kWh, kW, m3/h, m3."""
_TIME = bytes.fromhex("20261124120000")[::-1]
"""The meter's own clock, which nobody reads but those who ask for it."""


class Cjt188Meter:
    """See Meter. `address` is its own when the site file asks by wildcard."""

    def __init__(self, shown: Readings, address: str = "00000000000001") -> None:
        spec = shown.instrument
        self._options = options_of(spec)
        written = address_of(spec)
        self.address = frame.address_bytes(address if written == frame.ANYBODY else written)
        self._shown = shown
        self._size = Reading(spec).size

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        asked = frame.parsed(request)
        mine = all(one in (own, 0xAA) for one, own in zip(asked.address, self.address, strict=True))
        if not mine or asked.control & frame.REPLY or asked.kind not in (self._options.kind, frame.ANY_KIND):
            return None
        if asked.control == frame.READ_ADDRESS:
            return self._frame(0x83, asked.data[:3])
        identifier = asked.data[:2]
        wanted = self._options.identifier.to_bytes(2)
        if asked.control != frame.READ or identifier not in (wanted, wanted[::-1]):
            return self._frame(asked.control | 0xC0, asked.data[2:3] + b"\x02\x00")
        return self._frame(0x81, asked.data[:3] + self._data(), wake=2)

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter."""
        asked = frame.parsed(request)
        head = asked.data[:3]
        decoy = head + bytes([DECOY_DIGITS]) * self._size
        other = bytes([(self.address[0] + 1) % 0x10]) + self.address[1:]
        kind = self._options.kind
        return {
            "decoy": self._frame(0x81, decoy),
            "wrong unit": frame.frame(kind, other, 0x81, decoy),
            "wrong kind": frame.frame(kind % 0x40 + 0x10, self.address, 0x81, decoy),
            "wrong identifier": self._frame(0x81, b"\x91\x1f" + decoy[2:]),
            "wrong serial": self._frame(0x81, decoy[:2] + bytes([head[2] ^ 1]) + decoy[3:]),
            "wrong control": self._frame(0x84, decoy),
            "short": self._frame(0x81, decoy[:9]),
            "empty": self._frame(0x81, b""),
            "refusal": self._frame(0xC1, head[2:] + b"\x02\x00"),
        }

    def _frame(self, control: int, data: bytes, wake: int = 0) -> bytes:
        return frame.frame(self._options.kind, self.address, control, data, wake)

    def _data(self) -> bytes:
        shown = self._shown.shown()
        data = bytearray(self._size)
        for point in self._shown.instrument.points:
            assert isinstance(point, Cjt188Point)
            field = point.placed(self._options.kind)
            own = _encoded(point, field, shown[point.id])
            data[field.at : field.at + len(own)] = own
        for point in self._shown.instrument.points:
            assert isinstance(point, Cjt188Point)
            self._shown.served(point, taken(point, value(point.placed(self._options.kind), bytes(data)))[0])
        return bytes(data)


def _encoded(point: Cjt188Point, field: Field, shown: Value) -> bytes:
    if field.kind == "time":
        return _TIME
    if field.kind == "bits":
        return int(shown or 0).to_bytes(field.size, "little")
    if field.unit != "":
        return bcd_bytes(raw_number(point, shown, field.decimals, field.unit), field.size)
    code = _USUAL_UNITS.get(point.field or "", 0x05)
    return bcd_bytes(raw_number(point, shown, field.decimals, UNITS[code]), field.size) + bytes([code])
