"""Marks from the page: who may set one, over real sockets, and that nobody else can."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from gateway.errors import GatewayError
from gateway.health import Health
from gateway.health.asking import MarkRefused
from gateway.health.marking import LEAST_CHARACTERS, MOST_WRONG, WRONG_S, password_in
from gateway.settings import Site, load
from tests.fakes.parts import FakeParts
from tests.gateway.health.test_http import get, said
from tests.gateway.settings.example import put
from tests.system.harness import free_port

PASSWORD = "Schlüssel-零一"
MARK = {"instrument": "cems-1", "flag": "M", "who": "Li Wei", "until": 1_764_000_600_000}


def basic(user: str, password: str) -> str:
    """What a browser sends for them (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class FakeMarking:
    """Notes what it is asked to mark; raises `refusal` where a test sets one."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.refusal: MarkRefused | None = None

    async def __call__(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(args)
        return {"instrument": args["instrument"]}


class Page:
    """The listener of one site, and a client that does as a browser on its page does unless told otherwise."""

    def __init__(self, parts: FakeParts, marking: FakeMarking, port: int) -> None:
        self.parts, self.marking, self.port = parts, marking, port

    async def post(self, **more: Any) -> tuple[int, dict[str, Any], ClientResponse]:
        """Status, JSON and answer; `headers` with None leave one out."""
        usual = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            "Authorization": basic("", PASSWORD),
        }
        asked = {"data": json.dumps(MARK)} | more
        headers = {name: value for name, value in (usual | asked.pop("headers", {})).items() if value is not None}
        async with (
            ClientSession(skip_auto_headers=["Content-Type"]) as session,
            session.post(f"http://127.0.0.1:{self.port}/mark", headers=headers, **asked) as answer,
        ):
            return answer.status, await answer.json(), answer

    async def wrong(self) -> int:
        """One try with a wrong password."""
        return (await self.post(headers={"Authorization": basic("", PASSWORD + "x")}))[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return load(put(tmp_path_factory.mktemp("site")))


@pytest.fixture
async def page(tmp_path: Path, site: Site) -> AsyncIterator[Page]:
    (tmp_path / "password").write_text(PASSWORD + "\nanything else\n", "utf-8")
    parts, marking, port = FakeParts(site), FakeMarking(), free_port()
    health = Health(parts.parts)
    await health.listen("127.0.0.1", port, marking, str(tmp_path / "password"))
    yield Page(parts, marking, port)
    await health.close()


async def test_the_page_sets_a_mark_with_the_password(page: Page) -> None:
    assert (await page.post())[:2] == (200, {"instrument": "cems-1"})
    assert page.marking.asked == [MARK]


async def test_the_user_is_who_set_it_unless_it_is_said(page: Page) -> None:
    nameless = json.dumps({key: value for key, value in MARK.items() if key != "who"})
    await page.post(headers={"Authorization": basic("王芳", PASSWORD)}, data=nameless)
    await page.post(headers={"Authorization": basic("王芳", PASSWORD)})
    assert [asked["who"] for asked in page.marking.asked] == ["王芳", "Li Wei"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer x",
        "Basic",
        "Basic ***",
        basic("", ""),
        "Basic " + b64encode(PASSWORD.encode()).decode(),
        basic("li", PASSWORD[:-1]),
        basic("li", PASSWORD + "\n"),
        "Basic " + b64encode(b"li:" + PASSWORD.encode("gb18030")).decode(),
    ],
)
async def test_without_the_password_nothing_is_marked(page: Page, authorization: str | None) -> None:
    status, told, answer = await page.post(headers={"Authorization": authorization})
    assert status == 401
    assert "password" in told["error"]
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert not page.marking.asked


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "ftp://127.0.0.1:{port}",
     "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}, http://evil.example"],
)  # fmt: skip
async def test_another_origin_marks_nothing_even_with_the_password(page: Page, origin: str) -> None:
    headers = {"Origin": origin.format(port=page.port), "Sec-Fetch-Site": "same-origin"}
    assert (await page.post(headers=headers))[0] == 403
    assert not page.marking.asked


@pytest.mark.parametrize("sent_from", [None, "cross-site", "same-site", "none"])
async def test_without_an_origin_the_browser_must_say_that_it_is_the_page(page: Page, sent_from: str | None) -> None:
    assert (await page.post(headers={"Origin": None, "Sec-Fetch-Site": sent_from}))[0] == 403
    assert not page.marking.asked
    assert (await page.post(headers={"Origin": None, "Sec-Fetch-Site": "same-origin"}))[0] == 200


async def test_a_proxy_that_passes_on_the_host_may_speak_tls_to_the_browser(page: Page) -> None:
    headers = {"Origin": "https://gate.example", "Host": "Gate.example"}
    assert (await page.post(headers=headers))[0] == 200


async def test_another_origin_uses_up_no_attempts(page: Page) -> None:
    for _ in range(2 * MOST_WRONG):
        headers = {"Authorization": basic("", "wrong"), "Origin": "http://evil.example"}
        assert (await page.post(headers=headers))[0] == 403
    assert (await page.post())[0] == 200


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json"],
)  # fmt: skip
async def test_what_a_form_can_send_marks_nothing(page: Page, kind: str | None) -> None:
    assert (await page.post(headers={"Content-Type": kind}))[0] == 415
    assert not page.marking.asked
    assert (await page.post(headers={"Content-Type": "Application/JSON; charset=utf-8"}))[0] == 200


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "7", "\udcff", "[" * 1024, '{"until": NaN}'])
async def test_what_is_no_json_object_is_400(page: Page, body: str) -> None:
    status, told, _ = await page.post(data=body.encode("utf-8", "surrogateescape"))
    assert status == 400
    assert "JSON" in told["error"]
    assert not page.marking.asked


async def test_a_body_of_1024_bytes_is_read_and_a_longer_one_is_not(page: Page) -> None:
    longest = json.dumps(MARK).ljust(1024)
    assert (await page.post(data=longest))[0] == 200
    assert (await page.post(data=longest + " "))[0] == 413
    assert len(page.marking.asked) == 1


async def test_a_body_in_pieces_is_one(page: Page) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(MARK).encode():
            yield bytes([byte])

    assert (await page.post(data=pieces()))[0] == 200
    assert page.marking.asked == [MARK]


async def test_a_client_that_waits_to_be_asked_for_its_body_is_told_not_to(page: Page) -> None:
    found = await said(
        page.port,
        get("/mark", f"Origin: http://x:{page.port}", "Content-Type: application/json", "Expect: 100-continue",
            f"Authorization: {basic('', PASSWORD)}", "Content-Length: 10", method="POST")
        .replace(b"Host: x", b"Host: x:%d" % page.port),
    )  # fmt: skip
    assert found.startswith(b"HTTP/1.1 417 ")


@pytest.mark.parametrize("status", [400, 404, 409, 503])
async def test_what_the_gateway_refuses_is_said_with_its_reason(page: Page, status: int) -> None:
    page.marking.refusal = MarkRefused(HTTPStatus(status), "because")
    assert (await page.post())[:2] == (status, {"error": "because"})


async def test_after_five_wrong_passwords_even_the_right_one_waits_a_minute(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    clock = page.parts.clock
    assert [await page.wrong() for _ in range(MOST_WRONG)] == [401] * MOST_WRONG
    status, told, answer = await page.post()
    assert (status, "wait" in told["error"], answer.headers["Retry-After"]) == (429, True, "60")
    clock.now_s += WRONG_S - 1
    assert (await page.post())[0] == 429
    assert not page.marking.asked
    clock.now_s += 1
    assert (await page.post())[0] == 200
    assert caplog.text.count("wrong passwords") == 1
    assert PASSWORD not in caplog.text


async def test_wrong_passwords_now_and_then_keep_nobody_out(page: Page) -> None:
    for _ in range(4 * MOST_WRONG):
        assert await page.wrong() == 401
        page.parts.clock.now_s += WRONG_S / (MOST_WRONG - 1)
    assert (await page.post())[0] == 200


async def test_mark_is_only_posted_and_nothing_else_is(page: Page) -> None:
    async with ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{page.port}/mark") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        for path in ("/", "/status.json", "/metrics"):
            async with session.post(f"http://127.0.0.1:{page.port}{path}", json=MARK) as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("content", [None, b"", b"\nsecond line\n", b"x" * (LEAST_CHARACTERS - 1) + b"\n"])
async def test_without_a_password_in_its_file_the_page_is_read_only_and_the_journal_says_why(
    tmp_path: Path, site: Site, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    health, port, marking = Health(FakeParts(site).parts), free_port(), FakeMarking()
    await health.listen("127.0.0.1", port, marking, str(path))
    try:
        assert (await said(port, get("/mark", "Connection: close", method="POST"))).startswith(b"HTTP/1.1 405 ")
        assert b'"marking": false' in await said(port, get("/status.json", "Connection: close"))
    finally:
        await health.close()
    assert str(path) in caplog.text


async def test_without_a_password_file_nothing_can_be_marked(site: Site) -> None:
    health, port, marking = Health(FakeParts(site).parts), free_port(), FakeMarking()
    await health.listen("127.0.0.1", port, marking, None)
    try:
        headers = {"Origin": f"http://127.0.0.1:{port}", "Authorization": basic("", "")}
        async with (
            ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/mark", json=MARK, headers=headers) as answer,
        ):
            assert answer.status == 405
    finally:
        await health.close()
    assert not marking.asked


async def test_the_page_is_told_that_marks_can_be_set_and_which_stand(page: Page) -> None:
    page.parts.poll_all()
    page.parts.marks["cems-1"] = {"flag": "C", "who": "王芳", "until": 1}
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{page.port}/status.json") as answer:
        told = await answer.json()
    assert told["marking"] is True
    marks = {row["id"]: row["mark"] for row in told["instruments"]}
    assert marks.pop("cems-1") == {"flag": "C", "who": "王芳", "until": 1}
    assert set(marks.values()) == {None}


def test_the_password_is_the_first_line_whatever_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "password"
    for ending in (b"", b"\n", b"\r\n", b"\nmore\n"):
        path.write_bytes(b"p:ss word" + ending)
        assert password_in(str(path)) == b"p:ss word"
    path.write_text("短的密码\n", "utf-8")  # 12 bytes
    with pytest.raises(GatewayError, match=f"{path}: the password has fewer than 8 characters"):
        password_in(str(path))
