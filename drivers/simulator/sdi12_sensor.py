"""A simulated SDI-12 sensor: measurements of a given time, service request, values in several lines, CRC."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from drivers.contract import Value
from drivers.sdi12 import message
from drivers.sdi12.driver import address_of, options_of
from drivers.sdi12.source import Sdi12Point
from drivers.simulator.meter import Readings, raw_number
from drivers.simulator.slave import Send
from drivers.values import Measured, taken

_DECOY = "+77777.7"
_COMMAND = re.compile(r"(?P<high>HA)|(?P<kind>[MCR])(?P<crc>C?)(?P<number>\d?)|(?P<data>D)(?P<part>\d{1,3})")


class Sdi12Sensor:
    """See Meter. `measuring_s` whole seconds are announced; `values_each` go into one line."""

    def __init__(self, shown: Readings, measuring_s: int = 0, values_each: int = 4) -> None:
        self.address = address_of(shown.instrument)
        self.measuring_s = measuring_s
        self._shown = shown
        self._usual = options_of(shown.instrument).command
        self._values_each = values_each
        self._lines: list[str] = []
        self._crc = False

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        text = request[:-1].decode("ascii", "replace")
        if not request.endswith(b"!") or (text != "?" and not text.startswith(self.address)):
            return None
        if text in ("?", self.address):
            return self._said("")
        if len(text) == 3 and text[1] == "A" and text[2] in message.ADDRESSES:
            self.address = text[2]
            return self._said("")
        if text[1:] == "I":
            return self._said("14FIELDGTESIMSENS001")
        found = _COMMAND.fullmatch(text[1:])
        if found is None:
            return None  # an unknown command stays without answer
        if found["data"]:
            part = int(found["part"])
            return self._said(self._lines[part] if part < len(self._lines) else "", crc=self._crc)
        if found["high"]:
            return self._measure(message.HIGH_VOLUME, True, "")
        return self._measure(found["kind"], bool(found["crc"]), found["number"])

    def follows(self, request: bytes) -> Iterable[Send]:
        """The service request, when a measurement of M is done."""
        text = request[:-1].decode("ascii", "replace")
        if self.measuring_s and text.startswith(self.address + "M"):
            return (Send(self._said(""), self.measuring_s),)
        return ()

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter. Without a CRC a line of other digits cannot be told from the right one."""
        text = request[:-1].decode("ascii", "replace")
        other = "z" if self.address != "z" else "y"
        crc = self._crc or "C" in text[2:3] or self._usual == message.HIGH_VOLUME
        decoy = self._said(_DECOY * 3, crc=crc) if text[1:2] in ("D", "R") else self._said("nothing")
        wrong = {"decoy": decoy, "wrong unit": other.encode() + decoy[1:], "cut": decoy[:-4] + b"\r\n"}
        if crc and text[1:2] in ("D", "R"):
            wrong["wrong crc"] = self._said(_DECOY * 3 + "@@@")
            wrong["no data"] = self._said("", crc=True)
        return wrong

    def _measure(self, kind: str, crc: bool, number: str) -> bytes:
        written = kind + ("" if kind != "R" and number in ("", "0") else number or "0")
        shown = self._shown.shown()
        points = [point for point in self._shown.instrument.points if isinstance(point, Sdi12Point)]
        mine = {point.place: point for point in points if (point.command or self._usual) == written}
        texts = ["+0"] * (max(mine) + 1 if mine else 0)
        for place, point in mine.items():
            texts[place] = _written(point, shown[point.id])
            (number_,) = message.numbers(texts[place].encode("ascii"))
            self._shown.served(point, taken(point, Measured(number_))[0])
        if kind == "R":
            return self._said("".join(texts), crc=crc)
        self._crc = crc
        step = self._values_each
        self._lines = ["".join(texts[at : at + step]) for at in range(0, len(texts), step)]
        width = {"C": 2, message.HIGH_VOLUME: 3}.get(kind, 1)
        count = f"{len(texts):0{width}d}"
        return self._said(f"{self.measuring_s:03d}{count}")

    def _said(self, text: str, crc: bool = False) -> bytes:
        line = (self.address + text).encode("ascii")
        return line + (message.crc_text(line) if crc else b"") + b"\r\n"


def _written(point: Sdi12Point, shown: Value) -> str:
    """Sign and up to seven digits, as many decimals as fit and no more than four."""
    for decimals in (4, 3, 2, 1, 0):
        digits = raw_number(point, shown, decimals)
        if len(str(abs(digits))) <= message.MOST_DIGITS or decimals == 0:
            break
    number = Fraction(digits, 10**decimals)
    text = f"{float(abs(number)):.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text[-message.MOST_DIGITS :]
    return ("-" if number < 0 else "+") + text
