"""`fieldgate read SITE [INSTRUMENT]`"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.site import AsJson, ConfigDirectory, SiteFile

if TYPE_CHECKING:
    from drivers.contract import Sample
    from gateway.fieldbus import Fieldbus
    from gateway.settings import Site

OPENING_LIMIT_S = 5.0
"""How long a port or connection may take to come up before its instruments are read as they are: not at all."""


def command(
    site: SiteFile,
    instrument: Annotated[str | None, typer.Argument(metavar="INSTRUMENT", help="Only this one.")] = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Poll each instrument once, now, and show its values: no log, no uplink, nothing is stored.

    The ports must be free: stop the gateway first, or ask it with the command `read` over MQTT.
    Exit code 1 when any value could not be had.
    """
    import asyncio
    import json

    from gateway.cli.site import load_or_exit

    loaded = load_or_exit(site, config_dir)
    known = [spec.id for spec in loaded.instruments]
    if instrument is not None and instrument not in known:
        typer.echo(f"{site} has no instrument {instrument!r}; it has: {', '.join(known)}", err=True)
        raise typer.Exit(2)
    rows = asyncio.run(_read(loaded, instrument))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        _show(rows)
    raise typer.Exit(1 if any(row["value"] is None for row in rows) else 0)


async def _read(site: "Site", wanted: str | None) -> list[dict[str, Any]]:
    import asyncio

    from gateway.fieldbus import build

    chosen = [spec for spec in site.instruments if wanted in (None, spec.id)]
    buses = build(site.lines, chosen)
    samples: dict[str, Sample] = {}
    running = [asyncio.create_task(bus.line.run(), name=name) for name, bus in buses.items()]
    try:
        await asyncio.gather(*(_poll(bus, samples) for bus in buses.values()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    rows = []
    for spec in chosen:
        sample = samples[spec.id]
        for index, point in enumerate(spec.points):
            row = {"instrument": spec.id, "point": point.id, "value": sample.values[index], "unit": point.unit}
            row["decimals"] = point.decimals
            flag = sample.flags.get(index)
            rows.append({**row, "flag": flag.value if flag else "N", "why": sample.why.get(index)})
    return rows


async def _poll(bus: "Fieldbus", samples: dict[str, "Sample"]) -> None:
    await bus.line.wait_tried(OPENING_LIMIT_S)
    for name, driver in bus.drivers.items():
        samples[name] = await driver.poll()


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from gateway.cli.console import console, shortened, unit_shown

    table = Table(box=None, pad_edge=False)
    for heading, justify in (("instrument", "left"), ("point", "left"), ("value", "right"), ("unit", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("flag")
    table.add_column("why")
    for row in rows:
        value = "-" if row["value"] is None else shortened(row["value"], row["decimals"])
        style = None if row["flag"] == "N" else "yellow" if row["value"] is not None else "red"
        cells = (row["instrument"], row["point"], value, unit_shown(row["unit"]), row["flag"], row["why"] or "")
        table.add_row(*map(escape, cells), style=style)
    console().print(table)
