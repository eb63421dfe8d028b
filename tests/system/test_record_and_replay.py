"""Every protocol recorded from its simulator, and replayed under the same and under changed profiles, from outside."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers import catalogue
from gateway.settings.document import read
from tests.gateway.cli.process import Ended, fieldgate, together
from tests.system import test_meters, test_protocols
from tests.system.beside import simulated
from tests.system.sites import CONFIG

LINES = {name: line for name, line in {**test_protocols.LINES, **test_meters.LINES}.items() if name != "plc"}
INSTRUMENTS: Mapping[str, dict[str, Any]] = {
    **{name: {"every": "1s", **keys} for name, keys in test_protocols.GOOD.items()},
    **{name: {"every": "2s", **keys} for name, keys in test_meters.GOOD.items()},
}
CHANGED = {
    "plc": "pressure", "scale": "weight", "gps": "altitude", "voc": "tvoc", "bridge": "weight", "box": "temperature",
    "cems": "so2", "logger": "cod", "hour": "cod", "meter": "voltage", "water": "volume", "room": "temperature",
    "heat": "supply_temperature", "well": "level", "nox": "nox", "tanks": "t1_volume",
}  # fmt: skip
"""A point of each instrument, which the other configuration moves by a thousand."""
SECONDS = 6


@dataclass
class Recorded:
    """What came of it."""

    told: Ended
    polls: Counter[str]
    had: Counter[str]
    """Polls in which the point that is changed later had a value; it depends on the hour what an instrument shows."""
    same: Ended
    changed: Ended


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All of them recorded once, beside each other; replayed when the simulators are gone."""
    folder = tmp_path_factory.mktemp("recorded")
    document = {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": LINES,
        "instruments": [{"id": name, **keys} for name, keys in INSTRUMENTS.items()],
    }
    with simulated(document, folder):
        told = fieldgate("record", folder / "simulated.yaml", "-o", folder / "monday", "--seconds", str(SECONDS))
    transcripts = [file.read_text("utf-8") for file in (folder / "monday").glob("*.transcript")]
    made = [row.split(" ", 3)[2:] for text in transcripts for row in text.splitlines() if " == " in row]
    polls = Counter(name for name, _ in made)
    had = Counter(name for name, body in made if json.loads(body)["values"][CHANGED[name]] is not None)
    for name, keys in INSTRUMENTS.items():
        moved(keys["profile"], CHANGED[name], folder / "changed")
    replay = ("replay", folder / "monday", folder / "simulated.yaml", "--json")
    same, changed = together(replay, (*replay, "--config-dir", folder / "changed"))
    return Recorded(told, polls, had, same, changed)


def moved(profile: str, point: str, config: Path) -> None:
    """The profile with an offset of a thousand on one point."""
    plain: Any = read(CONFIG / "profiles" / f"{profile}.yaml").plain()
    for one in plain["points"]:
        if one["id"] == point:  # a point that is not there fails the test below
            one["offset"] = one.get("offset", 0) + 1000
    plain.pop("examples", None)
    file = config / "profiles" / f"{profile}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(plain), "utf-8")


def test_every_protocol_is_recorded(recorded: Recorded) -> None:
    assert recorded.told.code == 0, recorded.told
    assert len(recorded.had) > len(INSTRUMENTS) * 3 / 4, recorded.had
    plain = {
        keys["profile"]: read(CONFIG / "profiles" / f"{keys['profile']}.yaml").plain() for keys in INSTRUMENTS.values()
    }
    assert {one.get("protocol", "modbus") for one in plain.values()} == set(catalogue.BUILT_IN)  # type: ignore[union-attr]


def test_same_profiles_make_the_same_of_it(recorded: Recorded) -> None:
    assert recorded.same.code == 0, recorded.same
    assert recorded.same.json["differences"] == []
    assert recorded.same.json["polls"] == recorded.polls.total()


@pytest.mark.parametrize("instrument", sorted(INSTRUMENTS))
def test_changed_profile_is_named_in_each_poll_and_nothing_else_is(recorded: Recorded, instrument: str) -> None:
    assert recorded.changed.code == 1
    found = [one for one in recorded.changed.json["differences"] if one["instrument"] == instrument]
    assert {one["point"] for one in found} <= {CHANGED[instrument]}
    assert len(found) == recorded.had[instrument]
    assert recorded.polls[instrument] >= 2
    for one in found:
        assert one["now"]["value"] == pytest.approx(one["was"]["value"] + 1000)
