"""The site's `derived` section -> calculated instruments, their formulas checked against what they name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import Field

from drivers.profile import Checked, InstrumentSpec, Point
from gateway.domain.derived import DerivedKeys
from gateway.domain.expression import parse
from gateway.domain.functions import FUNCTIONS
from gateway.domain.steps import StepKeys
from gateway.settings.check import checked
from gateway.settings.document import Node
from gateway.settings.placed import Placed, PlacedPoint
from gateway.settings.points import with_quantity
from gateway.settings.problem import Problem, did_you_mean
from gateway.settings.quantities import Vocabulary


class DerivedSpec(Checked):
    """One calculated instrument, resolved: `spec` as the catalogue wants it, and what its values come from."""

    spec: InstrumentSpec
    at: str
    """Instrument at whose polls it is calculated."""
    inputs: dict[str, str]
    """Name in the formulas -> `instrument/point`."""
    constants: dict[str, float]
    formulas: dict[str, str]
    """Point -> formula, in order."""
    max_age_s: float
    hold: dict[str, float] = Field(default_factory=dict)
    """Input -> seconds for which its last valid value is used."""
    of_means: tuple[str, ...] = ()
    """Points whose windows are calculated from the means of other points."""


@dataclass(frozen=True, slots=True)
class PlacedDerived:
    """A calculated instrument, its entry, and what is done with its samples."""

    derived: DerivedSpec
    placed: Placed


def resolve(
    nodes: Iterable[Node], instruments: Iterable[Placed], usual: StepKeys, words: Vocabulary, problems: list[Problem]
) -> list[PlacedDerived]:
    """Every entry of `derived`; an entry may use the instruments and the entries before it."""
    known = {placed.spec.id: placed for placed in instruments}
    made: list[PlacedDerived] = []
    for node in nodes:
        one = _resolved(node, known, usual, words, problems)
        if one is not None:
            made.append(one)
            known[one.derived.spec.id] = one.placed
    return made


def _resolved(
    node: Node, known: Mapping[str, Placed], usual: StepKeys, words: Vocabulary, problems: list[Problem]
) -> PlacedDerived | None:
    before = len(problems)
    name = node.get("id")
    what = f"derived {name.value}" if name is not None else "an entry of derived"
    keys = checked(DerivedKeys, _with_quantities(node, words, problems), problems, what)
    if keys is None:
        return None
    if keys.id in known and name is not None:
        problems.append(name.problem(f"there is an instrument {keys.id!r} already", "give it another id"))
    sources = node.get("from") or node
    for word, source in keys.inputs.items():
        place = sources.get(word) or sources
        _source(place, source, known, problems)
    at = keys.at or next(iter(keys.inputs.values()), "").split("/")[0]
    if at not in known:
        place = node.get("with") or sources
        problems.append(place.problem(f"there is no instrument {at!r} for {what} to go with", did_you_mean(at, known)))
    _formulas(keys, node, problems, what)
    if len(problems) > before:
        return None
    with_spec = known[at].spec
    points = tuple(
        Point(
            id=point.id,
            quantity=point.quantity,
            unit=point.unit,
            factor=point.factor,
            decimals=point.decimals,
            range=point.range,
        )
        for point in keys.points
    )
    spec = InstrumentSpec(
        id=keys.id,
        title=keys.title,
        line=with_spec.line,
        protocol="derived",
        profile=None,
        address=0,
        every_s=with_spec.every_s,
        timeout_s=with_spec.timeout_s,
        points=points,
    )
    derived = DerivedSpec(
        spec=spec,
        at=at,
        inputs=keys.inputs,
        constants=keys.constants,
        formulas={point.id: point.value for point in keys.points},
        max_age_s=keys.max_age_s,
        hold=keys.hold,
        of_means=tuple(point.id for point in keys.points if point.means),
    )
    placed = {point.id: PlacedPoint(point, node) for point in points}
    return PlacedDerived(derived, Placed(spec, node, placed, keys.steps.over(usual)))


def _with_quantities(node: Node, words: Vocabulary, problems: list[Problem]) -> Node:
    points = node.get("points")
    if not isinstance(node.value, dict) or points is None or not isinstance(points.value, list):
        return node
    filled = [with_quantity(point, words, problems) for point in points.value]
    listed = Node(filled, points.file, points.line, points.column, points.key)
    return Node({**node.value, "points": listed}, node.file, node.line, node.column, node.key)


def _source(place: Node, source: str, known: Mapping[str, Placed], problems: list[Problem]) -> None:
    instrument, point = source.split("/")
    if instrument not in known:
        problems.append(place.problem(f"there is no instrument {instrument!r}", did_you_mean(instrument, known)))
    elif point not in known[instrument].points:
        advice = did_you_mean(point, known[instrument].points)
        problems.append(place.problem(f"instrument {instrument} has no point {point!r}", advice))


def _formulas(keys: DerivedKeys, node: Node, problems: list[Problem], what: str) -> None:
    """Every name in a formula must be an input, a constant, or a value before it; none may be two of these."""
    points = node.get("points")
    names: dict[str, str] = dict.fromkeys(keys.inputs, "an input")
    held = node.get("hold") or node
    for word in keys.hold:
        if word not in keys.inputs:
            place = held.get(word) or held
            problems.append(
                place.key_problem(f"{word!r} of {what} is held and no input", did_you_mean(word, keys.inputs))
            )
    constants = node.get("constants") or node
    for word in keys.constants:
        if word in names:
            place = constants.get(word) or constants
            problems.append(
                place.key_problem(f"{word!r} of {what} is a constant and {names[word]}", "rename one of them")
            )
        names[word] = "a constant"
    for number, point in enumerate(keys.points):
        place = points.value[number] if points is not None and isinstance(points.value, list) else node
        formula = place.get("value") or place
        for word in parse(point.value, FUNCTIONS).names:
            if word not in names:
                column = point.value.index(word) + 1
                message = f"column {column}: the formula of {point.id} uses {word!r}, which it does not know"
                problems.append(formula.problem(message, did_you_mean(word, names)))
            elif point.means and names[word] == "an input":
                message = f"{point.id} is calculated from means and uses {word!r}, an input"
                problems.append(formula.problem(message, "give the input as a value of its own first, and use that"))
        if point.id in names:
            problems.append(place.problem(f"{point.id!r} of {what} is a value and {names[point.id]}", "rename one"))
        names[point.id] = "a value before it"
