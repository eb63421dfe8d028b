"""Several questions where only one may be under way: serial lines, recordings, a line that is being examined."""

from collections.abc import Awaitable, Callable, Sequence

from drivers.contract import Request
from drivers.errors import FieldError


async def one_by_one(
    exchange: Callable[[Request], Awaitable[bytes]], requests: Sequence[Request]
) -> list[bytes | FieldError]:
    """What came of each, up to and with the first that failed: see drivers/contract.py, Line.exchange_row."""
    answers: list[bytes | FieldError] = []
    for request in requests:
        try:
            answers.append(await exchange(request))
        except FieldError as error:
            answers.append(error)
            break
    return answers
