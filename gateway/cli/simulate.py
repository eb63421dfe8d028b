"""`fieldgate simulate SITE`"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.site import ConfigDirectory, SiteFile


def command(
    site: SiteFile,
    config_dir: ConfigDirectory = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the site file that points at the simulators.")
    ] = Path("simulated.yaml"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    truth: Annotated[
        Path | None, typer.Option(help="Write down every value that is served, as JSON lines, to compare with a feed.")
    ] = None,
) -> None:
    """Serve every instrument of a site on pseudo-terminals and loopback sockets, until Ctrl-C.

    Writes a copy of the site file that points at them: run `fieldgate run simulated.yaml` in another terminal.
    """
    import asyncio
    import json
    from contextlib import ExitStack

    from drivers.contract import Value
    from drivers.simulator import Truth, simulate
    from gateway.cli.ending import until_interrupted
    from gateway.cli.simulated import moved
    from gateway.cli.site import load_or_exit
    from gateway.settings.document import read

    loaded = load_or_exit(site, config_dir)

    def written(stack: ExitStack) -> Truth | None:
        if truth is None:
            return None
        file = stack.enter_context(truth.open("w", encoding="utf-8", buffering=1))

        def write(instrument: str, point: str, ts_ms: int, value: Value) -> None:
            file.write(json.dumps({"instrument": instrument, "point": point, "ts": ts_ms, "value": value}) + "\n")

        return Truth(1, write)

    async def serve() -> None:
        with ExitStack() as stack:
            await play(written(stack))

    async def play(served: Truth | None) -> None:
        async with simulate(loaded.lines, loaded.instruments, seed=seed, truth=served) as lines:
            # JSON is YAML 1.2, and exact
            out.write_text(json.dumps(moved(read(site).plain(), lines), indent=2, ensure_ascii=False) + "\n", "utf-8")
            for name, line in lines.items():
                typer.echo(f"{name}: {line.path or f'{line.host}:{line.port}'}")
            typer.echo(f"Try: fieldgate read {out}")
            typer.echo("Ctrl-C ends the simulation.")
            await until_interrupted()

    try:
        asyncio.run(serve())
    except OSError as error:
        typer.echo(f"{error.filename or site}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
