"""Which unit addresses answer: one register by functions 3 and 4, then 43/14. Only reads; nothing is changed."""

from collections.abc import AsyncIterator, Sequence

from drivers.contract import Line, Request
from drivers.errors import BadReply, FieldError, LineDown, Refused
from drivers.modbus import codec, identity
from drivers.modbus.driver import framing
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step

ALL_UNITS = range(1, 248)
GATEWAY_SILENT = frozenset({10, 11})
"""Exceptions by which a gateway says that nobody is there."""
FUNCTIONS = (3, 4)
"""A unit that knows neither says so by an exception, which is an answer too."""


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py. Raises LineDown when the line goes down."""
    for address in addresses or ALL_UNITS:
        if isinstance(address, int):
            yield await _try(line, spec, address)


async def _try(line: Line, spec: LineSpec, unit: int) -> Step:
    noise = False
    for function in FUNCTIONS:
        request = codec.request(codec.read(unit, function, 0, 1), framing(spec), codec.Timing(spec.timeout_s))
        try:
            payload = await line.exchange(request)
            said = f"function {function}, register 0: {payload.hex(' ')}"
        except Refused as error:
            if error.code in GATEWAY_SILENT:
                return Step(unit)
            said = f"function {function}: exception {error.detail}"
        except LineDown:
            raise
        except BadReply as error:
            if error.fault != "wrong_function":  # that is a late answer to the question before: somebody is there
                noise = True
                continue
            said = f"late: {error.detail}"
        except FieldError as error:
            noise = noise or "only" in error.detail
            continue
        return Step(unit, Heard("modbus", unit, said, await _identity(line, spec, unit)))
    return Step(unit, noise=noise)


async def _identity(line: Line, spec: LineSpec, unit: int) -> dict[str, str]:
    request: Request | None = identity.request(unit, framing(spec), spec.timeout_s)
    if request is None:
        return {}
    try:
        return identity.objects(await line.exchange(request))
    except FieldError:
        return {}  # most instruments do not know the function
