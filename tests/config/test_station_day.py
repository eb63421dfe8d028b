"""A day of the shipped petrol station: the scene's own truth against the events of its pipeline."""

from pathlib import Path

from drivers.contract import Sample
from drivers.simulator.petrol_station import PetrolStation
from gateway.processing import pipeline_of
from gateway.reading import Event, Reading
from gateway.settings import load

SITE = Path(__file__).parents[2] / "config" / "sites" / "petrol_station.yaml"
MIDNIGHT = 1_764_000_000_000
DAY_S, EVERY_S = 86_400, 60


def test_every_fuelling_of_the_scene_is_an_event_and_the_day_is_judged_on_those_of_15_litres() -> None:
    site = load(SITE)
    scene = PetrolStation(site.instruments, seed=7, utc_offset_s=8 * 3600)
    pipeline = pipeline_of(site)
    boxes = [spec for spec in site.instruments if spec.id.startswith("dispenser")]
    curves = {
        spec.id: [curve[0] for point in spec.points if (curve := scene.curve(spec, point)) is not None]
        for spec in boxes
    }
    start_s = MIDNIGHT // 1000
    events: list[Event] = []
    for at_s in range(start_s, start_s + DAY_S, EVERY_S):
        events += pipeline.due(at_s * 1000)[1]
        for spec in boxes:
            sample = Sample(tuple(curve(at_s) for curve in curves[spec.id]))
            points = tuple(point.id for point in spec.points)
            events += pipeline.entered(Reading(spec.id, points, at_s * 1000, 0, sample))
    events += pipeline.due((start_s + DAY_S + 60) * 1000)[1]

    judged_days = [event.data for event in events if event.kind == "vapour.day"]
    assert [day["nozzle"] for day in judged_days] == ["1", "2", "3", "4"]
    for day, name in zip(
        judged_days, ("dispenser-1 n1", "dispenser-1 n2", "dispenser-2 n1", "dispenser-2 n2"), strict=True
    ):
        seen = {}  # every fuelling that ended within the day, by its end
        for at_s in range(start_s + EVERY_S, start_s + DAY_S, EVERY_S):
            last = scene.last_fuelling(name, at_s)
            if last.end_s > start_s:
                seen[last.end_s] = last
        told = [e.data for e in events if e.kind == "vapour.fuelling" and e.data["nozzle"] == day["nozzle"]]
        assert len(seen) > 20
        assert [round(one["fuel"] * 100) for one in told] == [round(one.litres * 100) for one in seen.values()]
        wanted = [one for one in seen.values() if round(one.litres * 100) / 100 >= 15]
        outside = [one for one in wanted if not 0.9 <= round(one.vapour_litres * 100) / round(one.litres * 100) <= 1.3]
        assert (day["fuellings"], day["outside"]) == (len(wanted), len(outside))
        assert day["state"] == ("1" if len(outside) > len(wanted) / 4 else "0")
