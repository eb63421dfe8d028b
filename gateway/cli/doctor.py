"""`fieldgate doctor LINE`"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.line import Baudrate, FramingOption, ParityOption, Place, StopBits, Timeout
from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.profile import LineSpec
    from gateway.diagnosis.examination import Examined
    from gateway.diagnosis.findings import Diagnosis


def command(
    place: Place,
    polls: Annotated[int, typer.Option(min=1, help="How often each instrument is asked.")] = 20,
    seconds: Annotated[float, typer.Option(min=1.0, help="Time for all of it; Ctrl-C ends earlier.")] = 60.0,
    addresses: Annotated[
        str | None,
        typer.Option(metavar="1-32,161", help="At a bare endpoint: who is asked. Default: the usual ones that answer."),
    ] = None,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    framing: FramingOption = None,
    timeout: Timeout = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask a line for a while, and say in plain words what is wrong with it and what to do: in English and Chinese.

    With SITE#LINE its instruments are polled as the gateway would: stop it first. At a bare endpoint one register is
    read from each Modbus address. Told are response times, checksum errors, noise, an echo, pauses and answers that
    come too early or too late, two instruments on one address, a wrong baudrate, another master, dead units. Nothing
    is written to any instrument. Exit code 0 when nothing was found, 1 on any finding.
    """
    import asyncio
    import json

    from gateway.cli.line import listed, usage, wanted
    from gateway.diagnosis.findings import diagnose

    found = wanted(place, config_dir, baudrate, parity, stopbits, framing, timeout)
    spec = found.line
    asked = [one for one in found.site.instruments if one.line == spec.name] if found.site is not None else []
    if asked and addresses is not None:
        usage(f"--addresses: the instruments of line {spec.name} stand in the site file")
    if timeout is not None:
        asked = [one.model_copy(update={"timeout_s": spec.timeout_s}) for one in asked]
    try:
        only = [one for one in listed(addresses) if isinstance(one, int)]
    except ValueError as error:
        usage(str(error))
    examined = asyncio.run(_examine(spec, asked, only, polls, seconds, not as_json))
    told = diagnose(examined.trials, examined.idle, refused=bool(asked))
    if as_json:
        typer.echo(json.dumps(_rows(spec, examined, told), ensure_ascii=False))
    else:
        _print(spec, examined, told)
    raise typer.Exit(1 if told.findings else 0)


async def _examine(
    spec: "LineSpec", asked: "Sequence[Any]", only: "Sequence[int]", polls: int, seconds: float, watched: bool
) -> "Examined":
    import sys

    from rich.progress import Progress

    from drivers import catalogue
    from drivers.line import ListeningLine, open_line
    from gateway.cli.console import console
    from gateway.cli.ending import ended_early
    from gateway.cli.line import kept_up, usage
    from gateway.cli.search import USUAL
    from gateway.diagnosis.examination import Examination

    examination = Examination(spec, seconds)
    if asked:
        line = examination.of_instruments(asked)
        if isinstance(line, ListeningLine):
            usage(f"line {spec.name}: its instruments speak unasked; `fieldgate record` shows what they say")
    else:
        line = examination.of_addresses(
            open_line(spec, catalogue.protocol("modbus").tags(spec)), only or USUAL, bool(only)
        )
    out = console(stderr=True)
    with Progress(console=out, disable=not (watched and sys.stderr.isatty()), transient=True) as progress:
        bar = progress.add_task("", total=seconds)

        def shown_so(words: str, spent_s: float) -> None:
            progress.update(bar, completed=spent_s, description=words)

        async with kept_up(line, spec):
            await ended_early(examination.run(polls, shown_so))
    return examination.examined


def _rows(spec: "LineSpec", examined: "Examined", told: "Diagnosis") -> dict[str, Any]:
    from dataclasses import asdict

    from gateway.cli.line import shown
    from gateway.diagnosis.words import remedy, says

    return {
        "line": shown(spec),
        "seconds": round(examined.seconds, 1),
        "questions": len(examined.trials),
        "units": [asdict(one) for one in told.units],
        "findings": [{**asdict(one), "says": asdict(says(one)), "do": asdict(remedy(one))} for one in told.findings],
    }


def _print(spec: "LineSpec", examined: "Examined", told: "Diagnosis") -> None:
    from rich.markup import escape
    from rich.table import Table

    from gateway.cli.console import console, counted
    from gateway.cli.line import shown
    from gateway.diagnosis.words import HEALTHY, remedy, says

    typer.echo(f"{shown(spec)}: {counted(len(examined.trials), 'question')} in {examined.seconds:.1f} s")
    table = Table(box=None, pad_edge=False)
    table.add_column("unit")
    for heading in ("asked", "answered", "damaged", "silent", "late", "p50 ms", "p95 ms", "p99 ms", "longest ms"):
        table.add_column(heading, justify="right")
    for unit in told.units:
        counts = (unit.asked, unit.answered, unit.damaged, unit.silent, unit.late)
        times = [f"{unit.response_ms[name]:.1f}" if unit.response_ms else "-" for name in ("p50", "p95", "p99", "max")]
        table.add_row(escape(unit.unit), *map(str, counts), *times)
    console().print(table)
    for number, finding in enumerate(told.findings, 1):
        what, how = says(finding), remedy(finding)
        typer.echo(f"\n{number}. [{finding.kind}] {what.en}\n   {what.zh}\n   -> {how.en}\n   -> {how.zh}")
    if not told.findings:
        typer.echo(f"{HEALTHY.en} · {HEALTHY.zh}")
