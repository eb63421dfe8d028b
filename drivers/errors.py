"""Why an exchange with an instrument gave no value, named by what the caller does next.

    FieldError
    ├── LineDown      nothing could be sent: the port or connection is not there. Wait for the line.
    │   └── PortHeld  … because another process has it. Say who; starting again does not help.
    ├── NoReply       the unit stayed silent (or hung half-way). Let it settle, then go on with the others.
    ├── BadReply      something came back that is not the answer. Do not use it; the unit settles.
    ├── Refused       the unit answered, with an exception. The line is fine; look at the request.
    ├── Babbling      input never pauses, so no quiet gap was found to speak in. Treated like NoReply.
    └── Settling      the unit is left alone for a while after its last timeout; nothing was sent.

Each carries `cause`, one word of contract.md §2 (`completeness`), and `why`, a sentence for the feed that
begins with that word.

WriteRefused stands apart: a value that may not be written, found before anything was sent.
"""

from typing import ClassVar


class FieldError(Exception):
    """No usable value from an instrument; `why` goes into the feed as it is."""

    cause: ClassVar[str] = "line"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def why(self) -> str:
        """`cause: detail`, as the feed's `why` has it."""
        return f"{self.cause}: {self.detail}"


class LineDown(FieldError):
    """The port or the connection is not there; nothing was sent."""

    cause = "line"


class PortHeld(LineDown):
    """The port is there, and another process has it open."""


class NoReply(FieldError):
    """No whole answer within the instrument's timeout."""

    cause = "timeout"


class BadReply(FieldError):
    """An answer that fails a check. `fault` is the metric's word: crc, wrong_unit, wrong_function, wrong_count…"""

    cause = "crc"

    def __init__(self, detail: str, fault: str = "crc") -> None:
        super().__init__(detail)
        self.fault = fault


class Refused(FieldError):
    """The unit answered with exception `code` (Modbus Application Protocol V1.1b3 §7)."""

    cause = "exception"

    def __init__(self, detail: str, code: int) -> None:
        super().__init__(detail)
        self.code = code


class Babbling(NoReply):
    """Input that never pauses; no request could be sent between."""


class Settling(FieldError):
    """The unit settles after a timeout: a late answer of it must not be taken for the next one. Nothing was sent."""

    cause = "settling"


class WriteRefused(ValueError):
    """This value may not be written there; the text says why. Nothing was sent."""
