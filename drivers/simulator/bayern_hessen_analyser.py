"""A simulated analyser with the Bayern-Hessen protocol: its components, filled by a behaviour."""

from collections.abc import Mapping

from drivers.bayern_hessen import frame
from drivers.bayern_hessen.driver import address_of, options_of, value
from drivers.bayern_hessen.source import VOLUMETRIC, BayernHessenPoint
from drivers.contract import Value
from drivers.simulator.meter import Readings, raw_number
from drivers.values import taken

_DECOY = "+9999+09 00 00 000 000000"


class BayernHessenAnalyser:
    """See Meter."""

    def __init__(self, shown: Readings) -> None:
        self._shown = shown
        self._options = options_of(shown.instrument)
        self._points = [point for point in shown.instrument.points if isinstance(point, BayernHessenPoint)]
        self._address = address_of(shown.instrument)
        self._numbers = sorted({point.component for point in self._points})

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        text = request[1:-3].decode("ascii", "replace")
        if text == "DA":
            return self._frame(self._numbers, self._components())
        if text[:2] == "DA" and text[2:].isdecimal() and int(text[2:]) in self._numbers:
            return self._frame([int(text[2:])], self._components())
        return None

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter."""
        asked = self._numbers if self._address is None else [self._address]
        decoys = dict.fromkeys(range(1000), _DECOY)
        strangers = [(number + 1) % 1000 for number in self._numbers]
        other = [number for number in strangers if number not in self._numbers] or [999]
        lying = frame.frame("MD99" + "".join(f" {number:03d} {_DECOY} " for number in asked))
        return {
            "decoy": self._frame(asked, decoys),
            "other components": self._frame(other, decoys),
            "lying count": lying,
            "cut": frame.frame("MD01 097 +12"),
            "twice": frame.frame(f"MD02 {asked[0]:03d} {_DECOY}  {asked[0]:03d} {_DECOY} "),
            "other answer": frame.frame("ST097 M"),
        }

    def _frame(self, numbers: list[int], texts: Mapping[int, str]) -> bytes:
        return frame.frame(f"MD{len(numbers):02d}" + "".join(f" {number:03d} {texts[number]} " for number in numbers))

    def _components(self) -> dict[int, str]:
        shown = self._shown.shown()
        texts: dict[int, str] = {}
        for number in self._numbers:
            mine = {point.read: point for point in self._points if point.component == number}
            status = _byte(shown, mine.get("status"))
            if self._options.volumetric is not None and self._options.gravimetric is None:
                status |= 1 << VOLUMETRIC
            failure = _byte(shown, mine.get("failure"))
            measured = "+0000+00"
            if (point := mine.get("value")) is not None:
                measured = self._measured(point, shown[point.id], status)
            texts[number] = f"{measured} {status:02X} {failure:02X} {number:03d} 000000"
        found = frame.components(self._frame(self._numbers, texts)[1:-3].decode("ascii"))
        for point in self._points:
            self._shown.served(point, taken(point, value(point, found, self._options))[0])
        return texts

    def _measured(self, point: BayernHessenPoint, shown: Value, status: int) -> str:
        """Mantissa and exponent with as many digits as there are."""
        unit = self._options.volumetric if status >> VOLUMETRIC & 1 else self._options.gravimetric
        own = None if point.molar_mass is not None else unit
        decimals = next(
            (count for count in (3, 2, 1, 0, -1, -2, -3) if abs(raw_number(point, shown, count, own)) <= 9999), -6
        )
        digits = raw_number(point, shown, decimals, own)
        exponent = -decimals + (3 if self._options.mantissa == "n.nnn" else 0)
        return f"{'-' if digits < 0 else '+'}{abs(digits):04d}{exponent:+03d}"


def _byte(shown: Mapping[str, Value], point: BayernHessenPoint | None) -> int:
    return int(shown[point.id] or 0) & 0xFF if point is not None else 0
