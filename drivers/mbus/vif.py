"""Value information of M-Bus records: what is measured, in which unit and power of ten (EN 13757-3). Pure.

`quantity` names are this project's; points of a profile use them. What is not in the tables has no meaning here: such
records are reached by their code (`vif: "FD 17"`) and have no unit.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """A record's number x 10^exponent is in `unit`; `kind` says how its bytes are read beside plain numbers."""

    quantity: str
    unit: str | None = None
    exponent: int = 0
    kind: str = "number"  # number, date, time


def _span(first: int, quantity: str, unit: str, exponent: int, count: int = 8) -> dict[int, Meaning]:
    return {first + n: Meaning(quantity, unit, exponent + n) for n in range(count)}


def _times(first: int, quantity: str) -> dict[int, Meaning]:
    return {first + n: Meaning(quantity, unit) for n, unit in enumerate(("s", "min", "h", "d"))}


PRIMARY: dict[int, Meaning] = {
    **_span(0x00, "energy", "Wh", -3), **_span(0x08, "energy", "J", 0), **_span(0x10, "volume", "m3", -6),
    **_span(0x18, "mass", "kg", -3), **_times(0x20, "on_time"), **_times(0x24, "operating_time"),
    **_span(0x28, "power", "W", -3), **_span(0x30, "power", "J/h", 0), **_span(0x38, "flow", "m3/h", -6),
    **_span(0x40, "flow", "m3/min", -7), **_span(0x48, "flow", "m3/s", -9), **_span(0x50, "mass_flow", "kg/h", -3),
    **_span(0x58, "flow_temperature", "°C", -3, 4), **_span(0x5C, "return_temperature", "°C", -3, 4),
    **_span(0x60, "temperature_difference", "K", -3, 4), **_span(0x64, "external_temperature", "°C", -3, 4),
    **_span(0x68, "pressure", "bar", -3, 4), 0x6C: Meaning("date", kind="date"), 0x6D: Meaning("time", kind="time"),
    0x6E: Meaning("heat_cost_units"), **_times(0x70, "averaging_time"), **_times(0x74, "actuality_time"),
    0x78: Meaning("fabrication_number"), 0x7A: Meaning("bus_address"),
}  # fmt: skip
EXTENSION_FD: dict[int, Meaning] = {
    0x08: Meaning("access_number"), 0x0B: Meaning("parameter_set"), 0x0C: Meaning("model_version"),
    0x0D: Meaning("hardware_version"), 0x0E: Meaning("firmware_version"), 0x0F: Meaning("software_version"),
    0x17: Meaning("error_flags"), 0x1A: Meaning("digital_output"), 0x1B: Meaning("digital_input"),
    0x3A: Meaning("dimensionless"), **_span(0x40, "voltage", "V", -9, 16), **_span(0x50, "current", "A", -12, 16),
    0x60: Meaning("reset_counter"), 0x61: Meaning("cumulation_counter"),
}  # fmt: skip
EXTENSION_FB: dict[int, Meaning] = {
    **_span(0x00, "energy", "MWh", -1, 2), **_span(0x08, "energy", "GJ", -1, 2), **_span(0x10, "volume", "m3", 2, 2),
    **_span(0x18, "mass", "t", 2, 2), **_span(0x1A, "humidity", "%", -1, 2), **_span(0x28, "power", "MW", -1, 2),
    **_span(0x30, "power", "GJ/h", -1, 2),
}  # fmt: skip
PLAIN_TEXT, MANUFACTURER = 0x7C, 0x7F
TEXT_MEANING = Meaning("text_unit")
QUANTITIES = sorted(
    {meaning.quantity for table in (PRIMARY, EXTENSION_FD, EXTENSION_FB) for meaning in table.values()} | {"text_unit"}
)
RECORD_ERRORS = {
    0x01: "too many DIFE", 0x02: "storage number not implemented", 0x03: "unit number not implemented",
    0x04: "tariff not implemented", 0x05: "function not implemented", 0x06: "data class not implemented",
    0x07: "data size not implemented", 0x0B: "too many VIFE", 0x0C: "illegal VIF group", 0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not match", 0x0F: "action not implemented", 0x15: "no data available", 0x16: "data overflow",
    0x17: "data underflow", 0x18: "data error", 0x1C: "premature end of record",
}  # fmt: skip
"""VIFE 00 to 1F in an answer: the meter has no value, and says why (EN 13757-3, table of error codes)."""


def meaning(vif: bytes) -> Meaning | None:
    """Of a VIF, or of FB or FD with the byte behind it; None where the tables have nothing."""
    if vif[0] & 0x7F == PLAIN_TEXT:
        return TEXT_MEANING
    if vif[0] == 0xFD and len(vif) > 1:
        return EXTENSION_FD.get(vif[1] & 0x7F)
    if vif[0] == 0xFB and len(vif) > 1:
        return EXTENSION_FB.get(vif[1] & 0x7F)
    return PRIMARY.get(vif[0] & 0x7F)


def modified(modifiers: bytes) -> tuple[bytes, int, str | None]:
    """(modifiers that change what is meant, power of ten, the record's error) of the VIFE behind a VIF."""
    left = bytearray()
    exponent = 0
    error: str | None = None
    for vife in modifiers:
        code = vife & 0x7F
        if code < 0x20 and code:
            error = RECORD_ERRORS.get(code, f"error {code:02X}")
        elif 0x70 <= code <= 0x77:
            exponent += code - 0x76
        elif code == 0x7D:
            exponent += 3
        elif code:
            left.append(code)
    return bytes(left), exponent, error
