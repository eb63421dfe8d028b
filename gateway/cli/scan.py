"""`fieldgate scan LINE`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.line import Baudrate, FramingOption, ParityOption, Place, StopBits, Timeout
from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drivers.contract import Line
    from drivers.profile import LineSpec
    from drivers.scanning import Heard
    from gateway.matching import Match

BAUDRATES = (9600, 19200, 4800, 115200, 38400, 2400, 57600, 1200)
"""The usual ones, the most usual first."""
PARITIES = ("none", "even", "odd")
USUAL = (*range(1, 17), 161, 162, 247)
"""Unit addresses that are tried at every setting before all others are."""
ANSWER_S = 0.15
"""How long an answer may take while scanning, unless --timeout says otherwise."""


def command(
    place: Place,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the proposed site file here.")] = None,
    budget: Annotated[str, typer.Option(help="Time for the whole scan.")] = "3m",
    protocol: Annotated[str, typer.Option(help="Protocol to scan for.")] = "modbus",
    addresses: Annotated[str | None, typer.Option(metavar="1-32,161", help="Only these addresses.")] = None,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    framing: FramingOption = None,
    timeout: Timeout = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Find who answers on a line: baudrate, parity, address, what it says of itself, the profile that fits best.

    Only reads are made: one register by functions 3 and 4, the identity by 43/14, then the points of each profile.
    At every setting the usual addresses come first; once somebody answers, all addresses are tried at that setting.
    Compare each value with the instrument's display before you trust the proposed site file.
    Exit code 1 when nobody answers.
    """
    import asyncio
    import json

    from drivers import catalogue, durations
    from gateway.cli.line import listed, usage, wanted
    from gateway.matching import proposed, site_file

    line = wanted(place, config_dir, baudrate, parity, stopbits, framing, timeout or f"{ANSWER_S * 1000:.0f}ms").line
    if protocol not in catalogue.names() or catalogue.protocol(protocol).scan is None:
        able = [name for name in catalogue.names() if catalogue.protocol(name).scan is not None]
        usage(f"--protocol: {protocol!r} cannot be scanned; these can: {', '.join(able)}")
    if out is not None and out.exists():
        usage(f"{out} is there already; nothing is ever overwritten")
    try:
        budget_s = durations.seconds(budget)
        only = listed(addresses, named=protocol == "hj212")
    except ValueError as error:
        usage(str(error))
    line = line.model_copy(update={"settle_s": 0.0})
    settings = list(_settings(line, baudrate, parity, "#" in place or place.endswith(".yaml")))
    spec, found = asyncio.run(_scan(settings, protocol, only, budget_s, config_dir, not as_json))
    rows = [
        {
            "address": heard.address, "said": heard.said, "identity": dict(heard.identity),
            "profile": best.profile if best is not None else None,
            "good": best.good if best is not None else 0, "points": best.points if best is not None else 0,
        }
        for heard, best in found
    ]  # fmt: skip
    text = site_file(spec, [proposed(heard, spec, best) for heard, best in found])
    if out is not None and found:
        out.write_text(text, "utf-8")
    if as_json:
        serial = {"baudrate": spec.baudrate, "parity": spec.parity, "stopbits": spec.stopbits}
        typer.echo(json.dumps({"serial": serial if spec.kind == "serial" else None, "found": rows, "site": text}))
    else:
        _print(spec, rows, out if found else None, text)
    raise typer.Exit(0 if found else 1)


def _settings(line: "LineSpec", baudrate: int | None, parity: object, fixed: bool) -> "Iterator[LineSpec]":
    """The line under every setting to try; only its own on a network and from a site file."""
    if line.kind != "serial" or fixed:
        yield line
        return
    for rate in (baudrate,) if baudrate is not None else BAUDRATES:
        for one in (line.parity,) if parity is not None else PARITIES:
            yield line.model_copy(update={"baudrate": rate, "parity": one})


async def _scan(
    settings: "Sequence[LineSpec]",
    protocol: str,
    only: "Sequence[int | str]",
    budget_s: float,
    config_dir: Path | None,
    watched: bool,
) -> "tuple[LineSpec, list[tuple[Heard, Match | None]]]":
    """The setting at which somebody answers, who, and the profile that fits each best."""
    import asyncio
    import sys

    from rich.progress import Progress

    from drivers import catalogue
    from gateway.cli.console import console
    from gateway.cli.line import opened, shown
    from gateway.matching import candidates, matches

    ask = catalogue.protocol(protocol).scan
    assert ask is not None
    loop = asyncio.get_running_loop()
    end_s = loop.time() + budget_s
    found: dict[int | str, Heard] = {}
    out = console(stderr=True)
    with Progress(console=out, disable=not (watched and sys.stderr.isatty()), transient=True) as progress:
        bar = progress.add_task("", total=budget_s)

        async def sweep(line: "Line", spec: "LineSpec", addresses: "Sequence[int | str]") -> None:
            async for step in ask(line, spec, addresses):
                words = f"{shown(spec)}, address {step.address}, {len(found)} found"
                progress.update(bar, completed=budget_s - (end_s - loop.time()), description=words)
                if step.heard is not None:
                    found[step.address] = step.heard
                if loop.time() > end_s:
                    out.print("the time is up and something is left; a longer --budget tries it", soft_wrap=True)
                    return

        # unit numbers are Modbus's; other protocols know themselves what there is to try
        for several in (only,) if only else (USUAL, ()) if protocol == "modbus" else ((),):
            for spec in settings:
                async with opened(spec, protocol) as line:
                    await sweep(line, spec, several)
                    if found and several is USUAL:
                        await sweep(line, spec, [one for one in range(1, 248) if one not in USUAL])
                    if found:
                        progress.update(bar, description="which profiles fit")
                        tried = candidates(spec, protocol, config_dir)
                        fitting = [await matches(heard, line, spec, tried) for heard in found.values()]
                        best = [several[0] if several else None for several in fitting]
                        return spec, list(zip(found.values(), best, strict=True))
                if loop.time() > end_s:
                    return settings[0], []
    return settings[0], []


def _print(spec: "LineSpec", rows: "Sequence[dict[str, Any]]", out: Path | None, text: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from gateway.cli.console import console
    from gateway.cli.line import shown

    if not rows:
        typer.echo(
            "nobody answers: is it powered, are A and B the right way round, is another master on the line?", err=True
        )
        return
    typer.echo(f"{shown(spec)}:")
    table = Table(box=None, pad_edge=False)
    for heading in ("address", "it says", "identity", "best profile", "values"):
        table.add_column(heading)
    for row in rows:
        identity = ", ".join(row["identity"].values())
        cells = (
            str(row["address"]),
            row["said"],
            identity,
            row["profile"] or "none",
            f"{row['good']} of {row['points']}",
        )
        table.add_row(*map(escape, cells))
    console().print(table)
    typer.echo(f"Written: {out}. Try: fieldgate read {out}" if out is not None else f"\n{text}", nl=out is not None)
