"""`fieldgate scan LINE`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.line import Baudrate, FramingOption, ParityOption, Place, StopBits, Timeout
from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.profile import LineSpec

NUMBERED = ("modbus", "mbus", "bayern_hessen")
"""Protocols whose addresses may be written as ranges of numbers."""


def command(
    place: Place,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the proposed site file here.")] = None,
    budget: Annotated[str, typer.Option(help="Time for the whole scan.")] = "3m",
    protocol: Annotated[str, typer.Option(help="Protocol to scan for.")] = "modbus",
    addresses: Annotated[str | None, typer.Option(metavar="1-32,161|@FILE", help="Only these addresses.")] = None,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    framing: FramingOption = None,
    timeout: Timeout = None,
    config_dir: ConfigDirectory = None,
    listen: Annotated[
        str | None, typer.Option(help="How long to listen for instruments that speak unasked (text, hj212).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find who answers on a line: baudrate, parity, address, what it says of itself, the profile that fits best.

    Only reads are made: one register by functions 3 and 4, the identity by 43/14, then the points of each profile.
    At every setting the usual addresses come first; once somebody answers, all addresses are tried at that setting.
    Other protocols ask what changes nothing; text instruments are known by the profile whose requests or lines fit, and
    those that speak unasked (text, hj212) are listened to. `listen:0.0.0.0:7003` waits for loggers that connect to us.
    Compare each value with the instrument's display before you trust the proposed site file.
    Exit code 1 when nobody answers.
    """
    import asyncio
    import json

    from drivers import catalogue, durations
    from gateway.cli.line import KINDS, listed, usage, wanted
    from gateway.cli.search import Search
    from gateway.matching import proposed, site_file

    able = [name for name in catalogue.names() if _can_be_found(name)]
    if protocol not in able:
        usage(f"--protocol: {protocol!r} cannot be scanned; these can: {', '.join(able)}")
    speaks = catalogue.protocol(protocol)
    kinds = (*KINDS, "listen") if speaks.scan_listen_s else KINDS
    line = wanted(place, config_dir, baudrate, parity, stopbits, framing, timeout, kinds).line
    if timeout is None:
        line = line.model_copy(update={"timeout_s": speaks.scan_answer_s})
    if line.kind == "listen" and not speaks.scan_listen_s:
        usage(f"{place}: instruments that speak {protocol} are asked, and nobody can be asked on a line that listens")
    if out is not None and out.exists():
        usage(f"{out} is there already; nothing is ever overwritten")
    try:
        budget_s = durations.seconds(budget)
        only = listed(addresses, named=protocol not in NUMBERED)
        listen_s = durations.seconds(listen) if listen is not None else speaks.scan_listen_s
    except ValueError as error:
        usage(str(error))
    line = line.model_copy(update={"settle_s": 0.0})
    search = Search(protocol, tuple(only), budget_s, listen_s, config_dir)
    fixed = "#" in place or place.endswith(".yaml")
    settings = list(search.settings(line, baudrate, parity, fixed))
    spec, found = asyncio.run(search.run(settings, watched=not as_json))
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


def _can_be_found(name: str) -> bool:
    from drivers import catalogue

    one = catalogue.protocol(name)
    return one.scan is not None or one.scan_listen_s > 0


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
