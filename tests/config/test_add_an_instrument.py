"""docs/add-an-instrument.md, followed to the letter."""

import re
import subprocess
from pathlib import Path

import pytest

from gateway.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "add-an-instrument.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
FILES = [block for block in BLOCKS if "<<'EOF'" in block]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The folder as the page's commands leave it."""
    for block in FILES:
        subprocess.run(["bash", "-euc", block], cwd=tmp_path, check=True)
    return tmp_path / "bench"


def test_the_files_of_the_page_make_a_site(bench: Path) -> None:
    site = load(bench / "site.yaml")
    assert not site.warnings
    dust = site.instruments[0]
    assert [point.id for point in dust.points] == ["pm10", "temperature", "fan"]
    assert (dust.points[0].unit, dust.points[0].factor, dust.points[0].range) == ("ug/m3", "a34002", (0, 1000))
    assert (dust.every_s, dust.timeout_s) == (10.0, 0.5)


def test_the_page_needs_one_profile_one_site_and_a_few_commands() -> None:
    assert len(FILES) == 2
    assert [command.split()[1] for command in BLOCKS if command.startswith("fieldgate")] == [
        "check", "plan", "simulate", "read", "read",
    ]  # fmt: skip


def test_the_change_of_a_shipped_profile_works(tmp_path: Path) -> None:
    block = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "omit:" in block)
    path = tmp_path / "site.yaml"
    path.write_text('gateway: {id: g}\nlines: {analyser: {tcp: "192.0.2.1:502"}}\n' + block, "utf-8")
    points = {point.id: point for point in load(path).instruments[0].points}
    assert points["so2"].range == (0, 300)
    assert "co2" in points
    assert "so2_range2" not in points
