"""Point entries of a profile and of a site file -> the points of one instrument."""

from dataclasses import dataclass

from drivers.catalogue import Protocol
from drivers.profile import Point
from gateway.settings.check import checked
from gateway.settings.document import Node
from gateway.settings.problem import Problem, did_you_mean
from gateway.settings.profiles import Profile, point_nodes
from gateway.settings.quantities import Vocabulary


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point with the node it came from, for messages."""

    point: Point
    node: Node


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
            point = checked_point(entry, protocol, words, problems, f"point {name} of {what}")
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


def checked_point(
    node: Node, protocol: Protocol, words: Vocabulary, problems: list[Problem], what: str
) -> Point | None:
    """One point, with what its quantity says where it says nothing itself."""
    point = checked(protocol.point, node, problems, what)
    return point and _joined(point, node, words, problems)


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


def _joined(point: Point, node: Node, words: Vocabulary, problems: list[Problem]) -> Point | None:
    place = node.get("unit") or node
    if point.unit is not None and point.unit not in words.units:
        advice = did_you_mean(point.unit, words.units)
        problems.append(place.problem(f"unit {point.unit!r} is not in quantities.yaml", advice))
        return None
    if point.quantity is None:
        return point
    quantity = words.quantities.get(point.quantity)
    if quantity is None:
        place = node.get("quantity") or node
        advice = did_you_mean(point.quantity, words.quantities)
        problems.append(place.problem(f"there is no quantity {point.quantity!r}", advice))
        return None
    units = (quantity.unit, *quantity.also)
    if point.unit is not None and point.unit not in units:
        advice = f"write {' or '.join(units)}, or leave quantity out"
        problems.append(place.problem(f"{point.quantity} is not measured in {point.unit}", advice))
        return None
    if point.unit not in (None, quantity.unit):
        return point  # a factor code, decimals and a range hold in one unit only
    lacking = [key for key in ("unit", "factor", "decimals", "range") if getattr(point, key) is None]
    return point.model_copy(update={key: getattr(quantity, key) for key in lacking})
