"""The one listener: what it serves, and that without a password it changes nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.errors import GatewayError
from gateway.health.bounds import Bounds
from gateway.health.web import Web
from gateway.settings import load
from tests.fakes.parts import FakeParts
from tests.gateway.settings.example import changed, put
from tests.system.harness import free_port

SCRIPT = '<script>alert("x")</script>'


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    parts = FakeParts(load(put(tmp_path, changed('site: "Ring Road"', f"site: '{SCRIPT}'"))))
    parts.poll_all()
    return parts


@pytest.fixture
async def base(parts: FakeParts) -> AsyncIterator[str]:
    port = free_port()
    web = Web(parts.parts, Bounds(parts.parts))
    await web.open("127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    await web.close()


async def test_healthz_is_ok_or_503_with_what_is_wrong(base: str, parts: FakeParts) -> None:
    async with ClientSession() as session:
        async with session.get(f"{base}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        parts.log.trouble = "OSError: no space left on device"
        async with session.get(f"{base}/healthz") as answer:
            assert (answer.status, await answer.text()) == (503, "committing: OSError: no space left on device\n")


async def test_status_json_has_values_reasons_and_the_backlog(base: str, parts: FakeParts) -> None:
    parts.pollers["plc"].read(parts.site.instruments[1], parts.clock, None)
    parts.log.undelivered["city"] = 4, parts.clock.now_ms() - 90_000
    async with ClientSession() as session, session.get(f"{base}/status.json") as answer:
        told = json.loads(await answer.text())
    rows = {row["id"]: row for row in told["instruments"]}
    assert rows["nozzle-1"]["answering"] is True
    assert {point["value"] for point in rows["nozzle-1"]["points"]} == {1.5}
    so2 = rows["cems-1"]["points"][0]
    assert (so2["value"], so2["flag"], so2["why"]) == (None, "B", "timeout: no answer in 1.0 s")
    city = next(row for row in told["uplinks"] if row["id"] == "city")
    assert (city["backlog"], city["oldest_s"]) == (4, 90.0)


async def test_the_card_life_is_projected_once_there_is_something_to_project_from(base: str, parts: FakeParts) -> None:
    async with ClientSession() as session:
        async with session.get(f"{base}/status.json") as answer:
            assert (await answer.json())["log"]["card_life_years"] is None
        parts.clock.now_s += 86400
        parts.log.written_bytes = 30 * 2**40 // 3650  # a tenth of a good card's life in a year
        async with session.get(f"{base}/status.json") as answer:
            log = (await answer.json())["log"]
            assert (log["written_bytes_per_day"], log["card_life_years"]) == (parts.log.written_bytes, 10.0)


async def test_the_page_and_its_parts_load_and_forbid_foreign_content(base: str) -> None:
    async with ClientSession() as session:
        for path, kind in {"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"}.items():
            async with session.get(base + path) as answer:
                assert answer.status == 200
                assert answer.content_type == kind
                assert answer.headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
                # names from the site file reach the page as JSON only, and the script sets them as text
                assert SCRIPT not in await answer.text()


async def test_what_is_not_there_is_404_and_nothing_can_be_changed(base: str) -> None:
    async with ClientSession() as session:
        for path in ("/page.html", "/..%2fweb.py", "/status", "/page.js/x"):
            async with session.get(base + path) as answer:
                assert answer.status == 404, path
        for path in ("/", "/metrics", "/healthz", "/status.json"):
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                async with session.request(method, base + path, data=b"x") as answer:
                    assert answer.status in (404, 405), (method, path)


async def test_a_held_port_is_named(base: str, parts: FakeParts) -> None:
    port = int(base.rsplit(":", 1)[1])
    with pytest.raises(GatewayError, match=f"health: 127.0.0.1:{port} cannot be listened on"):
        await Web(parts.parts, Bounds(parts.parts)).open("127.0.0.1", port)


def test_every_text_of_the_page_is_there_in_both_languages() -> None:
    script = (Path(__file__).parents[3] / "gateway" / "health" / "page" / "page.js").read_text("utf-8")
    rows = [line for line in script[: script.index("};")].splitlines() if line.startswith("  ")]
    assert len(rows) > 20
    for row in rows:
        english, chinese = json.loads(row.split(":", 1)[1].strip().rstrip(","))
        assert english.isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), row
