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
) -> None:
    """Serve every instrument of a site on pseudo-terminals and loopback sockets, until Ctrl-C.

    Writes a copy of the site file that points at them: run `fieldgate run simulated.yaml` in another terminal.
    """
    import asyncio
    import json

    from drivers.simulator import simulate
    from gateway.cli.ending import until_interrupted
    from gateway.cli.simulated import moved
    from gateway.cli.site import load_or_exit
    from gateway.settings.document import read

    loaded = load_or_exit(site, config_dir)

    async def serve() -> None:
        async with simulate(loaded.lines, loaded.instruments, seed=seed) as lines:
            # JSON is YAML 1.2, and exact
            out.write_text(json.dumps(moved(read(site).plain(), lines), indent=2, ensure_ascii=False) + "\n", "utf-8")
            for name, line in lines.items():
                typer.echo(f"{name}: {line.path or f'{line.host}:{line.port}'}")
            typer.echo(f"Try: fieldgate read {out}")
            typer.echo("Ctrl-C ends the simulation.")
            await until_interrupted()

    asyncio.run(serve())
