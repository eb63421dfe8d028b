"""The server beneath the pages: what it speaks, and that no client can take more than its share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.health.http import Answer, Limits, Server
from tests.system.harness import free_port

LONG = b"x" * 4_000_000
"""More than the kernel keeps for a client that does not read."""


def answer(path: str) -> Answer:
    if path == "/broken":
        raise RuntimeError("a bug")
    return Answer({"/long": LONG}.get(path, path.encode()))


@asynccontextmanager
async def serving(limits: Limits | None = None) -> AsyncIterator[int]:
    port = free_port()
    server = Server(answer, {"X-Content-Type-Options": "nosniff"}, limits or Limits())
    await server.open("127.0.0.1", port)
    try:
        yield port
    finally:
        await server.close()


async def said(port: int, request: bytes) -> bytes:
    """All that the server says to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def test_it_answers_get_and_says_how_long_the_answer_is() -> None:
    async with serving() as port:
        head, _, body = (await said(port, get("/a?b=1", "Connection: close"))).partition(b"\r\n\r\n")
    assert body == b"/a"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    for line in (b"Content-Length: 2", b"Content-Type: text/plain; charset=utf-8", b"X-Content-Type-Options: nosniff"):
        assert line in head


async def test_head_has_the_headers_and_no_body() -> None:
    async with serving() as port:
        found = await said(port, get("/abc", "Connection: close", method="HEAD"))
    assert b"Content-Length: 4\r\n" in found
    assert found.endswith(b"\r\n\r\n")


async def test_a_whole_address_is_its_path() -> None:
    async with serving() as port:
        assert (await said(port, get("http://x:9469/a?b", "Connection: close"))).endswith(b"\r\n\r\n/a")


async def test_a_client_of_http_1_0_is_answered_and_closed() -> None:
    async with serving() as port:
        found = await said(port, b"GET /a HTTP/1.0\r\n\r\n")
    assert found.endswith(b"\r\n\r\n/a")


async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    paths = [f"/{number}" for number in range(300)]
    async with serving() as port:
        found = await said(port, b"".join(map(get, paths)) + get("/end", "Connection: close"))
    bodies = [part.rpartition(b"\r\n\r\n")[2].decode() for part in found.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [*paths, "/end"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_by_name(method: str) -> None:
    async with serving() as port:
        found = await said(port, get("/", "Connection: close", method=method))
    assert found.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"Allow: GET, HEAD\r\n" in found


async def test_a_body_is_not_read_to_its_end() -> None:
    async with serving() as port:
        found = await said(port, get("/", "Content-Length: 1000000000", method="POST") + b"x" * 2000)
        waits = await said(port, get("/", "Content-Length: 100", "Expect: 100-continue", method="POST"))
    for one in (found, waits):
        assert one.startswith(b"HTTP/1.1 405 ")
        assert b"Connection: close\r\n" in one


async def test_a_short_body_is_passed_over_and_the_next_request_answered() -> None:
    async with serving() as port:
        found = await said(port, get("/a", "Content-Length: 2") + b"GE" + get("/b", "Connection: close"))
    assert found.endswith(b"\r\n\r\n/b")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + b"\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nBad header: 1\r\n\r\n", b"400"),
        (get("/a", "Transfer-Encoding: gzip"), b"501"),
        (get("/" + "a" * 20_000), b"431"),
        (get("/", *(f"X-{number}: {'y' * 50}" for number in range(400))), b"431"),
        (b"GET /" + b"a" * 20_000, b"431"),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(request_: bytes, status: bytes) -> None:
    async with serving() as port:
        assert (await said(port, request_)).startswith(b"HTTP/1.1 " + status)
        assert (await said(port, get("/a", "Connection: close"))).endswith(b"/a")


async def test_a_failing_answer_is_500_and_told_in_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as port:
        assert (await said(port, get("/broken"))).startswith(b"HTTP/1.1 500 ")
    assert "RuntimeError: a bug" in caplog.text


async def test_a_head_that_comes_drop_by_drop_ends_its_connection() -> None:
    async with serving(Limits(head_s=0.3, idle_s=60)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def dripping() -> None:
            for byte in get("/a"):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        drops = asyncio.create_task(dripping())
        assert await reader.read() == b""
        drops.cancel()
        writer.close()


async def test_a_client_that_says_nothing_is_closed() -> None:
    async with serving(Limits(idle_s=0.05, head_s=60)) as port:
        assert await said(port, b"") == b""
        assert (await said(port, get("/a"))).endswith(b"/a")


async def test_a_client_that_does_not_read_is_dropped_and_costs_others_nothing() -> None:
    async with serving(Limits(write_s=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/long") * 20)
        assert (await said(port, get("/a", "Connection: close"))).endswith(b"/a")
        await asyncio.sleep(0.5)  # reads nothing meanwhile
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(20 * len(LONG))
        writer.close()


async def test_a_slow_reader_gets_all_of_its_answer() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(get("/long", "Connection: close"))
        found = 0
        while part := await reader.read(200_000):
            found += len(part)
            await asyncio.sleep(0)
        assert found > len(LONG)
        writer.close()


async def test_whoever_opens_many_connections_keeps_nobody_out() -> None:
    limits = replace(Limits(idle_s=60, head_s=60), connections=4)
    async with serving(limits) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in held[::2]:
            writer.write(b"GET /a HTTP/1.1\r\n")
        assert (await said(port, get("/a", "Connection: close"))).endswith(b"/a")
        for reader, _ in held[:30]:  # at most 4 are still held, the newest
            assert await asyncio.wait_for(reader.read(), 10) == b""
        for _, writer in held:
            writer.close()
