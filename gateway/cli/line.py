"""What the field tools take as LINE: a line of a site file, or an endpoint as it is plugged in."""

from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.line import FieldLine, ListeningLine
    from drivers.profile import LineSpec
    from gateway.settings import Site

OPENING_LIMIT_S = 5.0
"""How long a port or connection may take to come up."""
KINDS = ("tcp", "udp", "tls")
Opened = TypeVar("Opened", bound="FieldLine | ListeningLine")


class Parity(StrEnum):
    """As in the site file."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


class Framing(StrEnum):
    """As in the site file."""

    TCP = "tcp"
    RTU = "rtu"
    ASCII = "ascii"


Place = Annotated[
    str,
    typer.Argument(
        metavar="LINE",
        help="SITE#LINE for a line of a site file, or an endpoint: /dev/ttyUSB0, tcp:192.0.2.10:502.",
        show_default=False,
    ),
]
Baudrate = Annotated[int | None, typer.Option(help="Of a serial endpoint; a line of a site file has its own.")]
ParityOption = Annotated[Parity | None, typer.Option(help="Of a serial endpoint.")]
StopBits = Annotated[int | None, typer.Option(min=1, max=2, help="Of a serial endpoint.")]
FramingOption = Annotated[
    Framing | None, typer.Option(help="Default: rtu on a serial port, tcp on a network; rtu for a device server.")
]
Timeout = Annotated[str | None, typer.Option(help="How long an answer may take, such as 500ms.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line, and the site it stands in where it does."""

    line: "LineSpec"
    site: "Site | None"


def wanted(
    place: str,
    config_dir: Path | None = None,
    baudrate: int | None = None,
    parity: Parity | None = None,
    stopbits: int | None = None,
    framing: Framing | None = None,
    timeout: str | None = None,
    kinds: tuple[str, ...] = KINDS,
) -> Wanted:
    """The line that `place` means, changed by what else was said. Ends with exit 2 or 78 and what is right."""
    from pydantic import ValidationError

    from drivers import durations

    changes = {"baudrate": baudrate, "parity": parity, "stopbits": stopbits, "framing": framing}
    found = _in_site(place, config_dir) if _is_site(place) else Wanted(_endpoint(place, kinds), None)
    try:
        said: dict[str, object] = dict(changes)
        said["timeout_s"] = durations.seconds(timeout) if timeout is not None else None
        update = {name: value for name, value in said.items() if value is not None}
        line = type(found.line).model_validate({**found.line.model_dump(), **update})
    except (ValidationError, ValueError) as error:
        usage(str(error))
    return Wanted(line, found.site)


def listed(text: str | None, named: bool = False) -> list[int | str]:
    """`1-32,161` as numbers, or `@FILE`, one address a line. Raises ValueError.

    `named`: addresses are names (MNs, numbers of meters), however they look.
    """
    if text is not None and text.startswith("@"):
        try:
            lines = Path(text[1:]).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--addresses: {text[1:]}: {getattr(error, 'strerror', None) or error}") from None
        text = ",".join(bare for line in lines if (bare := line.partition("#")[0].strip()))
    if named:
        return [part.strip() for part in (text or "").split(",") if part.strip()]
    found: list[int | str] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--addresses: {part!r} is no address; write 1-32,161")
        found += range(int(first), int(last if dash else first) + 1)
    return found


def usage(message: str) -> NoReturn:
    """End with exit 2 and this message."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _is_site(place: str) -> bool:
    file = place.partition("#")[0]
    return "#" in place or file.endswith((".yaml", ".yml", ".json")) or (":" not in place and Path(file).is_file())


def _in_site(place: str, config_dir: Path | None) -> Wanted:
    from gateway.cli.site import load_or_exit

    file, _, name = place.partition("#")
    site = load_or_exit(Path(file), config_dir)
    if not name and len(site.lines) == 1:
        name = next(iter(site.lines))
    if name not in site.lines:
        said = f"has no line {name!r}" if name else "has several lines"
        usage(f"{file} {said}; write {', '.join(f'{file}#{one}' for one in site.lines)}")
    return Wanted(site.lines[name], site)


def _endpoint(place: str, kinds: tuple[str, ...]) -> "LineSpec":
    from drivers.profile import LineSpec
    from gateway.settings.values import endpoint

    kind, _, rest = place.partition(":")
    if kind in kinds:
        try:
            host, port = endpoint(rest, 502)
        except ValueError as error:
            usage(f"{place}: {error}")
        return LineSpec(name="line", kind=kind, host=host, port=port)
    if place.startswith("/"):
        return LineSpec(name="line", kind="serial", path=place)
    usage(f"{place!r} is no line; write SITE#LINE, /dev/ttyUSB0 or tcp:192.0.2.10:502")


def shown(line: "LineSpec") -> str:
    """A line as a technician names it: `/dev/ttyUSB0, 9600 8N1`, `tcp:192.0.2.10:502`."""
    if line.kind == "serial":
        return f"{line.path}, {line.baudrate} {line.bytesize}{line.parity[0].upper()}{line.stopbits}"
    return f"{line.kind}:{line.host}:{line.port}" + (f", {line.framing}" if line.framing else "")


@asynccontextmanager
async def opened(line: "LineSpec", protocol: str = "modbus") -> "AsyncIterator[FieldLine]":
    """The line, up. Ends with exit 1 and the reason when it does not come up."""
    from drivers import catalogue
    from drivers.line import open_line

    async with kept_up(open_line(line, catalogue.protocol(protocol).tags(line)), line) as found:
        yield found


@asynccontextmanager
async def kept_up(found: "Opened", line: "LineSpec") -> "AsyncIterator[Opened]":
    """That line, up and kept so. Ends with exit 1 and the reason when it does not come up."""
    import asyncio
    import logging

    logging.getLogger("fieldgate.line").setLevel(logging.ERROR)  # the tool itself says what is wrong
    running = asyncio.create_task(found.run(), name="line")
    try:
        if not await found.wait_tried(OPENING_LIMIT_S):
            typer.echo(f"{shown(line)}: {found.state}", err=True)
            raise typer.Exit(1)
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
