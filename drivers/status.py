"""Status of an instrument -> data flags, where the status is one of its points. Pure.

    options:
      flags:
        - {point: status, bit: 2, flag: D, why: battery low}                       # a bit of a number; or `mask`
        - {point: status, codes: {1: C, 2: M}, other: D, points: [so2]}            # a number
        - {point: status, mask: 0x03, codes: {3: D}, why: valve fault}             # a part of a number
        - {point: door, flag: M, why: door open}                                   # a point that is true or false

For each point the first rule that applies wins. A value that was had keeps its number unless the rule says `drop`.
A point whose status could not be read is doubtful, and therefore null.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from drivers.contract import Flag, Value
from drivers.profile import Checked, Name, Point


class StatusRule(Checked):
    """One status of the instrument and the data flags it means."""

    point: Name
    """A point of this instrument that holds the status."""
    bit: Annotated[int, Field(ge=0, le=63)] | None = None
    """Number of the bit, 0 is the lowest."""
    mask: Annotated[int, Field(ge=1, le=2**64 - 1)] | None = None
    """Bits of the status that count, shifted down to bit 0 (with `codes`); or any of which means `flag`."""
    when: bool = True
    """State of the bit at which `flag` applies."""
    flag: Flag | None = None
    """Flag of a status that is one bit, or of a mask any bit of which is set."""
    codes: dict[int, Flag] | None = None
    """Code -> flag of a status that is a number; N lets the value pass."""
    other: Flag | None = None
    """Flag of codes that are not listed; none leaves them as they are."""
    why: str | None = None
    """What the status means, in words, for the feed."""
    points: tuple[Name, ...] | None = None
    """The points it speaks of; default all but the status itself."""
    drop: bool = False
    """Null instead of the value: for instruments that leave nonsense in its place."""

    @model_validator(mode="after")
    def _consistent(self) -> "StatusRule":
        if (self.flag is None) == (self.codes is None):
            raise ValueError("say `flag` for a bit, or `codes` for a number")
        if self.bit is not None and (self.mask is not None or self.codes is not None):
            raise ValueError("`bit` is one bit: leave `mask` and `codes` out")
        if self.other is not None and self.codes is None:
            raise ValueError("`other` is for `codes`")
        return self

    def meant(self, status: Value) -> Flag:
        """Flag of the points it speaks of; N where the rule does not apply."""
        if not isinstance(status, int):
            return Flag.NORMAL
        if self.codes is not None:
            code = status if self.mask is None else (status & self.mask) // (self.mask & -self.mask)
            return self.codes.get(code, self.other or Flag.NORMAL)
        assert self.flag is not None
        if isinstance(status, bool):
            state = status
        elif self.bit is not None:
            state = bool(status >> self.bit & 1)
        else:
            state = bool(status & self.mask) if self.mask is not None else bool(status)
        return self.flag if state == self.when else Flag.NORMAL

    def words(self, status: Value) -> str:
        """Why, for the feed."""
        shown = f"{self.point} is {int(status) if isinstance(status, bool) else status}"
        return f"{self.why} ({shown})" if self.why else shown


class Statuses:
    """All rules of one instrument."""

    def __init__(self, rules: Sequence[StatusRule], points: Sequence[Point]) -> None:
        """Raises ValueError, one problem a line, for rules that name points which are not there."""
        places = {point.id: index for index, point in enumerate(points)}
        missing = [
            f"flags: there is no point {name!r}"
            for rule in rules
            for name in (rule.point, *(rule.points or ()))
            if name not in places
        ]
        if missing:
            raise ValueError("\n".join(dict.fromkeys(missing)))
        status_places = {places[rule.point] for rule in rules}
        self._rules = [
            (rule, places[rule.point], tuple(places[name] for name in rule.points) if rule.points is not None
             else tuple(index for index in range(len(points)) if index not in status_places))
            for rule in rules
        ]  # fmt: skip

    def apply(self, values: list[Value], flags: dict[int, Flag], why: dict[int, str]) -> None:
        """Put what the statuses mean into values, flags and why."""
        claimed: set[int] = set()
        for rule, at, targets in self._rules:
            status = values[at]
            if status is None:
                for target in targets:
                    if values[target] is not None:
                        values[target] = None
                        flags[target] = Flag.COMMUNICATION
                        why[target] = f"{why[at]} (its status, {rule.point})"
                continue
            flag = rule.meant(status)
            if flag is Flag.NORMAL:
                continue
            for target in targets:
                if target not in claimed and flags.get(target) is not Flag.COMMUNICATION:
                    claimed.add(target)
                    self._claim(target, rule, flag, rule.words(status), values, flags, why)

    @staticmethod
    def _claim(
        target: int,
        rule: StatusRule,
        flag: Flag,
        meaning: str,
        values: list[Value],
        flags: dict[int, Flag],
        why: dict[int, str],
    ) -> None:
        before = why.get(target)
        flags[target] = flag
        if values[target] is None:
            why[target] = f"{before}; {meaning}"
        elif rule.drop:
            values[target] = None
            why[target] = f"invalid: {meaning}"
        else:
            why[target] = f"status: {meaning}" + (f"; {before}" if before else "")
