"""What only text instruments know: whether the patterns hold every group that points and rules name. Pure."""

from collections.abc import Iterator

from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.source import TextOptions, TextPoint
from drivers.text.values import Point


def problems(spec: InstrumentSpec, line: LineSpec) -> Iterator[str]:
    """Everything that cannot work, in words; the name of the point first where it is about one."""
    options = spec.options
    assert isinstance(options, TextOptions)
    known = frozenset().union(*(message.groups for message in options.messages))
    for point in spec.points:
        assert isinstance(point, TextPoint)
        wanting = [group for group in point.groups if group not in known]
        if wanting:
            yield f"{point.id}: no pattern has a group {', '.join(wanting)}; they have {', '.join(sorted(known))}"
            continue
        try:
            Point(point, options.decimal)
        except ValueError as error:
            yield f"{point.id}: {str(error).removeprefix(f'point {point.id}: ')}"
    named = [rule.group for rule in options.flags] + list(options.time.groups if options.time else ())
    for group in named:
        if group not in known:
            yield f"options: no pattern has a group {group}; they have {', '.join(sorted(known))}"
    if options.asked and line.kind == "listen":
        yield "an instrument that is asked cannot be on a line that listens; leave `request` out"
