"""What the pipeline costs a reading of ten points: `python -m tests.benchmarks.pipeline`."""

import time
from zoneinfo import ZoneInfo

from drivers.contract import Sample
from gateway.domain.steps import StepKeys
from gateway.domain.windows import WindowKeys
from gateway.pipeline.pipeline import Pipeline
from gateway.pipeline.window_values import Windowed
from gateway.reading import Reading

POINTS = tuple(f"p{number}" for number in range(10))
READINGS = 100_000


def microseconds(pipeline: Pipeline) -> float:
    """CPU time of one reading."""
    readings = [
        Reading("x", POINTS, 1_764_000_000_000 + number * 500, 0, Sample(tuple(1.5 + number % 7 for _ in POINTS)))
        for number in range(READINGS)
    ]
    began = time.process_time()
    for reading in readings:
        if reading.instrument in pipeline:
            for one in pipeline.passed(reading).readings:
                pipeline.entered(one)
        else:
            pipeline.entered(reading)
    return (time.process_time() - began) / READINGS * 1e6


def main() -> None:
    """Print the figures."""
    zone = ZoneInfo("Asia/Shanghai")
    windows = {"x": Windowed(WindowKeys.model_validate({"system": "cems"}), POINTS, 500)}
    steps = StepKeys.model_validate({"limits": [{"point": "p0", "above": 100}], "checks": {"p0": {"stuck": "1h"}}})
    for name, pipeline in (
        ("nothing asked", Pipeline(zone, {})),
        ("windows", Pipeline(zone, windows)),
        ("windows, a limit, a check", Pipeline(zone, windows, {"x": steps})),
    ):
        print(f"{name}: {microseconds(pipeline):.2f} µs a reading of {len(POINTS)} points")


if __name__ == "__main__":
    main()
