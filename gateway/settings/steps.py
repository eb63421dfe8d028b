"""Steps against the points they name."""

from collections.abc import Iterable, Mapping

from gateway.domain.steps import StepKeys
from gateway.settings.document import Node
from gateway.settings.placed import PlacedPoint
from gateway.settings.problem import Problem, did_you_mean


def names(steps: StepKeys, node: Node, points: Mapping[str, PlacedPoint], problems: list[Problem], what: str) -> None:
    """Every point that a step names must be one of the instrument's; `node` is the instrument's entry."""
    own = node.get("steps")
    for step, used in _used(steps):
        for name in used:
            if name not in points:
                place = (own.get(step) if own is not None else None) or own or node
                advice = did_you_mean(name, points)
                problems.append(place.key_problem(f"{step} of {what} names point {name!r}, which it has not", advice))


def _used(steps: StepKeys) -> Iterable[tuple[str, Iterable[str]]]:
    if steps.windows is not None:
        yield "windows", steps.windows.points or ()
