"""The one thing that the page may ask of the running parts; `run.py` hands it over."""

from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, Protocol


class MarkRefused(Exception):
    """Not marked, or not for sure; the text says why to whoever asked, `status` in the words of HTTP."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Marking(Protocol):
    """Marks an instrument as the command `mark` does; returns once that cannot be lost. Raises MarkRefused."""

    def __call__(self, args: Mapping[str, Any]) -> Awaitable[Mapping[str, Any]]: ...
