"""`exchange_row` for lines that are made by hand and only have `exchange`."""

import asyncio
from collections.abc import Sequence

from drivers.contract import Request
from drivers.errors import FieldError


class Rows:
    """As drivers/contract.py says: in order, up to `most` at once, until one fails."""

    in_flight = 1

    async def exchange(self, request: Request) -> bytes:
        """The line's own."""
        raise NotImplementedError

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """See Line."""
        answers: list[bytes | FieldError] = []
        at_once = min(most, self.in_flight)
        while len(answers) < len(requests) and not any(isinstance(one, FieldError) for one in answers):
            several = requests[len(answers) : len(answers) + at_once]
            for one in await asyncio.gather(*map(self.exchange, several), return_exceptions=True):
                if isinstance(one, BaseException) and not isinstance(one, FieldError):
                    raise one
                answers.append(one)
        return answers
