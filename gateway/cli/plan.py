"""`fieldgate plan SITE`"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.site import AsJson, ConfigDirectory, SiteFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from drivers.modbus.load import InstrumentLoad, LineLoad
    from drivers.profile import InstrumentSpec
    from gateway.settings import Site
    from gateway.settings.problem import Problem


def command(
    site: SiteFile,
    dead: Annotated[
        list[str] | None, typer.Option("--dead", metavar="ID", help="Suppose it does not answer; may be repeated.")
    ] = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show what polling costs before anything is installed: each read, time on the wire, load, worst age.

    A cycle is one poll of every instrument on a line, one after another. The worst age is how old a value can get
    before the next one replaces it. With `--dead` the same is shown with those instruments silent. Nothing is opened.
    Exit code 78 when the wire cannot carry what is asked; what leaves no room is a warning.
    """
    import json
    from dataclasses import asdict

    from gateway.cli.site import EXIT_WRONG_CONFIGURATION, refuse
    from gateway.settings import SettingsError, load

    gone = frozenset(dead or ())
    try:
        loaded = load(site, config_dir)
        _known(loaded, gone)
        well, ill = _loads(loaded, frozenset()), _loads(loaded, gone)
        problems = _problems(loaded, well)
        if any(problem.level == "error" for problem in problems):
            raise SettingsError((*loaded.warnings, *problems))
    except SettingsError as error:
        if not as_json:
            refuse(error)
        typer.echo(json.dumps({"ok": False, "problems": [asdict(problem) for problem in error.problems]}))
        raise typer.Exit(EXIT_WRONG_CONFIGURATION) from None
    problems = [*loaded.warnings, *problems]
    if as_json:
        found: dict[str, Any] = {
            "ok": True,
            "problems": [asdict(problem) for problem in problems],
            "lines": [asdict(load) for load in well],
            "unplanned": _unplanned(loaded),
        }
        if gone:
            found |= {"dead": sorted(gone), "lines_with_dead": [asdict(load) for load in ill]}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for problem in problems:
        typer.echo(str(problem), err=True)
    _print(loaded, well, ill, gone)


def _known(site: "Site", dead: frozenset[str]) -> None:
    known = [spec.id for spec in site.instruments]
    if unknown := sorted(dead.difference(known)):
        typer.echo(f"--dead: {site.path} has no instrument {', '.join(unknown)}; it has: {', '.join(known)}", err=True)
        raise typer.Exit(2)


def _loads(site: "Site", dead: frozenset[str]) -> "list[LineLoad]":
    """Every line that has instruments whose polls take a known time."""
    from drivers import catalogue
    from drivers.airtime import switching
    from drivers.modbus.load import Polling, line_load
    from drivers.modbus.plan import Plan, plan_instrument
    from drivers.profile import line_for

    loads = []
    for name, line in site.lines.items():
        here = [spec for spec in site.instruments if spec.line == name]
        plans: list[tuple[InstrumentSpec, Plan | Polling]] = []
        for spec in here:
            own = line_for(spec, line)
            protocol = catalogue.protocol(spec.protocol)
            if spec.protocol == "modbus":
                plans.append((spec, plan_instrument(spec, own)))
            elif protocol.wire_s is not None:
                plans.append((spec, Polling(float(protocol.wire_s(spec, own)), protocol.think_s(spec))))
        if plans:
            loads.append(line_load(line, plans, dead, switching(line, here)))
    return loads


def _problems(site: "Site", loads: "Sequence[LineLoad]") -> "list[Problem]":
    """What the plan says of instruments, at their places in the site file."""
    from gateway.settings.document import read

    entries = read(site.path).get("instruments")
    assert entries is not None
    assert isinstance(entries.value, list)
    nodes = {node.plain()["id"]: node for node in entries.value}
    found = []
    for load in loads:
        for instrument, words in load.problems:
            node = nodes[instrument].get("every") or nodes[instrument]
            found.append(node.problem(f"{instrument}: {words}", "a longer period, fewer points or a higher baudrate"))
        for instrument, words in load.warnings:
            node = nodes[instrument].get("every") or nodes[instrument]
            found.append(node.problem(words, "longer periods, a higher baudrate or a second line", "warning"))
    return found


def _unplanned(site: "Site") -> list[dict[str, str]]:
    """Instruments of which nobody knows how long a poll takes on the wire, and those that speak unasked."""
    from drivers import catalogue

    return [
        {"instrument": spec.id, "line": spec.line, "protocol": spec.protocol}
        for spec in site.instruments
        if catalogue.protocol(spec.protocol).wire_s is None
    ]


def _print(site: "Site", well: "Sequence[LineLoad]", ill: "Sequence[LineLoad]", dead: frozenset[str]) -> None:
    from gateway.cli.console import console

    out = console()
    for load, with_dead in zip(well, ill, strict=True):
        line = site.lines[load.line]
        where = line.path if line.path is not None else f"{line.kind} {line.host}:{line.port}"
        rate = f", {line.baudrate} baud" if line.kind == "serial" else ""
        out.print(f"[bold]line {load.line}[/bold]: {where}{rate}", soft_wrap=True)
        out.print(_sentence(load), soft_wrap=True)
        if dead.intersection(one.instrument for one in load.instruments):
            names = ", ".join(one.instrument for one in with_dead.instruments if one.dead)
            out.print(f"with {names} dead: {_sentence(with_dead)}", soft_wrap=True)
            out.print(_table(load, with_dead))
        else:
            out.print(_table(load, None))
        out.print()
    for one in _unplanned(site):
        words = f"{one['instrument']} on line {one['line']} speaks {one['protocol']}: how long that takes is not known"
        out.print(words, soft_wrap=True)


def _sentence(load: "LineLoad") -> str:
    from gateway.cli.console import counted

    reads = sum(len(one.blocks) for one in load.instruments if not one.dead and (one.registers or one.bits))
    others = sum(1 for one in load.instruments if not one.dead and not (one.registers or one.bits))
    alive = [one for one in load.instruments if not one.dead]
    registers, bits = sum(one.registers for one in alive), sum(one.bits for one in alive)
    parts = [counted(count, noun) for count, noun in ((registers, "register"), (bits, "bit")) if count]
    touching = f" touching {' and '.join(parts)}" if parts else ""
    asked = f"{counted(reads, 'request')}{touching}" if reads or not others else ""
    if others:
        asked += f"{' and ' if asked else ''}{counted(others, 'instrument')} of other protocols"
    switched = sum(one.switch_s for one in alive)
    asked += f", {switched * 1000:.0f} ms of switching" if switched else ""
    paced = all(one.paced for one in alive)
    busy = f"busy {load.load:.1%} of the time" if paced else "polled as fast as it goes"
    return f"{asked}, {load.cycle_s * 1000:.0f} ms a cycle, {busy}"


def _table(load: "LineLoad", with_dead: "LineLoad | None") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from drivers import durations

    table = Table(box=None, pad_edge=False)
    for heading in ("instrument", "every", "read"):
        table.add_column(heading, no_wrap=True)
    for heading in ("ms", "load", "worst age", *(["with dead"] if with_dead is not None else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("points")
    for at, one in enumerate(load.instruments):
        first = (one.instrument, durations.written(one.period_s) if one.paced else "fastest")
        share = f"{one.load:.1%}"
        for block in one.blocks:
            # statuses that only mark other points are read too, but nobody sees them
            points = [name for name in block.points if name in load.instruments[at].worst_age_s]
            ages = [_age(one, points)] + ([_age(with_dead.instruments[at], points)] if with_dead is not None else [])
            table.add_row(
                *first, block.words, f"{block.exchange_s * 1000:.0f}", share, *ages, escape(", ".join(points))
            )
            first, share = ("", ""), ""
        if one.switch_s:
            empty = [""] * (3 if with_dead is not None else 2)
            table.add_row(*first, "switch of the port", f"{one.switch_s * 1000:.0f}", *empty, "")
    return table


def _age(one: "InstrumentLoad", points: "Sequence[str]") -> str:
    return "dead" if one.dead else f"{max((one.worst_age_s[name] for name in points), default=0):.2f} s"
