"""A simulated Modbus instrument: its profile's registers, filled by a behaviour, refusing what the real one refuses."""

import time
from collections.abc import Callable

from drivers.contract import Flag, Value
from drivers.modbus.source import BIT_TABLES, FlagRule, ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec
from drivers.simulator import registers
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.truth import Truth
from drivers.simulator.unit import BIT_READS, ILLEGAL_ADDRESS, ILLEGAL_VALUE, Memory, Refusal


class ModbusInstrument(Memory):
    """One unit of a line. Its values are renewed `update_s` after the last time, as an instrument's own cycle does."""

    def __init__(
        self,
        instrument: InstrumentSpec,
        behaviour: Behaviour,
        truth: Truth | None = None,
        now: Callable[[], float] = time.time,
        update_s: float = 0.1,
    ) -> None:
        super().__init__({}, self._refuse, self._serve if truth is not None else None, _identity(instrument))
        self._instrument = instrument
        self._behaviour = behaviour
        self._truth = truth
        self._now = now
        self._update_s = update_s
        self._fresh_until_s = float("-inf")
        self._options = instrument.options if isinstance(instrument.options, ModbusOptions) else ModbusOptions()
        self._points = tuple(point for point in instrument.points if isinstance(point, ModbusPoint))
        # a scene that knows the point of a status knows what it says; all others say what the condition is
        self._rules = [
            rule
            for rule in self._options.flags
            if not any(_shows(point, rule) and point.id in behaviour.known for point in self._points)
        ]
        cells = {(rule.table, rule.address) for rule in self._rules}
        self._ruled = {point.id for point in self._points if point.count == 1 and (point.table, point.address) in cells}
        self._values: tuple[Value, ...] = ()
        self._written: dict[tuple[int, int], int] = {}
        self.refresh()

    def refresh(self) -> None:
        """Renew the registers when their time has come."""
        now = self._now()
        # a wall clock set back is no reason to freeze
        if self._fresh_until_s - self._update_s <= now < self._fresh_until_s:
            return
        self._fresh_until_s = now + self._update_s
        values = self._behaviour.at(now)
        condition = self._behaviour.condition(now)
        for point, value in zip(self._points, values, strict=True):
            registers.put(self.tables, point, value, self._options)
        for rule in self._rules:
            self._say(rule, condition)
        for (function, address), value in self._written.items():
            self.tables[function][address] = value
        self._values = tuple(
            self._status(point) if point.id in self._ruled else registers.served(point, value)
            for point, value in zip(self._points, values, strict=True)
        )

    def _status(self, point: ModbusPoint) -> Value:
        """What a point says that stands in a status register: what the rules put there."""
        word = self.tables[registers.function_of(point.table, self._options)][point.address]
        if point.table in BIT_TABLES:
            return bool(word)
        if point.bit is not None:
            return bool(word >> point.bit & 1)
        number = word if point.mask is None else (word & point.mask) // (point.mask & -point.mask)
        return registers.served(point, (point.states or {}).get(number, number))

    def _store(self, function: int, first: int, values: tuple[int, ...]) -> None:
        super()._store(function, first, values)
        # what a master wrote stays, whatever the behaviour would say
        self._written.update({(function, first + at): value for at, value in enumerate(values)})

    def _say(self, rule: FlagRule, condition: Flag) -> None:
        """Set one status register or bit to what it shows in this condition."""
        if rule.table is None or rule.address is None:
            return  # the status is a point and has its value
        table = self.tables[registers.function_of(rule.table, self._options)]
        before = table.get(rule.address, 0)
        if rule.is_bit:
            shown = int((rule.flag == condition) == rule.when)
            bit = 0 if rule.table in BIT_TABLES or rule.bit is None else rule.bit
            table[rule.address] = before & ~(1 << bit) | shown << bit
            return
        code = next((code for code, flag in (rule.codes or {}).items() if flag == condition), None)
        if code is None:
            code = next((code for code, flag in (rule.codes or {}).items() if flag == Flag.NORMAL), None)
        if code is None:
            return  # only troubles have codes: what is there means none of them
        mask = rule.mask or 0xFFFF
        table[rule.address] = before & ~mask & 0xFFFF | code * (mask & -mask) & mask

    def _refuse(self, function: int, first: int, count: int) -> None:
        """As the profile says of the real one. Raises Refusal."""
        options = self._options
        most = options.coils_per_request if function in BIT_READS else options.registers_per_request
        if count > most:
            raise Refusal(ILLEGAL_VALUE)
        if options.even_start and function not in BIT_READS and (first % 2 or count % 2):
            raise Refusal(ILLEGAL_ADDRESS)
        for range_ in options.forbidden:
            same = registers.function_of(range_.table, options) == function
            if same and first < range_.address + range_.count and range_.address < first + count:
                raise Refusal(ILLEGAL_ADDRESS)

    def _serve(self, function: int, first: int, values: tuple[int, ...]) -> None:
        assert self._truth is not None
        ts_ms = int(self._now() * 1000)
        for point, value in zip(self._points, self._values, strict=True):
            inside = first <= point.address and point.address + point.count <= first + len(values)
            if inside and registers.function_of(point.table, self._options) == function:
                self._truth.note(self._instrument.id, point.id, ts_ms, value)


def _shows(point: ModbusPoint, rule: FlagRule) -> bool:
    """Whether a point is the status that a rule looks at, or has it among its bits."""
    same = (point.table, point.address) == (rule.table, rule.address)
    return same and (not rule.is_bit or point.bit is None or point.bit == rule.bit)


def _identity(instrument: InstrumentSpec) -> dict[int, str]:
    """Objects 0 to 2 of function 43/14: maker, product, revision, as far as the site file tells."""
    maker, _, product = (instrument.profile or f"simulated/{instrument.id}").partition("/")
    return {0: maker, 1: product or maker, 2: "1.0"}
