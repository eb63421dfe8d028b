"""Data identifiers of DL/T 645 -> format, sign and unit. Pure.

From the tables of DL/T 645-2007 annex A and DL/T 645-1997 annex A as generally known; those marked in `SURE` were
recomputed from frames. A point may say otherwise (`format`, `signed`, `unit`). Identifiers are written as the
standards print them, high byte first: 00010000 is sent as 00 00 01 00.
"""

import re
from dataclasses import dataclass

SURE = frozenset({"00010000", "02010100", "02020100", "02030000", "02800002"})


@dataclass(frozen=True, slots=True)
class Format:
    """`digits` decimal digits (two a byte), the last `decimals` of them behind the point."""

    digits: int
    decimals: int
    signed: bool = False
    unit: str | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.digits // 2


_2007: tuple[tuple[str, Format], ...] = (
    (r"0000..00", Format(8, 2, True, "kWh")),  # combined active energy; the third byte is the tariff, 00 the total
    (r"000[12]..00", Format(8, 2, False, "kWh")),  # forward, reverse active energy
    (r"000[34]..00", Format(8, 2, True, "kvarh")),  # combined reactive energy 1, 2
    (r"000[5-8]..00", Format(8, 2, False, "kvarh")),  # reactive energy of the four quadrants
    (r"0201(0[123]|FF)00", Format(4, 1, False, "V")),
    (r"0202(0[123]|FF)00", Format(6, 3, True, "A")),
    (r"0203(0[0123]|FF)00", Format(6, 4, True, "kW")),
    (r"0204(0[0123]|FF)00", Format(6, 4, True, "kvar")),
    (r"0205(0[0123]|FF)00", Format(6, 4, False, "kVA")),
    (r"0206(0[0123]|FF)00", Format(4, 3, True, "1")),
    (r"0207(0[123]|FF)00", Format(4, 1, False, "°")),
    (r"02800001", Format(6, 3, True, "A")),  # neutral current
    (r"02800002", Format(4, 2, False, "Hz")),
    (r"0280000[34]", Format(6, 4, True, "kW")),  # mean active power of a minute, active demand
    (r"02800005", Format(6, 4, True, "kvar")),
    (r"02800006", Format(6, 4, False, "kVA")),
    (r"02800007", Format(4, 1, True, "°C")),  # temperature in the meter
    (r"0280000[89]", Format(4, 2, False, "V")),  # clock battery, outage battery
    (r"0280000A", Format(8, 0, False, "min")),  # working time of the clock battery
)
_1997: tuple[tuple[str, Format], ...] = (
    (r"90[12].", Format(8, 2, False, "kWh")),
    (r"91[1-6].", Format(8, 2, False, "kvarh")),
    (r"B61[123F]", Format(4, 0, False, "V")),
    (r"B62[123F]", Format(4, 2, False, "A")),
    (r"B63[0123F]", Format(6, 4, False, "kW")),
    (r"B64[0123F]", Format(4, 2, False, "kvar")),
    (r"B65[0123F]", Format(4, 3, False, "1")),
)
_WRITTEN = re.compile(r"(X+)(?:\.(X+))?")


def known(identifier: str) -> Format | None:
    """The format of a value with that identifier; None where the site file has to say it."""
    table = _2007 if len(identifier) == 8 else _1997
    return next((found for pattern, found in table if re.fullmatch(pattern, identifier)), None)


def written(text: str) -> tuple[int, int]:
    """(digits, decimals) of `XXXXXX.XX`, the notation of the standard. Raises ValueError."""
    found = _WRITTEN.fullmatch(text)
    digits = len(found[1]) + len(found[2] or "") if found else 0
    if found is None or digits % 2 or digits > 16:
        raise ValueError(f"{text!r} is no format: X for each digit, an even number of them up to 16, such as XXX.X")
    return digits, len(found[2] or "")
