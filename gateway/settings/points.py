"""Point entries of a profile and of a site file -> the points of one instrument."""

from drivers.catalogue import Protocol
from drivers.profile import Point
from gateway.settings.check import checked
from gateway.settings.document import Node
from gateway.settings.placed import PlacedPoint
from gateway.settings.problem import Problem, did_you_mean
from gateway.settings.profiles import Profile, point_nodes
from gateway.settings.quantities import Vocabulary, like


def points_of(
    node: Node, profile: Profile | None, protocol: Protocol, words: Vocabulary, problems: list[Problem], what: str
) -> dict[str, PlacedPoint] | None:
    """Points of the instrument at `node`, those of the profile first; None with the reasons in `problems`."""
    shipped = dict(profile.points) if profile else {}
    own = point_nodes(node.get("points"), problems)
    whole = _omit(node, shipped, problems, what)
    if not shipped and not own:
        problems.append(node.key_problem(f"{what} has no points", "add points, or name a profile"))
        return None
    points: dict[str, PlacedPoint] = {}
    for name in {**shipped, **own}:
        if name in own or profile is None:
            entry = merged(shipped[name], own[name]) if name in shipped else own[name]
            before = len(problems)
            point = checked_point(entry, protocol, words, problems, f"point {name} of {what}")
            if point is None and profile is not None and name not in shipped:
                _meant_another(name, entry, profile, problems, before)
        else:
            entry = shipped[name]
            point = profile.made.get(name)
            if point is None:
                point = checked_point(entry, protocol, words, problems, f"point {name} of profile {profile.name}")
            if point is not None:
                profile.made[name] = point
        if point is None:
            whole = False
        else:
            points[name] = PlacedPoint(point, entry)
    return points if whole else None


def _meant_another(name: str, entry: Node, profile: Profile, problems: list[Problem], before: int) -> None:
    """A point that changes one of the profile's and misspells its id lacks everything else: say that alone."""
    advice = did_you_mean(name, profile.points)
    if advice.startswith("did you mean"):
        place = entry.get("id") or entry
        problems[before:] = [place.problem(f"profile {profile.name} has no point {name!r} to change", advice)]


def checked_point(
    node: Node, protocol: Protocol, words: Vocabulary, problems: list[Problem], what: str
) -> Point | None:
    """One point, with what its quantity says where it says nothing itself."""
    before = len(problems)
    point = checked(protocol.point, with_quantity(node, words, problems), problems, what)
    return point if len(problems) == before else None


def merged(base: Node, own: Node) -> Node:
    """`base` with the keys of `own` in place of its own; each key keeps its place."""
    if not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    return Node({**base.value, **own.value}, own.file, own.line, own.column, own.key)


def _omit(node: Node, shipped: dict[str, Node], problems: list[Problem], what: str) -> bool:
    omit = node.get("omit")
    known = list(shipped)
    whole = True
    for entry in omit.value if omit is not None and isinstance(omit.value, list) else ():
        if shipped.pop(str(entry.value), None) is None:
            advice = did_you_mean(str(entry.value), known)
            problems.append(entry.problem(f"{what} has no point {entry.value!r} to omit", advice))
            whole = False
    return whole


def with_quantity(node: Node, words: Vocabulary, problems: list[Problem]) -> Node:
    """The node with unit, factor, decimals and range of its quantity, unless it has its own."""
    name, unit = node.get("quantity"), node.get("unit")
    written = unit.value if unit is not None else None
    if unit is not None and isinstance(written, str) and written not in words.units:
        advice = like(written, words.units)
        problems.append(unit.problem(f"unit {written!r} is not in quantities.yaml", advice))
        return node
    if name is None or not isinstance(name.value, str):
        return node
    quantity = words.quantities.get(name.value)
    if quantity is None:
        advice = did_you_mean(name.value, words.quantities)
        problems.append(name.problem(f"there is no quantity {name.value!r}", advice))
        return node
    units = (quantity.unit, *quantity.also)
    if unit is not None and isinstance(written, str) and written not in units:
        advice = f"write {' or '.join(units)}, or leave quantity out"
        problems.append(unit.problem(f"{name.value} is not measured in {written}", advice))
    if not isinstance(node.value, dict) or written not in (None, quantity.unit):
        return node  # a factor code, decimals and a range hold in one unit only
    given = {"unit": quantity.unit, "factor": quantity.factor, "decimals": quantity.decimals}
    more = {key: _of(name, value) for key, value in given.items() if value is not None}
    if quantity.range is not None:
        more["range"] = Node([_of(name, value) for value in quantity.range], name.file, name.line, name.column)
    return Node({**more, **node.value}, node.file, node.line, node.column, node.key)


def _of(place: Node, value: str | float) -> Node:
    return Node(value, place.file, place.line, place.column, place.key)
