"""The shipped sites against slaves by other people, through the real process into a real mosquitto."""

import json
import urllib.request
from pathlib import Path

from tests.peers.libmodbus import libmodbus_rtu, libmodbus_tcp
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import counters, local, shipped, words


def serve_site(document: dict, tmp_path: Path, polls: int) -> tuple[list[dict], list]:
    """Run the site until each instrument has `polls` readings with values; its samples and all messages."""
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    site = write_site(tmp_path / "site.yaml", local(document, tmp_path, broker.port))
    gateway = Fieldgate(site, tmp_path / "gateway.log")
    names = [instrument["id"] for instrument in document["instruments"]]
    try:
        with gateway.running():

            def enough() -> bool:
                have = [sample["instrument"] for sample in readings(city.batches()) if not sample["flags"]]
                return all(have.count(name) >= polls for name in names)

            until(enough, f"{polls} good readings of each of {names}")
            assert gateway.stop() == 0
        until(lambda: [m for m in city.messages() if m.lane == "status" and m.body["state"] == "offline"], "offline")
        return readings(city.batches()), city.messages()
    finally:
        city.stop()
        broker.stop()


def faster(document: dict, every: str) -> dict:
    """The same site polled more often, so that the test is short."""
    return {**document, "instruments": [{**instrument, "every": every} for instrument in document["instruments"]]}


def test_petrol_station_on_libmodbus_delivers_what_its_slaves_serve(tmp_path: Path) -> None:
    forecourt = {
        161: {3: dict(enumerate([0, 0, 1, 2778, 2860, 53, 0, 0, 0, 1112, 1289, 18, 0]))},
        162: {3: dict(enumerate([0, 0, 0, 869, 937, 17, 0, 0, 1, 4781, 4873, 83, 0]))},
        1: {3: {0: 0, 1: 3}},
        2: {3: {0: 1, 1: 4}},
    }
    pressure, temperature = words(0.29984832), words(19.852163)
    tank = {
        161: {3: {0x2002 + i: w for i, w in enumerate(pressure)} | {0x2006 + i: w for i, w in enumerate(temperature)}}
    }
    document = faster(shipped("petrol_station"), "1s")
    with libmodbus_rtu(forecourt) as bus, libmodbus_rtu(tank) as tank_bus:
        document["lines"]["forecourt"]["serial"] = bus.path
        document["lines"]["tank"]["serial"] = tank_bus.path
        samples, messages = serve_site(document, tmp_path, polls=3)
    wanted = {
        "dispenser-1": {
            "n1_record": 1, "n1_fuel": 2778, "n1_vapour": 2860, "n1_time": 53,
            "n2_record": 0, "n2_fuel": 1112, "n2_vapour": 1289, "n2_time": 18,
        },
        "dispenser-2": {
            "n1_record": 0, "n1_fuel": 869, "n1_vapour": 937, "n1_time": 17,
            "n2_record": 1, "n2_fuel": 4781, "n2_vapour": 4873, "n2_time": 83,
        },
        "unloading": {"state": 0, "lel": 3},
        "treatment-outlet": {"state": 1, "concentration": 8},
        "tank-pressure": {"pressure": 299.84832, "temperature": 19.852163},
    }  # fmt: skip
    good = [sample for sample in samples if not sample["flags"]]
    assert {sample["instrument"] for sample in good} == set(wanted)
    for sample in good:
        assert sample["values"] == wanted[sample["instrument"]]
    assert look_at([message for message in messages if message.lane in ("data", "backfill")]).clean
    points = next(message.body for message in messages if message.lane == "points")
    assert [instrument["id"] for instrument in points["instruments"]] == list(wanted)
    assert messages[-1].body["state"] == "offline"
    last = messages[-2].body
    assert [event["kind"] for event in last["events"]] == ["log.checkpoint"], "a clean stop signs what it has delivered"
    assert last["events"][0]["data"]["seq"] == last["seq"] - 1


def test_boiler_house_on_two_tcp_implementations_delivers_what_they_serve(tmp_path: Path) -> None:
    document = faster(shipped("boiler_house"), "1s")
    document["instruments"] = [entry for entry in document["instruments"] if entry["id"] != "damper"]
    del document["lines"]["contacts"]
    cems = [31.5, 9.25, 12.0, 4.75, 121.5, -0.125, 8.5, 11.75]
    registers = {
        2 * index + half: word for index, value in enumerate(cems) for half, word in enumerate(words(value, "CDAB"))
    }
    floats = {
        0: 800.0,
        2: 3500.5,
        4: 95.5,
        34: 100.0,
        36: 100.0,
        42: 0.5,
        46: 50.0,
        50: 7.0,
        56: 650.0,
        58: 25.5,
        60: 30.25,
        62: 550.0,
    }
    inputs = {address + half: word for address, value in floats.items() for half, word in enumerate(words(value))}
    with (
        pymodbustcp({4: inputs, 2: {15: 0, 16: 0, 17: 0, 18: 0, 19: 1}}) as analyser,
        libmodbus_tcp({3: {**registers, 19: 0}}) as controller,
    ):
        document["lines"]["analyser"]["tcp"] = f"127.0.0.1:{analyser.port}"
        document["lines"]["cems"]["tcp"] = f"127.0.0.1:{controller.port}"
        samples, messages = serve_site(document, tmp_path, polls=3)
    by_instrument = {sample["instrument"]: sample["values"] for sample in samples if not sample["flags"]}
    names = ["nox", "o2", "co", "dust", "temperature", "pressure", "humidity", "velocity"]
    assert by_instrument["cems"] == dict(zip(names, cems, strict=True))
    analysed = by_instrument["so2-analyser"]
    # 100 ppb of SO2 (64 g/mol) at 0 °C: 100 x 64 / 22.4 / 1000 mg/m3 (HJ 75-2017)
    assert abs(analysed["so2"] - 100 * 64 / 22.4 / 1000) < 1e-12
    assert analysed["uv_lamp"] == 3500.5
    assert analysed["system_ok"] is True
    assert look_at([message for message in messages if message.lane in ("data", "backfill")]).clean


def test_status_health_and_metrics_say_how_it_goes(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    try:
        with libmodbus_tcp({3: dict.fromkeys(range(20), 7)}) as slave:
            document = local(counters({"plc": slave.port}), tmp_path, broker.port)
            gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
            with gateway.running():
                until(lambda: len(city.batches()) > 3, "batches")
                base = f"http://{document['health']['listen']}"

                def ask(path: str) -> bytes:
                    with urllib.request.urlopen(base + path, timeout=5) as answer:
                        return answer.read()

                assert ask("/healthz") == b"ok\n"
                status = json.loads(ask("/status.json"))
                assert status["healthy"] is True
                assert status["instruments"][0]["points"][0]["value"] == 7
                assert b'fieldgate_polls_total{instrument="plc",line="plc",result="ok"}' in ask("/metrics")
                assert b"fieldgate" in ask("/")
                assert gateway.stop() == 0
    finally:
        city.stop()
        broker.stop()
