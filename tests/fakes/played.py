"""One line over a hand-written wire, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from drivers.contract import Request
from drivers.errors import FieldError
from drivers.line import FieldLine
from tests.fakes import virtual_time

L = TypeVar("L", bound=FieldLine)


def through(make: Callable[[], L], test: Callable[[L], Awaitable[None]], quiet_s: float = 0.0) -> L:
    """Run the test on that line once it is up, `quiet_s` later; the line as it is then."""

    async def main() -> L:
        line = make()
        keeper = asyncio.create_task(line.run())
        assert await line.wait_up(60)
        await asyncio.sleep(quiet_s)
        await test(line)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        return line

    return virtual_time.run(main())


async def failing(line: FieldLine, request: Request, kind: type[FieldError]) -> FieldError:
    """The error that the request ends with, which must be just of that kind."""
    with pytest.raises(kind) as caught:
        await line.exchange(request)
    assert type(caught.value) is kind
    return caught.value


def now() -> float:
    """Seconds of the loop."""
    return asyncio.get_running_loop().time()


def about(expected: Any) -> Any:
    """To the tenth of a millisecond: the loop's clock goes on by a hair at each step."""
    return pytest.approx(expected, abs=1e-4)
