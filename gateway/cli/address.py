"""`fieldgate address LINE OLD NEW`"""

from typing import Annotated

import typer

from gateway.cli.line import Baudrate, ParityOption, Place, StopBits, Timeout
from gateway.cli.site import ConfigDirectory

ANSWER_S = 0.5
"""How long a sensor may take, unless --timeout says otherwise."""


def command(
    place: Place,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its address now: 0 to 9, a to z, A to Z.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The address it is to have.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    timeout: Timeout = None,
    config_dir: ConfigDirectory = None,
) -> None:
    """Give an SDI-12 sensor another address, and see that it has it.

    Sensors leave the works with address 0, so each is given its own before the next one is connected. This changes
    the sensor; the gateway itself never does. Refused when nobody answers at OLD or somebody does at NEW.
    Exit code 1 when it was refused or is not sure.
    """
    import asyncio

    from drivers.durations import written
    from drivers.errors import FieldError, WriteRefused
    from drivers.sdi12.readdress import readdress
    from gateway.cli.line import opened, shown, wanted

    line = wanted(place, config_dir, baudrate, parity, stopbits, None, timeout or written(ANSWER_S)).line
    if not yes:
        typer.confirm(f"{shown(line)}: change the address of sensor {old!r} to {new!r}?", abort=True)

    async def change() -> None:
        async with opened(line, "sdi12") as port:
            await readdress(port, old, new, line.timeout_s)

    try:
        asyncio.run(change())
    except WriteRefused as error:
        typer.echo(f"{error}; nothing was changed", err=True)
        raise typer.Exit(1) from None
    except FieldError as error:
        typer.echo(f"it is not sure what became of it: {error.why}; `fieldgate scan` tells who is there", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{new} answers, {old} does no more. Change it in the site file too.")
