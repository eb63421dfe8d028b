"""What a start may import: lazy imports stay lazy, since each costs memory for years and time at every start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.signing import Signer

ROOT = Path(__file__).parents[2]
SITE = ROOT / "config" / "sites" / "petrol_station.yaml"

NEVER = (
    "aiohttp", "amqtt", "numpy", "pygments", "rich", "uvloop", "yaml", "drivers.simulator",
    "gateway.diagnosis", "gateway.evidence", "gateway.replay",
)  # fmt: skip
"""Of no use to a gateway that runs."""
LATER = ("cryptography", "h11", "prometheus_client")
"""Wanted only by some sites, or when the first one is asked for."""
ONLY_RUNNING = ("aiosqlite", "paho", "sqlite3", "gateway.run")
"""Of no use to a check."""
ONLY_READING = ("pydantic", "ruamel", "gateway.settings")
"""Of no use before a site file is read."""


def imported(code: str) -> set[str]:
    """The modules that are there after this code, in a Python of its own."""
    told = "import json, sys\n" + code + "\nprint('|', json.dumps(sorted(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, timeout=50, check=True, cwd=ROOT
    )
    return set(json.loads(ended.stdout.rpartition("| ")[2]))


def within(found: set[str], places: tuple[str, ...]) -> list[str]:
    return sorted(one for one in found if any(one == place or one.startswith(place + ".") for place in places))


def test_the_gateway_imports_nothing_that_it_may_not_need() -> None:
    assert within(imported("import gateway.run, gateway.recording, gateway.journal"), (*NEVER, *LATER, "typer")) == []


def test_a_command_imports_only_its_own_when_it_is_named() -> None:
    found = imported(f"import importlib\nfor name in {[*COMMANDS]}: importlib.import_module('gateway.cli.' + name)")
    assert {f"gateway.cli.{name}" for name in COMMANDS} <= found
    assert within(found, (*NEVER, *LATER, *ONLY_RUNNING, *ONLY_READING)) == []


@pytest.mark.parametrize("arguments", [("check", str(SITE)), ("check", "--json", str(SITE))])
def test_a_check_imports_no_more_than_reading_takes(arguments: tuple[str, ...]) -> None:
    code = f"""
sys.argv = ["fieldgate", *{arguments!r}]
from gateway.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code"""
    found = imported(code)
    assert "gateway.settings.site" in found
    assert within(found, (*NEVER, *LATER, *ONLY_RUNNING)) == []


def test_a_key_is_read_without_the_reader_of_all_kinds_of_keys(tmp_path: Path) -> None:
    made = Signer.load_or_create(tmp_path / "key.pem")
    code = f"""
from pathlib import Path
from gateway.signing import Signer
print(Signer.load(Path({str(tmp_path / "key.pem")!r})).key == {made.key!r} or sys.exit(1))"""
    assert within(imported(code), ("cryptography.hazmat.primitives.serialization",)) == []
