"""`fieldgate status`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.site import AsJson, ConfigDirectory

DEFAULT_ADDRESS = "127.0.0.1:9469"


def command(
    site: Annotated[Path | None, typer.Argument(metavar="[SITE]", help="Take the address from this site file.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port of a running gateway.")] = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running gateway how it is: instruments with last values, lines, uplinks, log and clock.

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
    try:
        with urlopen(f"http://{address}/status.json", timeout=5) as answer:
            status = json.load(answer)
        healthy = status.get("healthy", False)
    except (HTTPError, URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        typer.echo(f"no gateway answers on {address}: {reason}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(status, ensure_ascii=False))
    else:
        _print(status)
    raise typer.Exit(0 if healthy else 1)


def _print(status: dict[str, Any]) -> None: ...
