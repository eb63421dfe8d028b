"""`fieldgate status`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_PORT = 9469
DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"


def command(
    site: Annotated[Path | None, typer.Argument(metavar="SITE", help="Take the address from this site file.")] = None,
    address: Annotated[
        str | None, typer.Option(help="host:port of a running gateway; port 9469 if none is given.")
    ] = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running gateway how it is: instruments with last values, marks that stand, lines, uplinks, log and clock.

    Exit code 0 when it is healthy, 1 when it is not or does not answer.
    """
    import json
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    from gateway.cli.site import load_or_exit

    if address is None and site is not None:
        health = load_or_exit(site, config_dir).health
        if health is None:
            typer.echo(f"{site}: `health: {{listen: …}}` is not set, so the gateway answers nobody.", err=True)
            raise typer.Exit(1)
        address = health.listen
    address = address or DEFAULT_ADDRESS
    if ":" not in address.rpartition("]")[2]:
        address += f":{DEFAULT_PORT}"
    try:
        with urlopen(f"http://{address}/status.json", timeout=5) as answer:
            status = json.load(answer)
        healthy = status.get("healthy", False)
    except (HTTPError, URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        advice = "is it running, and has its site file a `health:` section?"
        typer.echo(f"no gateway answers on {address}: {reason}; {advice}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(status, ensure_ascii=False))
    else:
        _print(status)
    raise typer.Exit(0 if healthy else 1)


def _print(status: dict[str, Any]) -> None:
    from rich.markup import escape

    from gateway.cli.console import console, counted

    out = console()
    troubles = "; ".join(status["troubles"])
    state = "[green]healthy[/green]" if status["healthy"] else f"[red]not healthy: {escape(troubles)}[/red]"
    up = _ago((status["now"] - status["since"]) / 1000)
    title = f" {escape(status['site'])}" if status["site"] else ""
    out.print(f"[bold]{escape(status['gateway'])}[/bold]{title}: {state}", soft_wrap=True)
    clock = status["clock"]
    out.print(f"fieldgate {status['version']}, up {up}, {_clock(clock)}")
    out.print()
    out.print(_instruments(status["instruments"]))
    out.print()
    for row in status["instruments"]:
        if row.get("mark"):  # a gateway of an earlier release has none
            out.print(f"[yellow]{escape(_marked(row['id'], row['mark']))}[/yellow]", soft_wrap=True)
    for line in status["lines"]:
        faults = ", ".join(f"{fault} {count}" for fault, count in sorted(line["faults"].items())) or "none"
        style = None if line["up"] else "red"
        out.print(f"line {line['id']}: {escape(line['state'])}; faults: {faults}", soft_wrap=True, style=style)
    log = status["log"]
    trouble = f", [red]{escape(log['trouble'])}[/red]" if log["trouble"] else ""
    size = f"{log['bytes'] / 2**20:.1f} of {log['max_bytes'] / 2**20:.0f} MiB"
    out.print(f"log {log['stream']}: seq {log['seq']}, {counted(log['batches'], 'batch', 'batches')}, {size}{trouble}")
    if not status["uplinks"]:
        out.print("no uplink: batches stay in the log")
    for uplink in status["uplinks"]:
        out.print(_uplink(uplink), soft_wrap=True)


def _clock(clock: dict[str, Any]) -> str:
    """`clock holdover (nobody confirms the time now), 2 steps`."""
    from gateway.cli.console import counted

    state = clock["state"]
    return f"clock {state} ({_CLOCKS[state]}), {counted(clock['steps'], 'step')}"


_CLOCKS = {
    "synced": "confirmed by NTP",
    "holdover": "plausible, nobody confirms it now",
    "unset": "certainly wrong",
}
"""What gateway.clock.ClockState means."""


def _instruments(rows: list[dict[str, Any]]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from gateway.cli.console import shortened, unit_shown

    table = Table(box=None, pad_edge=False)
    for heading in ("instrument", "point"):
        table.add_column(heading, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    for heading in ("unit", "flag", "age", "why"):
        table.add_column(heading, no_wrap=heading != "why")
    for row in rows:
        age = "never" if row["age_s"] is None else _ago(row["age_s"])
        for point in row["points"]:
            value, flag = point["value"], point.get("flag", "-")
            style = None if flag == "N" else "yellow" if value is not None else "red"
            shown = "-" if value is None else shortened(value, point["decimals"])
            cells = (row["id"], point["id"], shown, unit_shown(point["unit"]), flag, age, point.get("why") or "")
            table.add_row(*map(escape, cells), style=style)
    return table


def _marked(instrument: str, mark: dict[str, Any]) -> str:
    """`scale-1: marked M (maintenance) until 2026-11-26 18:30:00+08:00 by Li Wei`, in the time zone of this machine."""
    from datetime import UTC, datetime

    until = datetime.fromtimestamp(mark["until"] // 1000, UTC).astimezone()
    who = mark["who"] if mark["who"].isprintable() else repr(mark["who"])
    return f"{instrument}: marked {mark['flag']} ({_MARKS[mark['flag']]}) until {until} by {who}"


_MARKS = {"M": "maintenance", "C": "calibration"}
"""contract.md §2 `mark`."""


def _uplink(uplink: dict[str, Any]) -> str:
    from rich.markup import escape

    from gateway.cli.console import counted

    state = "connected" if uplink["connected"] else f"[red]not connected: {escape(uplink['trouble'] or '')}[/red]"
    if uplink["unheard"]:
        state += ", [yellow]nobody listens there[/yellow]"
    behind = f", oldest {_ago(uplink['oldest_s'])}" if uplink["oldest_s"] is not None else ""
    refused = "".join(f", refused {count} ({escape(reason)})" for reason, count in uplink["refused"].items())
    waiting = counted(uplink["backlog"], "batch", "batches")
    return f"uplink {uplink['id']}: {state}; {uplink['acknowledged']} acknowledged, {waiting} waiting{behind}{refused}"


def _ago(seconds: float) -> str:
    """`4 s`, `12 min`, `3.5 h`, `2.0 d`."""
    for unit, factor in (("d", 86400.0), ("h", 3600.0)):
        if seconds >= factor:
            return f"{seconds / factor:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
