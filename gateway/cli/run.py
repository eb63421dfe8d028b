"""`fieldgate run SITE`"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.site import ConfigDirectory, SiteFile


def command(
    site: SiteFile,
    config_dir: ConfigDirectory = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write down every byte on the wire, for `fieldgate replay`."),
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the gateway for one site until SIGTERM or Ctrl-C; SIGHUP reads the site file again.

    Works the same with and without systemd. A wrong site file starts nothing (exit 78); a second instance on
    the same log or port exits 1 and says who holds it.
    """
    import asyncio

    from gateway.cli.site import load_or_exit
    from gateway.errors import GatewayError
    from gateway.journal import set_up
    from gateway.memory import Memory
    from gateway.recording import Recorder
    from gateway.run import run
    from gateway.settings import load

    try:
        set_up(log_level)
    except ValueError as error:
        typer.echo(f"--log-level: {error}", err=True)
        raise typer.Exit(2) from None
    loaded = load_or_exit(site, config_dir)
    try:
        recorder = Recorder(record) if record is not None else None
        asyncio.run(run(loaded, lambda: load(site, config_dir), recorder, Memory()))
    except GatewayError as error:
        typer.echo(f"fieldgate: {error}", err=True)
        raise typer.Exit(1) from None
