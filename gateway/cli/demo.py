"""`fieldgate demo`"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from gateway.cli.demo_sites import DemoSite
    from gateway.cli.demo_table import Arrivals


class Choice(StrEnum):
    """Which broker."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


SITES = ("petrol_station", "boiler_house", "water_station")


def command(
    seconds: Annotated[float | None, typer.Option(help="End by itself after so many seconds.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same simulated day.")] = 1,
    broker: Annotated[
        Choice, typer.Option(help="auto takes mosquitto where it is installed, the embedded one (amqtt) elsewhere.")
    ] = Choice.AUTO,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line per batch that arrives, no table.")
    ] = False,
) -> None:
    """See the whole path at work, with no hardware and no set-up.

    Simulates a petrol station, a boiler house and a water station on real sockets and pseudo-terminals, starts a
    broker (mosquitto if it is installed, an embedded one otherwise) and one gateway a site, and shows what arrives.
    Everything lives in a temporary folder. Ctrl-C ends all of it.
    """
    import asyncio
    import tempfile
    from pathlib import Path

    from gateway.cli.demo_broker import NoBroker
    from gateway.cli.demo_table import Arrivals
    from gateway.cli.ending import ended_early

    out = _console()
    arrivals = Arrivals(out, as_json)
    with tempfile.TemporaryDirectory(prefix="fieldgate-demo-") as folder:
        try:
            asyncio.run(ended_early(_demo(Path(folder), seconds, seed, broker, arrivals, out)))
        except NoBroker as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    raise typer.Exit(0 if arrivals.batches else 1)


async def _demo(
    folder: "Path", seconds: float | None, seed: int, choice: Choice, arrivals: "Arrivals", out: "Console"
) -> None:
    import asyncio
    from contextlib import AsyncExitStack, suppress

    from gateway.cli.demo_broker import broker
    from gateway.cli.demo_sites import running

    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(broker(folder, choice.value))
        out.print(f"Broker: {place.name} on 127.0.0.1:{place.port}")
        sites = [await stack.enter_async_context(running(name, folder, place, seed)) for name in SITES]
        _introduce(out, sites)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await arrivals.watch(place)


def _console() -> "Console":
    from gateway.cli.console import console

    return console(stderr=True)


def _introduce(console: "Console", sites: "list[DemoSite]") -> None:
    for site in sites:
        console.print(f"{site.gateway}: status page http://127.0.0.1:{site.health_port}/")
    console.print("Ctrl-C ends everything.")
