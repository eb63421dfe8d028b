"""docs/operate.md works when pasted: its alerts load, its metrics exist, and every page's links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from gateway.health.metrics import Metrics
from gateway.settings import load
from tests.fakes.parts import FakeParts
from tests.gateway.settings.example import put

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operate.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def alerts() -> str:
    """The block of alert rules."""
    return PAGE[PAGE.index("```yaml\n") + 8 :].split("```", 1)[0]


def test_the_alerts_load_in_prometheus(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(alerts(), "utf-8")
    checked = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    assert "8 rules found" in checked.stdout


def test_every_metric_that_an_alert_asks_for_exists(tmp_path: Path) -> None:
    parts = FakeParts(load(put(tmp_path)))
    parts.poll_all()
    parts.uplinks["city"].certificate_expiry_s = 1_800_000_000.0
    parts.log.evicted_batches.update(size=1)
    offered = set(re.findall(r"^(fieldgate_\w+)", Metrics(parts.parts).text().decode(), re.MULTILINE))
    asked = set(re.findall(r"fieldgate_\w+", alerts()))
    assert len(asked) >= 7
    assert asked - offered == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_the_documentation_exists(page: Path) -> None:
    from gateway.cli import COMMANDS

    named = set(re.findall(r"(?:`|bin/)fieldgate ([a-z]+)(?=[ `])", page.read_text("utf-8"), re.MULTILINE))
    assert named - set(COMMANDS) == set()
