"""What a protocol brings to `fieldgate scan`: which addresses answer, by questions that change nothing. Pure.

A protocol's `scan` (drivers/catalogue.py) is a generator: for each address that it tried it yields a Step, in any
order, so that whoever drives it can show progress and stop when the time is up. Its line settles nobody.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.contract import Line, Request
from drivers.errors import BadReply, FieldError, LineDown, Refused
from drivers.profile import LineSpec


@dataclass(frozen=True, slots=True)
class Heard:
    """An instrument that answers. `identity` is what it says of itself, by name; `said` its answer in words."""

    protocol: str
    address: int | str
    said: str
    identity: Mapping[str, str] = field(default_factory=dict)
    pushes: bool = False
    """It speaks unasked, and its protocol has an option `listen` that says so."""


@dataclass(frozen=True, slots=True)
class Step:
    """One address tried; `noise` says that something came which no check accepts: wrong baudrate, or two at once."""

    address: int | str
    heard: Heard | None = None
    noise: bool = False


Scan = Callable[[Line, LineSpec, Sequence[int | str]], AsyncIterator[Step]]
"""(line, its description, addresses or none for all that exist) -> a step for each."""


async def tried(line: Line, request: Request) -> bytes | bool:
    """The payload of an answer (empty for a refusal, which is one too); else whether noise came. Raises LineDown."""
    try:
        return await line.exchange(request)
    except Refused:
        return b""
    except LineDown:
        raise
    except BadReply:
        return True
    except FieldError as error:
        return "only" in error.detail
