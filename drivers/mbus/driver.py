"""An M-Bus meter on a line: reset or select it, fetch its telegrams with alternating FCB, find the wanted records."""

from collections.abc import Mapping, Sequence

from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.contract import Flag, Line, Request
from drivers.errors import BadReply
from drivers.keys import hex_key
from drivers.mbus import frame
from drivers.mbus.records import Record, Telegram, telegram
from drivers.mbus.source import MbusOptions, MbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.status import Statuses
from drivers.values import Measured, Odd, Raw

SELECT_BYTES = 17
SHORT_BYTES = 5


class Readout:
    """The one question: everything that the meter has to say.

    The FCB must differ from that of the meter's last answer. It does after SND_NKE; where there is none (a selected
    meter) the driver keeps count, and after a failure reads once for nothing: that answer may be a repetition, the next
    one cannot be.
    """

    def __init__(self, spec: InstrumentSpec) -> None:
        """Raises ValueError for an address that is none, and for a key that cannot be read."""
        self.members = tuple(range(len(spec.points)))
        self._points = tuple(point for point in spec.points if isinstance(point, MbusPoint))
        self._options = options_of(spec)
        self._timeout_s = spec.timeout_s
        self._settle_s = spec.settle_s
        self.address = frame.address(spec.address)
        self._resets = self._options.initialise and self.address.mask is None
        self._fcb: bool | None = None
        self._key = hex_key(self._options.key_file)

    @property
    def wire_bytes(self) -> list[tuple[int, int]]:
        """(request, answer) of each exchange of a usual poll."""
        before = [(SELECT_BYTES, 1)] if self.address.mask is not None else [(SHORT_BYTES, 1)] if self._resets else []
        return [*before, (SHORT_BYTES, self._options.reply)]

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        fcb, self._fcb = self._fcb, None
        if self.address.mask is not None:
            await self._exchange(line, frame.select(self.address, self._timeout_s))
        elif self._resets or fcb is None:
            await self._exchange(line, frame.reset(self.address, self._timeout_s))
            fcb = True
        if fcb is None:
            fcb, more = True, True
            while more:
                more = (await self._telegram(line, fcb, b""))[1].more
                fcb = not fcb
        telegrams: list[Telegram] = []
        payload = b""
        while not telegrams or telegrams[-1].more:
            if len(telegrams) == self._options.most_telegrams:
                raise BadReply(f"more than {len(telegrams)} telegrams", "wrong_count")
            payload, found = await self._telegram(line, fcb, payload)
            telegrams.append(found)
            fcb = not fcb
        self._fcb = fcb
        return {index: chosen(point, telegrams) for index, point in enumerate(self._points)}

    async def _exchange(self, line: Line, request: Request) -> bytes:
        request.settle_s = self._settle_s
        return await line.exchange(request)

    async def _telegram(self, line: Line, fcb: bool, before: bytes) -> tuple[bytes, Telegram]:
        request = frame.data_request(self.address, fcb, self._timeout_s, self._options.reply, before)
        payload = await self._exchange(line, request)
        found = telegram(payload, self._key)
        if not self.address.fits(found.header.identity or bytes(8)):
            seen = found.header.identity[:4][::-1].hex() or "without identification"
            raise BadReply(f"meter {seen} answers for the one that was selected", "wrong_unit")
        return payload, found


def chosen(point: MbusPoint, telegrams: Sequence[Telegram]) -> Raw:
    """The value of a point among everything that the meter said."""
    header = telegrams[0].header
    if point.value == "status":
        return Odd("no header", Flag.COMMUNICATION) if header.status is None else Measured(header.status)
    if point.value == "access":
        return Odd("no header", Flag.COMMUNICATION) if header.access is None else Measured(header.access)
    if point.value == "identification":
        identity = header.identity[:4][::-1].hex()
        return identity or Odd("no header", Flag.COMMUNICATION)
    alike = [record for one in telegrams for record in one.records if _is(record, point)]
    if len(alike) <= point.nth:
        return Odd("the meter sends no such record", Flag.COMMUNICATION)
    return alike[point.nth].raw


def _is(record: Record, point: MbusPoint) -> bool:
    if point.vif is not None:
        same = record.code == bytes.fromhex(point.vif)
    else:
        same = record.quantity == point.value and (point.text is None or record.text == point.text)
    return (
        same
        and record.function == point.function
        and (record.storage, record.tariff, record.subunit) == (point.storage, point.tariff, point.subunit)
        and record.modifiers == bytes.fromhex(point.modifiers)
    )


def options_of(spec: InstrumentSpec) -> MbusOptions:
    """The meter's options, defaults where the site file has none."""
    return spec.options if isinstance(spec.options, MbusOptions) else MbusOptions()


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one meter. Raises ValueError, one problem a line."""
    readout = Readout(spec)
    statuses = Statuses(options_of(spec).flags, spec.points)
    return AskingDriver(spec.points, readout.address.unit, line, (readout,), statuses)


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone. Raises ValueError, one problem a line."""
    Statuses(options_of(spec).flags, spec.points)
    return exchanges_s(line, Readout(spec).wire_bytes)


def think_s(spec: InstrumentSpec) -> float:
    """Seconds of one poll that the instrument thinks, as its options say; for the plan. Raises ValueError."""
    return options_of(spec).response * len(Readout(spec).wire_bytes)
