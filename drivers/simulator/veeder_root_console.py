"""A simulated Veeder-Root console: status report, inventory, and the reports that its profile names."""

import struct
from collections.abc import Mapping

from drivers.contract import Value
from drivers.simulator.meter import Readings, raw_number
from drivers.values import taken
from drivers.veeder_root import frame
from drivers.veeder_root.driver import ALARMS, TANKS, code_of, field, of_alarms, of_tanks, options_of, readings
from drivers.veeder_root.reports import INVENTORY, tanks
from drivers.veeder_root.source import VeederRootPoint

_TIME = "2611241200"
_DECOY_FLOAT = "4E4E4E4E"


class VeederRootConsole:
    """See Meter."""

    def __init__(self, shown: Readings) -> None:
        self._shown = shown
        spec = shown.instrument
        self._options = options_of(spec)
        self._code = code_of(spec)
        self._points = [point for point in spec.points if isinstance(point, VeederRootPoint)]
        self._reports = {reading.report for reading in readings(spec)}

    def answer(self, request: bytes) -> bytes | None:
        """See Meter."""
        text = request.rstrip(b"\x03\r")[1:].decode("ascii", "replace")
        if not text.startswith(self._code):
            return frame.NOT_UNDERSTOOD
        text = text.removeprefix(self._code)
        report = (text[1:4], text[4:6])
        if text[:1] != "i":
            return None
        if report not in self._reports:
            return frame.NOT_UNDERSTOOD
        shown = self._shown.shown()
        if report == ALARMS:
            return frame.report(*report, _TIME, self._alarms(shown))
        if report == TANKS:
            return frame.report(*report, _TIME, self._tanks(shown))
        return frame.report(*report, _TIME, self._fields(report, shown))

    def wrongs(self, request: bytes) -> Mapping[str, bytes]:
        """See Meter."""
        function, device = request[2:5].decode("ascii", "replace"), request[5:7].decode("ascii", "replace")
        data = "".join(f"{tank:02d}1000007{_DECOY_FLOAT * 7}" for tank in range(1, 9))
        decoy = "029999" * 3 if function == "101" else data
        other = "202" if function != "202" else "203"
        return {
            "decoy": frame.report(function, device, _TIME, decoy),
            "wrong function": frame.report(other, device, _TIME, decoy),
            "wrong device": frame.report(function, "77", _TIME, decoy),
            "cut": frame.report(function, device, _TIME, decoy[:-1]),
            "no time": frame.report(function, device, "26", ""),
            "not understood": frame.NOT_UNDERSTOOD,
        }

    def _alarms(self, shown: Mapping[str, Value]) -> str:
        mine = [point for point in self._points if point.tank is None and point.function is None]
        active = [point.alarm for point in mine if point.alarm is not None and shown[point.id]]
        data = "".join(f"{one.category:02X}{one.type:02d}{one.device or 1:02d}" for one in active)
        count = next((int(shown[point.id] or 0) % 16 for point in mine if point.value == "alarms"), 0)
        data += "".join(f"0401{number + 1:02d}" for number in range(count - len(active)))
        for point in mine:
            self._shown.served(point, taken(point, of_alarms(point, frame.Report(_TIME, data or "000000")))[0])
        return data or "000000"

    def _tanks(self, shown: Mapping[str, Value]) -> str:
        mine = [point for point in self._points if point.tank is not None]
        data = ""
        for tank in sorted({point.tank or 0 for point in mine}):
            floats = ["00000000"] * len(INVENTORY)
            status = 0
            for point in (each for each in mine if each.tank == tank):
                if point.value == "status":
                    status = int(shown[point.id] or 0) & 0xFFFF
                else:
                    floats[INVENTORY.index(point.value or "")] = self._float(point, shown[point.id])
            data += f"{tank:02d}1{status:04X}{len(floats):02X}{''.join(floats)}"
        found = tanks(data)
        for point in mine:
            self._shown.served(point, taken(point, of_tanks(point, found, self._options))[0])
        return data

    def _float(self, point: VeederRootPoint, shown: Value) -> str:
        unit = {
            "height": self._options.length, "water": self._options.length, "temperature": self._options.temperature,
        }.get(point.value or "", self._options.volume)  # fmt: skip
        return struct.pack(">f", raw_number(point, shown, 3, unit) / 1000).hex().upper()

    def _fields(self, report: tuple[str, str], shown: Mapping[str, Value]) -> str:
        mine = [point for point in self._points if (point.function, point.device) == report]
        data = [" "] * max((point.at or 0) + (point.length or 0) for point in mine)
        for point in mine:
            at, length = point.at or 0, point.length or 0
            data[at : at + length] = _written(point, shown[point.id], length)
        for point in mine:
            self._shown.served(point, taken(point, field(point, "".join(data)))[0])
        return "".join(data)


def _written(point: VeederRootPoint, shown: Value, length: int) -> str:
    if point.type == "text":
        return str(shown)[:length].ljust(length)
    if point.type == "float":
        return struct.pack(">f", raw_number(point, shown, 3) / 1000).hex().upper()
    number = abs(raw_number(point, shown, 0))
    return f"{number:0{length}X}"[-length:] if point.type == "hex" else f"{number:0{length}d}"[-length:]
