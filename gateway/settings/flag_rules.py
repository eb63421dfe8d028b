"""Flag rules of an instrument's options (`flags`, whatever the protocol) and the points that they name."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from drivers.profile import Checked
from gateway.settings.document import Node
from gateway.settings.problem import Problem, did_you_mean


class _Rule(Protocol):
    @property
    def points(self) -> tuple[str, ...] | None:
        """The points it speaks of; None: all."""


Options = TypeVar("Options", bound=Checked)


def flag_rules(
    options: Options, node: Node, present: Sequence[str], omitted: Sequence[str], problems: list[Problem]
) -> Options:
    """The options with omitted points taken out of the flag rules; names that are no points go to `problems`."""
    rules: Sequence[_Rule] = getattr(options, "flags", ())
    entries = node.get("flags")
    nodes = entries.value if entries is not None and isinstance(entries.value, list) else []
    if not rules or len(nodes) != len(rules):
        return options
    kept = [_kept(rule, entry, present, omitted, problems) for rule, entry in zip(rules, nodes, strict=True)]
    return options.model_copy(update={"flags": tuple(rule for rule in kept if rule is not None)})


def _kept(
    rule: _Rule, node: Node, present: Sequence[str], omitted: Sequence[str], problems: list[Problem]
) -> _Rule | None:
    source: str | None = getattr(rule, "point", None)  # a point that holds the status itself
    if source is not None and source not in present:
        place = node.get("point") or node
        if source in omitted:
            message = f"a flag rule needs point {source!r}, which is omitted"
            problems.append(place.problem(message, "keep the point; without it bad values would look good"))
        else:
            problems.append(place.problem(f"there is no point {source!r}", did_you_mean(source, present)))
    if rule.points is None:
        return rule
    names = node.get("points")
    entries = names.value if names is not None and isinstance(names.value, list) else []
    for name, entry in zip(rule.points, entries, strict=False):
        if name not in present and name not in omitted:
            problems.append(entry.problem(f"there is no point {name!r}", did_you_mean(name, present)))
    left = tuple(name for name in rule.points if name in present)
    assert isinstance(rule, Checked)
    return rule.model_copy(update={"points": left}) if left else None
