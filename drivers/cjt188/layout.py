"""Where each value of a meter's answer stands, by the kind of meter; its unit byte. Pure.

Heat: the layout of the header file of a public implementation; water and gas: CJ/T 188 as generally known. Offsets
count from the byte behind the serial number. The decimals of heat, power and volume (2) and of flow (4) are general
knowledge: makers differ, and a point may say otherwise.
"""

from dataclasses import dataclass

UNITS = {
    0x02: "Wh", 0x05: "kWh", 0x08: "MWh", 0x0B: "kJ", 0x0E: "MJ", 0x11: "GJ", 0x14: "W", 0x17: "kW", 0x1A: "MW",
    0x29: "L", 0x2C: "m3", 0x32: "L/h", 0x35: "m3/h",
}  # fmt: skip
"""Unit byte -> unit. 0x01 and the like (100 Wh, MWh x 100 …) differ between makers and are not guessed."""


@dataclass(frozen=True, slots=True)
class Field:
    """`size` bytes at `at`; a number of `decimals` in `unit` ("" : its unit byte follows), status bits, or time."""

    at: int
    size: int
    decimals: int = 0
    unit: str | None = None
    kind: str = "bcd"

    @property
    def end(self) -> int:
        """Behind the last byte that it needs."""
        return self.at + self.size + (self.kind == "bcd" and self.unit == "")


HEAT = {
    "settlement_heat": Field(0, 4, 2, ""),
    "heat": Field(5, 4, 2, ""),
    "power": Field(10, 4, 2, ""),
    "flow": Field(15, 4, 4, ""),
    "volume": Field(20, 4, 2, ""),
    "supply_temperature": Field(25, 3, 2, "°C"),
    "return_temperature": Field(28, 3, 2, "°C"),
    "hours": Field(31, 3, 0, "h"),
    "time": Field(34, 7, kind="time"),
    "status": Field(41, 2, kind="bits"),
}
HEAT_SIZE = 43
"""L is 2Eh with the identifier and the serial number."""
VOLUME = {
    "volume": Field(0, 4, 2, ""),
    "settlement_volume": Field(5, 4, 2, ""),
    "time": Field(10, 7, kind="time"),
    "status": Field(17, 2, kind="bits"),
}
VOLUME_SIZE = 19
"""L is 16h."""


def layout(kind: int) -> tuple[dict[str, Field], int]:
    """The fields of a kind of meter, and the usual length of its data."""
    return (HEAT, HEAT_SIZE) if 0x20 <= kind <= 0x29 else (VOLUME, VOLUME_SIZE)
