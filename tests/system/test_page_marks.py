"""A mark set on the status page of the real process: checked as the command is, in the feed, and over when it said."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.peers.libmodbus import libmodbus_tcp
from tests.system.city import events, now_ms
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, readings, until, write_site
from tests.system.sites import counters, local

PASSWORD = "a password of the site"


def posted(host: str, mark: dict[str, Any], password: str = PASSWORD, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of what the page would send."""
    authorization = "Basic " + base64.b64encode(f":{password}".encode()).decode()
    usual = {"Content-Type": "application/json", "Origin": f"http://{host}", "Authorization": authorization}
    request = urllib.request.Request(f"http://{host}/mark", json.dumps(mark).encode(), usual | headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def mark(**more: Any) -> dict[str, Any]:
    return {"instrument": "plc", "flag": "M", "who": "Li Wei", "until": now_ms() + 600_000} | more


def test_a_mark_of_the_page_flags_samples_until_its_end_and_stands_in_the_feed(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "password").chmod(0o600)
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    feed = Subscriber(broker, tmp_path / "feed.txt")

    def flags() -> set[str]:
        found = readings(feed.batches())
        return set(found[-1]["flags"].values()) if found else {"none yet"}

    def row() -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{host}/status.json", timeout=10) as answer:
            return json.load(answer)["instruments"][0]

    try:
        with libmodbus_tcp({3: dict.fromkeys(range(20), 7)}) as slave:
            document = local(counters({"plc": slave.port}), tmp_path, broker.port)
            document["health"]["password_file"] = "password"
            host = document["health"]["listen"]
            gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
            with gateway.running():
                until(lambda: flags() == set(), "a reading without a flag")
                refused = {
                    401: posted(host, mark(), password="a guess"),
                    403: posted(host, mark(), Origin="http://evil.example"),
                    404: posted(host, mark(instrument="other")),
                    415: posted(host, mark(), **{"Content-Type": "text/plain"}),
                }
                assert {status: found[0] for status, found in refused.items()} == {status: status for status in refused}
                assert "other" in refused[404][1]["error"]
                for wrong in ({"flag": "N"}, {"flag": None}, {"who": ""}, {"until": now_ms()}, {"until": 2 * now_ms()}):
                    assert posted(host, mark(**wrong))[0] == 400, wrong
                assert row()["mark"] is None

                wanted = mark()
                kept = {"instrument": "plc", "flag": "M", "until": wanted["until"]}
                assert posted(host, wanted) == (200, kept)
                gateway.kill()  # what was answered is kept
                seen = len(readings(feed.batches()))
                gateway.start()
                until(lambda: len(readings(feed.batches())) > seen + 3, "readings after the kill")
                until(lambda: flags() == {"M"}, "marked readings")
                assert row()["mark"] == {"flag": "M", "who": "Li Wei", "until": wanted["until"]}

                end_ms = now_ms() + 4000
                assert posted(host, mark(flag="C", who="王芳", until=end_ms))[0] == 200
                until(lambda: events(feed.batches(), "mark.ended"), "the end of the mark")
                until(lambda: flags() == set(), "readings after the end")
                assert gateway.stop() == 0
        told = [(one["instrument"], one["data"]) for one in events(feed.batches(), "mark.")]
        assert told == [
            ("plc", {"flag": "M", "who": "Li Wei", "until": wanted["until"], "source": "page"}),
            ("plc", {"flag": "C", "who": "王芳", "until": end_ms, "source": "page"}),
            ("plc", {"flag": "C", "who": "王芳"}),
        ]
        by_flag: dict[str, list[int]] = {}
        for sample in readings(feed.batches()):
            (flag,) = set(sample["flags"].values()) or {"N"}
            by_flag.setdefault(flag, []).append(sample["ts"])
        assert max(by_flag["M"]) <= min(by_flag["C"])
        assert max(by_flag["C"]) < end_ms <= max(by_flag["N"])
        assert not [at for at in by_flag["N"] if min(by_flag["M"]) <= at < end_ms]
    finally:
        feed.stop()
        broker.stop()
