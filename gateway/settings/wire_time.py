"""Whether the wire can carry what is asked: the plan of each instrument against its period."""

import math
from collections.abc import Mapping, Sequence

from drivers import catalogue, durations
from drivers.airtime import switching
from drivers.profile import LineSpec, line_for
from gateway.settings.placed import Placed
from gateway.settings.problem import Problem


def periods(instruments: Sequence[Placed], lines: Mapping[str, LineSpec], problems: list[Problem]) -> None:
    """Points that no read can hold; periods shorter than the wire time alone; lines that are asked too much.

    Wire time is what the bytes and the quiet gaps take, without the time an instrument thinks (contract.md §3).
    """
    load: dict[str, float] = {}
    switches: dict[str, float] = {}
    for name, one in lines.items():
        switches |= switching(one, [placed.spec for placed in instruments if placed.spec.line == name])
    for placed in instruments:
        spec = placed.spec
        line = line_for(spec, lines[spec.line])
        seconds = _wire_s(placed, line, problems)
        if seconds is None or not spec.every_s:
            continue
        seconds += switches.get(spec.id, 0.0)
        if seconds <= spec.every_s:
            load[spec.line] = load.get(spec.line, 0.0) + seconds / spec.every_s
        else:
            place = placed.node.get("every") or placed.node
            needed = durations.written(math.ceil(seconds * 1000) / 1000)
            message = f"{spec.id} is asked every {durations.written(spec.every_s)}, its bytes alone take {needed}"
            problems.append(place.problem(message, "a longer period, fewer points or a higher baudrate is needed"))
    for name, share in load.items():
        if share > 1:
            users = [placed for placed in instruments if placed.spec.line == name]
            place = users[0].node.get("line") or users[0].node
            message = f"line {name} is asked for {share:.0%} of its time, so polls will be left out"
            advice = "longer periods, a higher baudrate or a second line"
            problems.append(place.problem(message, advice, "warning"))


def _wire_s(placed: Placed, line: LineSpec, problems: list[Problem]) -> float | None:
    """Seconds one poll takes on the wire; None where it cannot be planned."""
    wire_s = catalogue.protocol(placed.spec.protocol).wire_s
    if wire_s is None:
        return None
    try:
        return wire_s(placed.spec, line)
    except ValueError as error:
        for message in str(error).splitlines():
            # a plan names the points first: "so2, nox: one read of 130 is needed, …"
            names = message.partition(":")[0].split(", ")
            entry = next((placed.points[name] for name in names if name in placed.points), None)
            place = entry.node if entry is not None else placed.node
            problems.append(place.problem(f"instrument {placed.spec.id}: {message}"))
        return None
