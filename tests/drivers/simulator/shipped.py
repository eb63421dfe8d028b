"""The shipped sites with their scenes, for the tests of what they do."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec
from drivers.simulator.behaviour import Behaviour, behaviour
from drivers.simulator.happening import Happening
from drivers.simulator.kinds import happenings, scenes
from drivers.simulator.scene import Scene
from gateway.settings import Site, load

FOLDER = Path(__file__).parents[3] / "config" / "sites"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
UTC_OFFSET_S = 8 * 3600
MIDNIGHT = 1_764_000_000
"""In Shanghai, the beginning of Tuesday, 25 November 2025."""
DAY_S = 86_400


@cache
def site(name: str) -> Site:
    return load(FOLDER / f"{name}.yaml")


@dataclass(frozen=True)
class Played:
    """A shipped site that plays its scenes."""

    places: tuple[Scene, ...]
    instruments: tuple[InstrumentSpec, ...]
    acting: dict[str, Behaviour]

    def value(self, instrument: str, point: str, t_s: float) -> Value:
        spec = next(one for one in self.instruments if one.id == instrument)
        index = [each.id for each in spec.points].index(point)
        return self.acting[instrument].curves[index](t_s)

    def number(self, instrument: str, point: str, t_s: float) -> float:
        value = self.value(instrument, point, t_s)
        assert isinstance(value, int | float), f"{instrument}/{point}: {value!r}"
        return float(value)

    def flag(self, instrument: str, t_s: float) -> Flag:
        return self.acting[instrument].condition(t_s)

    def happenings(self, from_s: float = MIDNIGHT, until_s: float = MIDNIGHT + DAY_S) -> list[Happening]:
        return happenings(self.places, self.instruments, from_s, until_s)

    def of(self, kind: str, days: int = 1) -> list[Happening]:
        found = [one for one in self.happenings(until_s=MIDNIGHT + days * DAY_S) if one.kind == kind]
        assert found, f"no {kind} in {days} days"
        return found

    def scene(self, kind: type) -> Any:
        return next(one for one in self.places if isinstance(one, kind))


def play(name: str, seed: int = 3) -> Played:
    """Made anew: nothing is kept from one to the next."""
    instruments = tuple(site(name).instruments)
    places = scenes(instruments, seed, UTC_OFFSET_S)
    return Played(places, instruments, {one.id: behaviour(one, places, seed) for one in instruments})


@cache
def played(name: str) -> Played:
    """For all tests that only look."""
    return play(name)


def hour(hours: float) -> float:
    """Unix seconds of an hour of the first day, local time."""
    return MIDNIGHT + hours * 3600
