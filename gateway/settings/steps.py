"""Steps against the points they name."""

from collections.abc import Iterable, Mapping

from gateway.domain.steps import StepKeys
from gateway.domain.vapour_recovery import VapourKeys
from gateway.settings.document import Node
from gateway.settings.placed import Placed
from gateway.settings.problem import Problem, did_you_mean


def names(instruments: Iterable[Placed], problems: list[Problem]) -> None:
    """Every point that a step names must be there: one of the instrument's own, or of the contact's instrument."""
    known = {placed.spec.id: placed for placed in instruments}
    for placed in known.values():
        own = placed.node.get("steps")
        what = placed.spec.id
        for step, used in _used(placed.steps):
            place = (own.get(step) if own is not None else None) or own or placed.node
            for name in used:
                if name not in placed.points:
                    advice = did_you_mean(name, placed.points)
                    problems.append(
                        place.key_problem(f"{step} of {what} names point {name!r}, which it has not", advice)
                    )
        for rule in placed.steps.marks or ():
            place = (own.get("marks") if own is not None else None) or own or placed.node
            _contact(place, rule.when, known, what, problems)


def sources(keys: VapourKeys, node: Node, instruments: Iterable[Placed], problems: list[Problem]) -> None:
    """Every point that the vapour recovery names must be there, pressures in a unit of pressure."""
    known = {placed.spec.id: placed for placed in instruments}
    if keys.id in known:
        place = node.get("id") or node
        problems.append(place.key_problem(f"there is an instrument {keys.id!r} already", "give it another id"))
    for key, source in keys.sources():
        place = node.get(key) or node
        before = len(problems)
        _contact(place, source, known, "vapour_recovery", problems, key)
        if key in ("tank", "line") and len(problems) == before:
            instrument, point = source.split("/")
            unit = known[instrument].points[point].point.unit
            if unit not in TO_PA:
                message = f"{key} of vapour_recovery is measured in {unit or 'no unit'}"
                problems.append(place.key_problem(message, f"give the point one of {', '.join(TO_PA)}"))


TO_PA = {"Pa": 1.0, "hPa": 100.0, "mbar": 100.0, "kPa": 1e3, "bar": 1e5, "MPa": 1e6}
"""Units of pressure, in Pa."""


def _contact(
    place: Node, when: str, known: Mapping[str, Placed], what: str, problems: list[Problem], key: str = "marks"
) -> None:
    instrument, point = when.split("/")
    if instrument not in known:
        advice = did_you_mean(instrument, known)
        problems.append(place.key_problem(f"{key} of {what}: there is no instrument {instrument!r}", advice))
    elif point not in known[instrument].points:
        advice = did_you_mean(point, known[instrument].points)
        problems.append(place.key_problem(f"{key} of {what}: {instrument} has no point {point!r}", advice))


def _used(steps: StepKeys) -> Iterable[tuple[str, Iterable[str]]]:
    if steps.windows is not None:
        yield "windows", (*(steps.windows.points or ()), *steps.windows.totals, *steps.windows.levels)
    yield "checks", steps.checks or ()
    yield "limits", [limit.point for limit in steps.limits or ()]
    if steps.deadband is not None:
        yield "deadband", steps.deadband.points
    yield "watch", steps.watch or ()
    yield "rolling", [rolling.point for rolling in steps.rolling or ()]
    if steps.batch is not None:
        yield "batch", (*steps.batch.points, *([steps.batch.state] if steps.batch.state is not None else []))
    if steps.water_class is not None:
        yield "water_class", steps.water_class.factors.values()
    for rule in steps.marks or ():
        yield "marks", rule.points or ()
