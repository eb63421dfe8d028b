"""A small HTTP/1.1 server: GET and HEAD, POST to the paths that are named, one answer after the other.

h11 speaks the protocol; here are the bounds, since whoever can reach the port can send anything. A connection holds at
most one request's head and one answer. A head that is too long, or does not come in time, ends its connection, and so
does a client that does not read. Where all places are taken, the connection that has waited longest gives way to the
new one: whoever opens many keeps nobody out.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

import h11

from gateway.errors import GatewayError

logger = logging.getLogger(__name__)

BACKLOG = 64
"""Connections that may wait to be accepted."""
TEXT = "text/plain; charset=utf-8"
_READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take."""

    connections: int = 32
    """At once; a browser opens up to 6, Prometheus one."""
    head_bytes: int = 8190
    """What is longer is refused, unless it is all there at once and less than twice that long."""
    body_bytes: int = 1024
    """A request for a page needs none, a mark some 150; what is longer is not read."""
    head_s: float = 10.0
    """From the first byte of a request to its last."""
    idle_s: float = 15.0
    """Between two requests."""
    write_s: float = 60.0
    """Until an answer is taken: 200 kB of metrics over a modem."""


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one path."""

    body: bytes
    kind: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """What a client sent to one path. Names of headers are in lower case, those that came twice joined by a comma."""

    headers: Mapping[str, str]
    body: bytes | None
    """None where it is longer than `Limits.body_bytes`, or the client waits to be asked for it."""


class Server:
    """Answers with what `answer` says of the path, `headers` added to each; `posts` takes what is sent, by path."""

    def __init__(
        self,
        answer: Callable[[str], Answer],
        headers: Mapping[str, str],
        limits: Limits = USUAL,
        posts: Mapping[str, Callable[[Posted], Awaitable[Answer]]] | None = None,
    ) -> None:
        self._answer = answer
        self._posts = posts or {}
        self._headers = [*headers.items()]
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._waiting: dict[asyncio.Task[None], None] = {}
        """Those that wait for a request, longest first."""

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises GatewayError with the address when it cannot be had."""
        try:
            self._server = await asyncio.start_server(
                self._accept, host, port, limit=self._limits.head_bytes, backlog=BACKLOG
            )
        except OSError as error:
            raise GatewayError(f"health: {host}:{port} cannot be listened on: {error.strerror or error}") from error

    async def close(self) -> None:
        """Stop listening; open connections are closed."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._limits.connections:
            if not self._waiting:
                writer.transport.abort()
                return
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.cancel()
        task = asyncio.create_task(self._serve(reader, writer), name="web")
        self._connections.add(task)
        self._waiting[task] = None
        task.add_done_callback(self._gone)

    def _gone(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        self._waiting.pop(task, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end."""
        visit = _Visit(reader, writer, self._limits, self._headers)
        task = asyncio.current_task()
        assert task is not None
        try:
            while (asked := await visit.request()) is not None:
                request, body = asked
                self._waiting.pop(task, None)
                await visit.say(await self._answered(request, body), request)
                if not await visit.again():
                    break
                self._waiting[task] = None
        except h11.RemoteProtocolError as error:
            await visit.refuse(HTTPStatus(error.error_status_hint))
        except (TimeoutError, OSError):
            pass  # it is too slow, or gone
        except Exception:
            logger.exception("an answer failed")
            await visit.refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            visit.end()

    async def _answered(self, request: h11.Request, body: bytes | None) -> Answer:
        method, path = request.method.decode("ascii"), _path(request.target.decode("ascii"))
        post = self._posts.get(path)
        there = _READ if post is None else ("POST",)
        if method not in there:
            allow, words = ", ".join(there), " and ".join(there)
            return Answer(
                f"there is only {words}\n".encode(), status=HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", allow),)
            )
        return self._answer(path) if post is None else await post(Posted(_headers(request), body))


class _Visit:
    """One client on one connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
        headers: list[tuple[str, str]],
    ) -> None:
        self._reader, self._writer, self._limits, self._headers = reader, writer, limits, headers
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits for all of an answer

    async def request(self) -> tuple[h11.Request, bytes | None] | None:
        """The next request and its body (None: not all of it was read); None at the end.

        Raises TimeoutError, OSError, h11.RemoteProtocolError.
        """
        if self._http.trailing_data == (b"", False):
            async with asyncio.timeout(self._limits.idle_s):
                await self._more()
        async with asyncio.timeout(self._limits.head_s):
            found = await self._event()
            if not isinstance(found, h11.Request):
                return None
            if self._http.they_are_waiting_for_100_continue:
                return found, None
            body = bytearray()
            while len(body) <= self._limits.body_bytes:
                part = await self._event()
                if not isinstance(part, h11.Data):
                    return found, bytes(body)
                body += part.data
            return found, None

    async def say(self, answer: Answer, request: h11.Request | None = None) -> None:
        """Send it, and wait until it is taken. Raises TimeoutError and OSError."""
        headers = [
            *self._headers,
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", answer.kind),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        if request is None or self._http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        said = self._http.send(h11.Response(status_code=answer.status, reason=answer.status.phrase, headers=headers))
        if request is None or request.method != b"HEAD":
            said += self._http.send(h11.Data(data=answer.body))
        self._writer.write(said + self._http.send(h11.EndOfMessage()))
        async with asyncio.timeout(self._limits.write_s):
            await self._writer.drain()

    async def again(self) -> bool:
        """Whether the connection takes another request; others get their turn before it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        await asyncio.sleep(0)
        return True

    async def refuse(self, status: HTTPStatus) -> None:
        """Say so where no answer has begun."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            try:
                await self.say(Answer(f"{status.phrase}\n".encode(), status=status))
            except (TimeoutError, OSError):
                return

    def end(self) -> None:
        """Close; what the client has not taken by now is dropped."""
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _event(self) -> h11.Event | None:
        """What comes next; None where nothing may come before an answer."""
        while (found := self._http.next_event()) is h11.NEED_DATA:
            await self._more()
        return found if isinstance(found, h11.Event) else None

    async def _more(self) -> None:
        self._http.receive_data(await self._reader.read(self._limits.head_bytes))


def _headers(request: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, value in request.headers:
        name = raw.decode("ascii")
        said = value.decode("latin-1")  # any byte is one; what is compared with ASCII fails
        found[name] = f"{found[name]}, {said}" if name in found else said
    return found


def _path(target: str) -> str:
    """The path of `/metrics?x=1` and of `http://host/metrics` (RFC 9112 §3.2)."""
    if target.startswith("http://"):
        target = "/" + target[len("http://") :].partition("/")[2]
    return target.partition("?")[0]
