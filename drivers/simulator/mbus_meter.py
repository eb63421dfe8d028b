"""A simulated M-Bus meter: one record for each point of its profile, in one telegram or several, FCB and selection."""

from collections.abc import Mapping

from drivers.contract import Value
from drivers.keys import hex_key
from drivers.mbus import frame, secrecy, vif
from drivers.mbus.driver import chosen, options_of
from drivers.mbus.records import CI_LONG, FUNCTIONS, MORE_FOLLOWS, telegram
from drivers.mbus.source import HEADER_VALUES, MbusPoint
from drivers.simulator.meter import Readings, raw_number
from drivers.values import taken

_PREFERRED = -2
"""Power of ten of the records, where the tables allow it: a resolution like that of real meters."""
_DATE = bytes.fromhex("7832")  # type G: 24 February 2027
_TIME = bytes.fromhex("1e0a7832")  # type F: the same day, 10:30
_DECOY = 0x7777_7777


class MbusMeter:
    """See Meter. `records_each` splits the records into telegrams.

    A meter with a primary address is numbered like it; one that is selected has the number of its mask.
    """

    def __init__(self, shown: Readings, records_each: int = 1000) -> None:
        self._shown = shown
        spec = shown.instrument
        self._points = [point for point in spec.points if isinstance(point, MbusPoint)]
        own = frame.address(spec.address)
        self._primary = own.primary if own.mask is None and own.primary != frame.ANYBODY else 1
        usual = frame.address(f"{self._primary:08d}-FGT-01-04").mask
        assert usual is not None
        self._key = hex_key(options_of(spec).key_file)
        self._identity = usual if own.mask is None else _filled(own.mask, usual)
        self._records_each = records_each
        self._selected = False
        self._fcb: bool | None = None
        self._access = 0
        self._waiting: list[bytes] = []
        self._last = b""

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        if request[0] == frame.LONG:
            return self._select(request)
        if request[0] != frame.SHORT:
            return None
        control, asked = request[1:3]
        if asked != frame.ANYBODY and asked != self._primary and not (asked == frame.SELECTED and self._selected):
            return None
        if control == frame.SND_NKE:
            self._fcb = None
            self._waiting.clear()
            self._selected = self._selected and asked != frame.SELECTED
            return bytes([frame.ACK])
        if control & 0x4F != frame.REQ_UD2 & 0x4F:
            return None
        return self._telegram(bool(control & frame.FCB))

    def _select(self, request: bytes) -> bytes | None:
        if request[4:7] != bytes([frame.SND_UD, frame.SELECTED, frame.CI_SELECT]):
            return None
        self._selected = frame.Address(frame.SELECTED, request[7:15]).fits(self._identity)
        return bytes([frame.ACK]) if self._selected else None

    def _telegram(self, fcb: bool) -> bytes:
        if fcb == self._fcb and self._last:
            return self._last  # the master did not get it, or so it says
        self._fcb = fcb
        if not self._waiting:
            self._waiting = self._bodies()
        self._access = (self._access + 1) & 0xFF
        configuration, data = bytes(2), self._waiting.pop(0)
        if self._key is not None:
            configuration, data = secrecy.closed(self._identity, self._access, data, self._key)
        header = self._identity + bytes([self._access, 0]) + configuration
        self._last = frame.long(frame.RSP_UD, self._primary, CI_LONG, header + data)
        return self._last

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter."""
        header = self._identity + bytes([self._access, 0, 0, 0])
        body = b"".join(self._record(point, None, 0) for point in self._points if point.value not in HEADER_VALUES)
        own = self._primary
        wrong = {
            "decoy": frame.long(frame.RSP_UD, own, CI_LONG, header + body),
            "wrong unit": frame.long(frame.RSP_UD, own % 250 + 1, CI_LONG, header + body),
        }
        if request[0] == frame.SHORT and request[1] != frame.SND_NKE:
            wrong |= {
                "acknowledgement": bytes([frame.ACK]),
                "wrong control": frame.long(0x00, own, CI_LONG, header + body),
                "wrong structure": frame.long(frame.RSP_UD, own, 0x73, header + body),
                "encrypted": frame.long(frame.RSP_UD, own, CI_LONG, header[:-1] + b"\x05" + body),
                "cut": frame.long(frame.RSP_UD, own, CI_LONG, header + b"\x04\x13\x01"),
                "error": frame.long(frame.RSP_UD, own, frame.CI_ERROR, b"\x08"),
            }
        return wrong

    def _bodies(self) -> list[bytes]:
        shown = self._shown.shown()
        records = []
        for point in self._points:
            if point.value not in HEADER_VALUES:
                # records that are alike stand in the order of their number; the profile may leave some out
                before = sum(1 for other in self._points if _alike(other, point) and other.nth < point.nth)
                records += [self._record(point, None, 0)] * (point.nth - before)
                records.append(self._record(point, shown[point.id]))
        groups = [records[at : at + self._records_each] for at in range(0, len(records), self._records_each)] or [[]]
        bodies = [b"".join(group) for group in groups]
        bodies = [body + bytes([MORE_FOLLOWS]) for body in bodies[:-1]] + bodies[-1:]
        header = self._identity + bytes([(self._access + 1) & 0xFF, 0, 0, 0])
        said = [telegram(bytes([CI_LONG]) + header + body) for body in bodies]
        for point in self._points:
            self._shown.served(point, taken(point, chosen(point, said))[0])
        return bodies

    def _record(self, point: MbusPoint, shown: Value, number: int | None = None) -> bytes:
        """One record; `number` is what it carries where nothing is shown."""
        code, meaning = _code(point)
        extensions = bytearray()
        storage, tariff, subunit = point.storage >> 1, point.tariff, point.subunit
        while storage or tariff or subunit:
            extensions.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
            storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
        chain = bytes.fromhex(point.modifiers)
        text = b""
        if point.text is not None:
            text = bytes([len(point.text)]) + point.text.encode("latin-1")[::-1]
            chain = b"\x74" + chain
        if meaning.kind != "number":
            kind, data = (2, _DATE) if meaning.kind == "date" else (4, _TIME)
        else:
            exponent = meaning.exponent - 2 if point.text is not None else meaning.exponent
            digits = _DECOY if number is not None else raw_number(point, shown, -exponent, meaning.unit)
            kind, data = (4, digits.to_bytes(4, "little", signed=True)) if -(2**31) <= digits < 2**31 else (
                7, digits.to_bytes(8, "little", signed=True))  # fmt: skip
        dif = kind | FUNCTIONS.index(point.function) << 4 | (point.storage & 1) << 6
        return _chained(bytes([dif]), bytes(extensions)) + _vib(code, text, chain) + data


def _code(point: MbusPoint) -> tuple[bytes, vif.Meaning]:
    """A VIF for the point, with the resolution that is nearest to the preferred one."""
    if point.vif is not None:
        return bytes.fromhex(point.vif), vif.meaning(bytes.fromhex(point.vif)) or vif.Meaning("unknown")
    if point.value == "text_unit":
        return bytes([vif.PLAIN_TEXT]), vif.TEXT_MEANING
    found = [(bytes([code]), meaning) for code, meaning in vif.PRIMARY.items() if meaning.quantity == point.value]
    found += [(b"\xfd" + bytes([code]), one) for code, one in vif.EXTENSION_FD.items() if one.quantity == point.value]
    found += [(b"\xfb" + bytes([code]), one) for code, one in vif.EXTENSION_FB.items() if one.quantity == point.value]
    return min(found, key=lambda each: abs(each[1].exponent - _PREFERRED))


def _chained(first: bytes, extensions: bytes) -> bytes:
    """Every byte but the last says that another follows."""
    whole = first + extensions
    return bytes(byte | 0x80 for byte in whole[:-1]) + whole[-1:]


def _vib(code: bytes, text: bytes, chain: bytes) -> bytes:
    if code[0] in (0xFB, 0xFD):
        return code[:1] + _chained(code[1:2], chain)
    whole = _chained(code, chain)
    return whole[:1] + text + whole[1:]


def _alike(one: MbusPoint, other: MbusPoint) -> bool:
    keys = ("value", "vif", "function", "storage", "tariff", "subunit", "modifiers", "text")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _filled(mask: bytes, usual: bytes) -> bytes:
    """An identity that the mask selects."""
    digits = "".join(
        own if wanted == "f" else wanted for wanted, own in zip(mask[:4].hex(), usual[:4].hex(), strict=True)
    )
    rest = bytes(own if wanted == 0xFF else wanted for wanted, own in zip(mask[4:], usual[4:], strict=True))
    return bytes.fromhex(digits) + rest
