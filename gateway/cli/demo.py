"""`fieldgate demo`"""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from gateway.cli.demo_sites import DemoSite

SITES = ("petrol_station", "boiler_house", "water_station")


def command(
    seconds: Annotated[float | None, typer.Option(help="End by itself after so many seconds.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same simulated day.")] = 1,
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

    with tempfile.TemporaryDirectory(prefix="fieldgate-demo-") as folder:
        arrived = asyncio.run(_demo(Path(folder), seconds, seed, as_json))
    raise typer.Exit(0 if arrived else 1)


async def _demo(folder: "Path", seconds: float | None, seed: int, as_json: bool) -> int:
    import asyncio
    from contextlib import AsyncExitStack

    from gateway.cli.demo_broker import broker
    from gateway.cli.demo_sites import running
    from gateway.cli.demo_table import Arrivals
    from gateway.cli.ending import until_interrupted

    console = _console()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(broker(folder))
        console.print(f"Broker: {place.name} on 127.0.0.1:{place.port}")
        sites = [await stack.enter_async_context(running(name, folder, place, seed)) for name in SITES]
        _introduce(console, sites)
        arrivals = Arrivals([site.gateway for site in sites], console, as_json)
        watching = asyncio.create_task(arrivals.watch(place), name="arrivals")
        try:
            async with asyncio.timeout(seconds):
                await until_interrupted()
        except TimeoutError:
            pass
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return arrivals.batches


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _introduce(console: "Console", sites: "list[DemoSite]") -> None:
    for site in sites:
        console.print(f"{site.gateway}: status page http://127.0.0.1:{site.health_port}/")
    console.print("Ctrl-C ends everything.")
