"""Status of the instrument -> data flags (`flags` of the options). Pure.

For each point the first rule that applies wins. What was not had at all (flag B) stays as it is; a value that
was had keeps its number, unless the rule says `drop`. A point whose status could not be read is doubtful, and
therefore null.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.contract import Flag, Value
from drivers.modbus.source import FlagRule, ModbusPoint, range_words

Flags = dict[int, Flag]
Reasons = dict[int, str]


@dataclass(frozen=True, slots=True)
class Status:
    """One rule, compiled: the place of its status among the decoded values, and what each code means for whom."""

    at: int
    codes: dict[int, Flag]
    other: Flag
    targets: tuple[int, ...]
    where: str
    words: str | None
    drop: bool

    def flag(self, code: Value) -> Flag:
        """N where the rule does not apply."""
        return self.codes.get(code, self.other) if isinstance(code, int) else Flag.NORMAL

    def meaning(self, code: Value) -> str:
        """Why, in words."""
        if isinstance(code, bool):
            return self.words or f"{self.where} is {int(code)}"
        return f"{self.words} ({self.where} is {code})" if self.words else f"{self.where} is {code}"


class FlagRules:
    """All rules of one instrument. `sources` are the status places, read behind the instrument's own points."""

    __slots__ = ("_count", "_quiet", "_rules", "sources")

    def __init__(self, rules: Sequence[FlagRule], points: Sequence[ModbusPoint]) -> None:
        """Raises ValueError with words for a rule that names a point which does not exist or holds no status."""
        self._count = len(points)
        by_id = {point.id: index for index, point in enumerate(points)}
        sources: list[ModbusPoint] = []
        self._rules: list[Status] = []
        for rule in rules:
            for name in (*(rule.points or ()), *((rule.point,) if rule.point else ())):
                if name not in by_id:
                    raise ValueError(f"flags: no point is named {name}")
            source = _source(rule, points[by_id[rule.point]] if rule.point else None, len(sources))
            sources.append(source)
            codes: dict[int, Flag] = dict(rule.codes or {})
            if rule.flag is not None:
                codes = {int(rule.when): rule.flag}
            self._rules.append(
                Status(
                    at=self._count + len(sources) - 1,
                    codes=codes,
                    other=rule.other or Flag.NORMAL,
                    targets=tuple(by_id[name] for name in rule.points) if rule.points else tuple(range(len(points))),
                    where=rule.point or range_words(source.table, source.address, source.count),
                    words=rule.why,
                    drop=rule.drop,
                )
            )
        self.sources = tuple(sources)
        self._quiet: list[Value] | None = None

    def apply(self, values: list[Value], flags: Flags, why: Reasons) -> None:
        """Take the statuses off the end of `values` and put what they mean into values, flags and why."""
        statuses = values[self._count :]
        del values[self._count :]
        if statuses == self._quiet:
            return
        claimed: set[int] = set()
        for rule, status in zip(self._rules, statuses, strict=True):
            if status is None:
                self._unread(rule, values, flags, why)
                continue
            flag = rule.flag(status)
            if flag is not Flag.NORMAL:
                meaning = rule.meaning(status)
                for target in rule.targets:
                    if target not in claimed:
                        claimed.add(target)
                        _claim(target, rule, flag, meaning, values, flags, why)
        for index in range(self._count, self._count + len(statuses)):
            flags.pop(index, None)
            why.pop(index, None)
        if not claimed and None not in statuses:
            self._quiet = statuses

    @staticmethod
    def _unread(rule: Status, values: list[Value], flags: Flags, why: Reasons) -> None:
        for target in rule.targets:
            if flags.get(target) is not Flag.COMMUNICATION:
                values[target] = None
                flags[target] = Flag.COMMUNICATION
                why[target] = f"{why[rule.at]} (its status, {rule.where})"


def _claim(
    target: int, rule: Status, flag: Flag, meaning: str, values: list[Value], flags: Flags, why: Reasons
) -> None:
    before = flags.get(target)
    if before is Flag.COMMUNICATION:
        return
    flags[target] = flag
    if values[target] is None:
        why[target] = f"{why[target]}; {meaning}"
    elif rule.drop:
        values[target] = None
        why[target] = f"invalid: {meaning}"
    else:
        why[target] = f"status: {meaning}" + (f"; {why[target]}" if before is not None else "")


def _source(rule: FlagRule, point: ModbusPoint | None, number: int) -> ModbusPoint:
    """The status as a point of its own, with the bare code as its value."""
    name = f"status.{number}"
    if point is not None:
        if not (point.is_bool or point.type in ("int16", "uint16", "int32", "uint32", "bits")):
            raise ValueError(f"flags: {point.id} is {point.type}, which holds no status code")
        if point.is_bool != (rule.codes is None):
            raise ValueError(
                f"flags: {point.id} is {'one bit, say `flag`' if point.is_bool else 'a number, say `codes`'}"
            )
        bare = {"id": name, "scale": 1.0, "offset": 0.0, "states": None, "range": None, "invalid": (), "reads": None}
        return point.model_copy(update={**bare, "molar_mass": None, "writable": False})
    return ModbusPoint.model_validate(
        {
            "id": name,
            "table": rule.table,
            "address": rule.address,
            "type": "bool" if rule.table in ("coil", "discrete") else "bits",
            "bit": rule.bit,
            "mask": rule.mask,
            "together": rule.together,
        }
    )
