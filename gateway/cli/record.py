"""`fieldgate record SITE|LINE`"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.line import Baudrate, FramingOption, ParityOption, StopBits
from gateway.cli.site import ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from drivers.profile import LineSpec
    from gateway.settings import Site


def command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="SITE|LINE",
            help="A site file, SITE#LINE, or an endpoint to listen at: /dev/ttyUSB0, tcp:host:port.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the transcripts.")] = Path("recording"),
    seconds: Annotated[float | None, typer.Option(help="End by itself after so many seconds.")] = None,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    framing: FramingOption = None,
    config_dir: ConfigDirectory = None,
) -> None:
    """Write down every byte on the wire, and what each poll made of it, until Ctrl-C. One transcript a line.

    With a site file its instruments are polled as the gateway would, without log and uplink: stop the gateway first,
    or record while it runs with `fieldgate run SITE --record FOLDER`. At a bare endpoint nothing is ever sent: it
    listens to a bus that somebody else polls. `fieldgate replay` shows what another configuration makes of it.
    """
    import asyncio

    from gateway.cli.line import wanted

    file, _, name = place.partition("#")
    listening = place.startswith("/dev/") or place.partition(":")[0] in ("tcp", "udp", "tls")
    try:
        if listening:
            line = wanted(place, None, baudrate, parity, stopbits, framing).line
            asyncio.run(_within(_listen(line, out), seconds))
        else:
            site = _site(file, name, config_dir)
            asyncio.run(_within(_poll(site, out), seconds))
    except OSError as error:
        typer.echo(f"{error.filename or out}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


def _site(file: str, name: str, config_dir: Path | None) -> "Site":
    from dataclasses import replace

    from gateway.cli.line import wanted
    from gateway.cli.site import load_or_exit

    site = load_or_exit(Path(file), config_dir)
    if not name:
        return site
    line = wanted(f"{file}#{name}", config_dir).line
    instruments = tuple(spec for spec in site.instruments if spec.line == line.name)
    return replace(site, lines={line.name: line}, instruments=instruments)


async def _within(work: "Coroutine[Any, Any, None]", seconds: float | None) -> None:
    import asyncio
    from contextlib import suppress

    from gateway.cli.ending import ended_early

    async def limited() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await work

    await ended_early(limited())


async def _poll(site: "Site", out: Path) -> None:
    import asyncio

    from drivers.line import ListeningLine
    from drivers.line.listened import Listened
    from gateway.clock import SystemClock
    from gateway.fieldbus import build
    from gateway.polling.listener import Listener
    from gateway.polling.poller import Polled, Poller
    from gateway.reading import Reading
    from gateway.recording import Recorder

    buses = build(site.lines, site.instruments)
    clock = SystemClock()
    recorder, polls = Recorder(out), Counter[tuple[str, str]]()
    periods = {spec.id: round(spec.every_s * 1000) for spec in site.instruments}
    lines = {spec.id: spec.line for spec in site.instruments}

    def take(reading: Reading) -> None:
        recorder.take(reading)
        polls[lines[reading.instrument], reading.sample.result] += 1

    recorder.begin(buses, site.hash)
    try:
        async with asyncio.TaskGroup() as group:
            for name, bus in buses.items():
                owner: Poller | Listener
                if isinstance(bus.line, ListeningLine):
                    heard = [
                        (one, found, periods[one]) for one, found in bus.drivers.items() if isinstance(found, Listened)
                    ]
                    owner = Listener(bus.line, heard, clock, take, lambda event: None)
                else:
                    polled = [Polled(one, driver, periods[one]) for one, driver in bus.drivers.items()]
                    shared = bus.spec.kind == "serial"
                    owner = Poller(bus.line, polled, clock, take, lambda event: None, shared_wire=shared)
                group.create_task(bus.line.run(), name=f"line {name}")
                group.create_task(owner.run(), name=f"poller {name}")
            typer.echo("recording; Ctrl-C ends it", err=True)
    finally:
        recorder.end()
        for name, file in recorder.files.items():
            counts = ", ".join(f"{count} {result}" for (line, result), count in sorted(polls.items()) if line == name)
            typer.echo(f"{file}: {counts or 'no poll'}")


async def _listen(line: "LineSpec", out: Path) -> None:
    import asyncio

    from drivers.line import open_line
    from gateway.fieldbus import Fieldbus
    from gateway.recording import Recorder

    bus = Fieldbus(line, open_line(line, None), {})
    recorder = Recorder(out)
    recorder.begin({line.name: bus}, "none")
    try:
        running = asyncio.create_task(bus.line.run(), name="line")
        typer.echo("listening; nothing is sent; Ctrl-C ends it", err=True)
        await running
    finally:
        recorder.end()
        for file in recorder.files.values():
            arrivals = sum(1 for row in file.read_text("utf-8").splitlines() if " << " in row)
            typer.echo(f"{file}: {arrivals} arrivals")
