"""`fieldgate orders LINE ADDRESS`"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.line import Baudrate, FramingOption, ParityOption, StopBits, Timeout
from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.modbus.orders import Meaning
    from drivers.profile import LineSpec


class Table(StrEnum):
    """Tables of registers."""

    HOLDING = "holding"
    INPUT = "input"


def command(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[LINE]", help="SITE#LINE, /dev/ttyUSB0 or tcp:host:port; none with --hex.", show_default=False
        ),
    ] = None,
    address: Annotated[
        int | None, typer.Argument(metavar="ADDRESS", help="Register, zero-based as on the wire.", show_default=False)
    ] = None,
    unit: Annotated[int, typer.Option(min=1, max=255, help="Unit address of the instrument.")] = 1,
    table: Annotated[Table, typer.Option(help="Which table.")] = Table.HOLDING,
    between: Annotated[
        tuple[float, float] | None, typer.Option(metavar="LOW HIGH", help="Only numbers within these limits.")
    ] = None,
    registers: Annotated[
        str | None, typer.Option("--hex", help="These registers, beginning at ADDRESS, instead of asking anybody.")
    ] = None,
    baudrate: Baudrate = None,
    parity: ParityOption = None,
    stopbits: StopBits = None,
    framing: FramingOption = None,
    timeout: Timeout = None,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show what registers mean in every type and byte order, at the address, one before and one behind it.

    Compare with the instrument's own display, and paste the line that fits into a profile or a site file. One read
    is made, function 3 or 4; nothing is written. Exit code 1 when no meaning lies within the limits.
    """
    import asyncio
    import json
    from dataclasses import asdict

    from drivers.modbus.orders import meanings, plausible
    from gateway.cli.line import usage, wanted

    if registers is not None and address is None and place is not None and place.isdecimal():
        address, place = int(place), None  # `orders 34 --hex …`
    if address is None or (place is None) == (registers is None) or not 0 <= address <= 65535:
        usage("write: fieldgate orders LINE ADDRESS, or: fieldgate orders ADDRESS --hex 'REGISTERS'")
    if registers is not None:
        first, data = address, _bytes(registers)
    else:
        assert place is not None
        line = wanted(place, config_dir, baudrate, parity, stopbits, framing, timeout).line
        first, data = asyncio.run(_read(line, unit, table, address))
    low, high = between if between is not None else (float("-inf"), float("inf"))
    found = [one for one in meanings(table, address, first, data) if plausible(one.value, low, high)]
    if as_json:
        shown = {"first": first, "registers": data.hex(" ", 2), "meanings": [asdict(one) for one in found]}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(f"{table} {first} to {first + len(data) // 2 - 1}: {data.hex(' ', 2)}")
        _print(found)
        if not found:
            typer.echo("nothing lies within these limits; try the other table, or another address", err=True)
    raise typer.Exit(0 if found else 1)


def _bytes(text: str) -> bytes:
    from gateway.cli.line import usage

    try:
        data = bytes.fromhex(text)
        if not data or len(data) % 2:
            raise ValueError
    except ValueError:
        usage(f"--hex: {text!r} are no registers; write two bytes for each, such as '41 44 f5 c3'")
    return data


async def _read(line: "LineSpec", unit: int, table: Table, address: int) -> tuple[int, bytes]:
    """First register and data: as many around the address as the instrument gives in one read."""
    from drivers.errors import FieldError, Refused
    from drivers.modbus import codec
    from drivers.modbus.driver import framing as framing_of
    from drivers.modbus.orders import AFTER, BEFORE
    from gateway.cli.line import opened, shown

    # one read, so that a value that changes is not taken apart
    tries = [
        (address - BEFORE, BEFORE + 1 + AFTER),
        (address, 1 + AFTER),
        (address - BEFORE, 3),
        (address, 2),
        (address, 1),
    ]
    said: FieldError | None = None
    async with opened(line) as found:
        for first, count in tries:
            if first < 0 or first + count > 65536:
                continue
            ask = codec.read(unit, 4 if table is Table.INPUT else 3, first, count)
            request = codec.request(ask, framing_of(line), codec.Timing(line.timeout_s))
            try:
                return first, await found.exchange(request)
            except Refused as error:
                said = error
            except FieldError as error:
                said = error
                break
    why = said.why if said is not None else "address out of reach"
    typer.echo(f"{shown(line)}, unit {unit}, {table} {address}: {why}", err=True)
    raise typer.Exit(1)


def _print(found: "Sequence[Meaning]") -> None:
    from rich.table import Table as Grid

    from gateway.cli.console import console, shortened

    grid = Grid(box=None, pad_edge=False)
    for heading in ("address", "type", "order"):
        grid.add_column(heading, no_wrap=True)
    grid.add_column("value", justify="right", no_wrap=True)
    grid.add_column("for the profile", no_wrap=True)
    for one in found:
        at = f"{one.address}" + (f" ({one.shift:+d})" if one.shift else "")
        assert one.value is not None
        grid.add_row(at, one.type, one.order, shortened(one.value, None), one.line)
    console().print(grid)
