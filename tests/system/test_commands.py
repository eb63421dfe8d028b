"""Commands over MQTT to the real process: a real broker between, a foreign slave behind, every request to it noted."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.signing import Signer
from tests.fakes.tap import Tap
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.city import City, now_ms
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, readings, until, write_site
from tests.system.sites import local

pytestmark = pytest.mark.timeout(180)

POINTS = [
    {"id": "setpoint", "table": "holding", "address": 0, "type": "uint16", "scale": 0.1, "writable": [5, 60]},
    {"id": "level", "table": "holding", "address": 1, "type": "uint16"},
    {"id": "pump", "table": "coil", "address": 4, "writable": True},
    {"id": "stubborn", "table": "input", "address": 9, "type": "uint16"},
]


@dataclass
class Setting:
    """Everything of one test."""

    city: City
    gateway: Fieldgate
    tap: Tap
    stranger: Signer
    document: dict[str, Any]
    folder: Path

    def audit(self, identity: str | None) -> list[tuple[str, str | None]]:
        """(kind, error code) of the events about one command."""
        return [
            (event["kind"], event["data"].get("error", {}).get("code"))
            for event in self.city.events("command.")
            if event["data"]["id"] == identity
        ]

    def births(self) -> int:
        """How often the gateway has introduced itself."""
        return len([m for m in self.city.feed.messages() if m.lane == "status" and m.body["state"] == "online"])

    def start(self) -> None:
        """Start the gateway and wait until it is connected."""
        before = self.births()
        self.gateway.start()
        until(lambda: self.births() > before, "birth")

    def audited(self, identity: str | None) -> list[tuple[str, str | None]]:
        """The same, once there is one and a later event of another command shows that no second one follows."""
        until(lambda: self.audit(identity), f"an event about {identity}")
        last = self.city.ask(self.city.command("status"))
        until(lambda: self.audit(last["id"]), "the event about the last command")
        return self.audit(identity)


@contextmanager
def site(tmp_path: Path, allow: list[str] | None, every: str = "1h") -> Iterator[Setting]:
    """One instrument behind a tap; with `every` 1h the only requests are those of commands, but for the first poll."""
    keys = {name: Signer.load_or_create(tmp_path / f"{name}.pem") for name in ("city", "stranger")}
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    feed = Subscriber(broker, tmp_path / "feed.txt")
    with ExitStack() as stack:
        stack.callback(broker.stop)
        stack.callback(feed.stop)
        slave = stack.enter_context(pymodbustcp({3: {0: 200, 1: 7}, 1: {4: 0}, 4: {9: 3}}))
        tap = stack.enter_context(Tap(slave.port))
        document = local(
            {
                "gateway": {"id": "test-1"},
                "lines": {"plc": {"tcp": f"127.0.0.1:{tap.port}", "timeout": "2s"}},
                "instruments": [
                    {"id": "plc", "line": "plc", "protocol": "modbus", "address": 1, "every": every, "points": POINTS}
                ],
            },
            tmp_path,
            broker.port,
        )
        if allow is not None:
            document["commands"] = {"allow": allow, "keys": [keys["city"].key]}
        gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
        stack.enter_context(gateway.running())
        city = City(broker, feed, keys["city"])
        setting = Setting(city, gateway, tap, keys["stranger"], document, tmp_path)
        until(setting.births, "birth")
        yield setting


ALL = ["status", "read", "backfill", "mark", "write", "reload"]


def write(value: Any = 20.0, point: str = "setpoint", instrument: str = "plc") -> dict[str, Any]:
    return {"instrument": instrument, "point": point, "value": value}


def test_every_denied_write_is_no_frame_on_the_line_and_one_event(tmp_path: Path) -> None:
    with site(tmp_path, ALL) as on:
        city = on.city
        assert city.ask(city.command("read", args={"instrument": "plc"}))["ok"]
        good = city.command("write", signed=True, args=write(25.0))
        assert city.ask(good)["result"] == {"instrument": "plc", "point": "setpoint", "value": 25.0}
        assert on.audited(good["id"]) == [("command.executed", None)]
        assert on.tap.writes() == 1
        requests = len(on.tap.requests)

        altered = city.command("write", signed=True, args=write(21.0)) | {"args": write(22.0)}
        prolonged = city.command("write", signed=True, args=write(21.0), expires=now_ms() - 1)
        prolonged["expires"] = now_ms() + 60_000
        signature = city.command("write", signed=True, args=write(21.0))["signature"]
        denied = {
            "unsigned": [city.command("write", args=write()) | odd for odd in ({}, {"signature": 7})],
            "signature": [
                city.command("write", signed=on.stranger, args=write()),
                city.command("write", args=write()) | {"signature": signature},
                city.command("write", args=write()) | {"signature": "00" * 64},
                city.command("write", args=write()) | {"signature": ""},
                altered,
                prolonged,
            ],
            "expired": [city.command("write", signed=True, args=write(), expires=now_ms() - 1)],
            "refused": [
                city.command("write", signed=True, args=write(value, point))
                for value, point in (
                    (60.1, "setpoint"), (4.9, "setpoint"), (20.05, "setpoint"), ("20", "setpoint"), (True, "setpoint"),
                    (7, "level"), (1, "pump"), (3, "stubborn"),
                )
            ],
            "point": [city.command("write", signed=True, args=write(point="nothing"))],
            "instrument": [city.command("write", signed=True, args=write(instrument="other"))],
            "invalid": [
                city.command("write", signed=True, args={"instrument": "plc", "point": "setpoint"}),
                city.command("write", signed=True, args=write([1])),
                city.command("write", signed=True, args=write(None)),
            ],
            "version": [city.command("write", signed=True, args=write(), v=2)],
            "malformed": [city.command("write", signed=True, args=write(), expires="soon")],
            "unknown": [city.command("overwrite", signed=True, args=write())],
            "repeated": [city.command("write", signed=True, args=write(26.0), id=good["id"])],
        }  # fmt: skip
        for code, commands in denied.items():
            for command in commands:
                answer = city.ask(command)
                assert (answer["ok"], answer["error"]["code"]) == (False, code), (command, answer)
        retained = city.command("write", signed=True, args=write(23.0))
        assert city.ask(retained, "-r")["error"]["code"] == "retained"
        city.publish(b"", "-r")  # takes the retained one away again; not JSON, so nobody can be answered
        denied["retained"] = [retained]
        on.audited(retained["id"])
        for code, commands in denied.items():
            for command in commands:
                if code == "repeated":
                    assert on.audit(command["id"]) == [("command.executed", None), ("command.denied", code)]
                else:
                    assert on.audit(command["id"]) == [("command.denied", code)], command
        assert on.audited(None) == [("command.denied", "unparseable")]
        assert len(on.tap.requests) == requests
        assert city.ask(good)["result"]["value"] == 25.0  # answered again
        assert len(on.tap.requests) == requests
        assert on.gateway.stop() == 0


def test_by_default_nothing_that_changes_something_is_carried_out(tmp_path: Path) -> None:
    with site(tmp_path, None) as on:
        assert on.city.ask(on.city.command("read", args={"instrument": "plc"}))["result"]["values"]["setpoint"] == 20.0
        requests = len(on.tap.requests)
        for name, args in (("write", write()), ("mark", mark()), ("reload", {})):
            command = on.city.command(name, signed=True, args=args)
            assert on.city.ask(command)["error"]["code"] == "denied"
            assert on.audited(command["id"]) == [("command.denied", "denied")]
        assert len(on.tap.requests) == requests
        assert on.gateway.stop() == 0


def test_a_command_that_was_carried_out_is_not_carried_out_again_after_a_kill_or_a_stop(tmp_path: Path) -> None:
    with site(tmp_path, ALL) as on:
        pump = on.city.command("write", signed=True, args=write(True, "pump"))
        first = on.city.ask(pump)
        assert first["result"]["value"] is True
        on.gateway.kill()
        on.start()
        assert on.city.ask(pump) == first
        assert on.gateway.stop() == 0
        on.start()
        assert on.city.ask(pump) == first
        assert on.tap.writes() == 1
        assert on.audited(pump["id"]) == [("command.executed", None)]
        assert on.gateway.stop() == 0


def test_a_command_that_was_carried_out_is_not_carried_out_again_after_the_log_was_lost(tmp_path: Path) -> None:
    with site(tmp_path, ALL) as on:
        pump = on.city.command("write", signed=True, args=write(True, "pump"))
        assert on.city.ask(pump)["result"]["value"] is True
        on.gateway.kill()
        log = tmp_path / "log.db"
        log.write_bytes(bytes(100) + log.read_bytes()[100:])
        log.with_name("log.db-wal").write_bytes(b"")
        for _ in range(2):
            on.start()
            assert on.city.ask(pump)["error"]["code"] == "expired"
            assert on.tap.writes() == 1
            on.gateway.kill()
        on.start()
        until(lambda: [e for e in on.city.events("log.started") if e["data"]["reason"] == "damage"], "a new stream")
        later = on.city.command("write", signed=True, args=write(False, "pump"), expires=pump["expires"] + 1000)
        assert on.city.ask(later)["result"]["value"] is False
        assert on.tap.writes() == 2
        assert on.gateway.stop() == 0


def mark(**more: Any) -> dict[str, Any]:
    return {"instrument": "plc", "flag": "M", "who": "Li Wei", "until": now_ms() + 600_000} | more


def test_a_mark_flags_readings_survives_a_kill_and_ends_by_itself(tmp_path: Path) -> None:
    with site(tmp_path, ALL, every="200ms") as on:
        city = on.city

        def flags() -> dict[str, str]:
            return readings(city.feed.batches())[-1]["flags"]

        until(lambda: readings(city.feed.batches()) and flags() == {}, "a reading")
        assert city.ask(city.command("mark", signed=True, args=mark()))["ok"]
        until(lambda: set(flags().values()) == {"M"}, "marked readings")
        on.gateway.kill()
        seen = len(readings(city.feed.batches()))
        on.start()
        until(lambda: len(readings(city.feed.batches())) > seen + 3, "readings after the kill")
        assert set(flags().values()) == {"M"}
        assert city.ask(city.command("mark", signed=True, args=mark(until=now_ms() + 1500)))["ok"]
        until(lambda: city.events("mark.ended"), "the end of the mark")
        until(lambda: flags() == {}, "readings without a mark")
        assert [event["data"]["who"] for event in city.events("mark.set")] == ["Li Wei", "Li Wei"]
        assert on.gateway.stop() == 0


def test_reload_takes_a_good_file_and_leaves_everything_as_it_is_with_a_bad_one(tmp_path: Path) -> None:
    with site(tmp_path, ALL, every="200ms") as on:
        city, path = on.city, tmp_path / "site.yaml"
        hashes = lambda: [m.body["configuration"] for m in city.feed.messages() if m.lane == "points"]  # noqa: E731
        good = path.read_text()
        wrong = json.loads(good)
        wrong["instruments"][0]["points"][0]["table"] = "hodling"
        unwritable = json.loads(good)
        unwritable["log"]["path"] = "/proc/fieldgate/log.db"
        path.write_text(json.dumps(wrong, indent=1))
        answer = city.ask(city.command("reload", signed=True))
        assert answer["error"]["code"] == "configuration"
        assert f"{path}:" in answer["error"]["message"]
        assert "holding" in answer["error"]["message"]
        before = hashes()
        path.write_text(json.dumps(unwritable, indent=1))  # right in itself, and cannot be run
        assert city.ask(city.command("reload", signed=True))["ok"]
        refused = until(lambda: city.events("configuration.refused"), "the refusal of what cannot be run")
        assert "/proc/fieldgate" in refused[0]["data"]["problems"][0]
        until(lambda: len(hashes()) > len(before), "a new connection")
        assert set(hashes()) == set(before)
        changed = json.loads(good)
        changed["instruments"][0]["points"][0]["scale"] = 0.2
        path.write_text(json.dumps(changed, indent=1))
        command = city.command("reload", signed=True)
        answer = city.ask(command)
        until(lambda: hashes()[-1] == answer["result"]["configuration"] != before[0], "the new catalogue")
        events = until(lambda: city.events("configuration.changed")[1:], "the change as an event")
        assert events[0]["data"]["changes"] == [
            {"what": "instruments.plc.points.setpoint.scale", "from": 0.1, "to": 0.2}
        ]
        assert city.ask(command) == answer  # it is not loaded again
        assert len([e for e in city.events("gateway.stopping") if e["data"]["reason"] == "reload"]) == 2
        assert on.gateway.process is not None
        assert on.gateway.process.poll() is None
        assert on.gateway.stop() == 0


def test_an_answer_goes_to_the_response_topic_with_its_correlation_data(tmp_path: Path) -> None:
    with site(tmp_path, None) as on:
        command = on.city.command("status")
        on.city.publish(
            command, "-D", "publish", "response-topic", "fieldgate/v1/ops/reply",
            "-D", "publish", "correlation-data", "c-1",
        )  # fmt: skip
        answers = until(lambda: on.city.replies(command["id"]), "the answer")
        assert [m.topic for m in on.city.feed.messages() if m.lane == "reply"] == ["fieldgate/v1/ops/reply"]
        assert answers[0]["result"]["instruments"][0]["id"] == "plc"
        assert on.gateway.stop() == 0
