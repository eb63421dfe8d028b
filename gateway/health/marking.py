"""Marks from the page: who may set one, and what is said to whoever may not.

    POST /mark ─► from this page? ─► JSON? ─► tried too often? ─► password ─► what it says ─► `Marking` (run.py)
                   403               415      429                 401         400 413         400 404 409 503

The page's own origin is asked for first, so that a stranger's page in the browser of somebody here neither sets a mark
nor uses up the attempts. The listener speaks plain HTTP: whoever can listen on the way hears the password
(docs/operate.md).
"""

import base64
import binascii
import hmac
import logging
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson

from gateway.errors import GatewayError
from gateway.health.asking import Marking, MarkRefused
from gateway.health.http import Answer, Posted

logger = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
LEAST_CHARACTERS = 8
"""Of a password; at 5 attempts a minute, four digits would be found in a day or two."""
LONGEST_FILE = 4096
"""Bytes that are read of a password file; its first line is the password."""
MOST_WRONG = 5
"""Wrong passwords, whoever sent them, within `WRONG_S`; then none is looked at for as long."""
WRONG_S = 60.0


def password_in(path: str) -> bytes:
    """The first line of the file. Raises GatewayError when it cannot be read, or is too short to be a password."""
    try:
        with Path(path).open("rb") as file:
            password = file.read(LONGEST_FILE).partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise GatewayError(f"{path}: {error.strerror}") from error
    if len(password.decode("utf-8", "replace")) < LEAST_CHARACTERS:
        raise GatewayError(f"{path}: the password has fewer than {LEAST_CHARACTERS} characters")
    return password


class MarkPost:
    """Answers POST /mark. `monotonic` in seconds."""

    def __init__(self, marking: Marking, password: bytes, monotonic: Callable[[], float]) -> None:
        self._marking = marking
        self._password = password
        self._monotonic = monotonic
        self._wrong: deque[float] = deque(maxlen=MOST_WRONG)
        self._closed_until_s = float("-inf")

    async def __call__(self, posted: Posted) -> Answer:
        """The answer, always JSON: `{"error": …}` where it was refused."""
        try:
            if not _from_this_page(posted.headers):
                raise MarkRefused(HTTPStatus.FORBIDDEN, "only this gateway's own page sets marks (Origin is not Host)")
            if posted.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise MarkRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type is not application/json")
            user = self._user(posted.headers.get("authorization", ""))
            args = _object(posted)
            if user and "who" not in args:
                args["who"] = user
            return Answer(orjson.dumps(await self._marking(args), default=dict), JSON)
        except MarkRefused as refused:
            headers: tuple[tuple[str, str], ...] = ()
            if refused.status is HTTPStatus.UNAUTHORIZED:
                headers = (("WWW-Authenticate", 'Basic realm="fieldgate", charset="UTF-8"'),)
            elif refused.status is HTTPStatus.TOO_MANY_REQUESTS:
                headers = (("Retry-After", str(round(WRONG_S))),)
            return Answer(orjson.dumps({"error": str(refused)}), JSON, refused.status, headers)

    def _user(self, authorization: str) -> str:
        """The user's name beside the right password. Raises MarkRefused."""
        now_s = self._monotonic()
        if now_s < self._closed_until_s:
            raise MarkRefused(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords; wait a minute")
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise MarkRefused(HTTPStatus.UNAUTHORIZED, "the password is wanted (HTTP Basic)")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            user, password = b"", b""
        if hmac.compare_digest(password, self._password):
            return user.decode("utf-8", "replace")
        self._wrong.append(now_s)
        if len(self._wrong) == MOST_WRONG and now_s - self._wrong[0] < WRONG_S:
            self._closed_until_s = now_s + WRONG_S
            self._wrong.clear()
            logger.warning("%d wrong passwords for a mark within a minute; none is taken for a minute", MOST_WRONG)
        raise MarkRefused(HTTPStatus.UNAUTHORIZED, "the password is wrong")


def _from_this_page(headers: Mapping[str, str]) -> bool:
    """Whether the browser says so; a reverse proxy may speak TLS to it, and has to pass on Host."""
    host, origin = headers.get("host", "").lower(), headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return bool(host) and origin.lower() in (f"http://{host}", f"https://{host}")


def _object(posted: Posted) -> dict[str, Any]:
    """The JSON object that was sent. Raises MarkRefused."""
    if posted.body is None:
        if "expect" in posted.headers:
            raise MarkRefused(HTTPStatus.EXPECTATION_FAILED, "send the body without Expect")
        raise MarkRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
    try:
        body = orjson.loads(posted.body)
    except orjson.JSONDecodeError as error:
        raise MarkRefused(HTTPStatus.BAD_REQUEST, f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise MarkRefused(HTTPStatus.BAD_REQUEST, "not a JSON object")
    return body
