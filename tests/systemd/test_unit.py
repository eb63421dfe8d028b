"""The unit, its drop-ins and what surrounds them, as far as they can be tried without a running service manager."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "fieldgate.service"
MOST_EXPOSURE = 16
"""Tenths of an exposure: design.md's limit is 1.6."""
DROP_INS = sorted((SYSTEMD / "examples").glob("*.conf"))

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def keys(text: str) -> dict[str, list[str]]:
    """Key -> values, in order, of all sections of a unit file."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=30, check=False)


@needs_systemd
def test_exposure_is_within_the_limit() -> None:
    answer = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(UNIT))
    assert answer.returncode == 0, answer.stdout[-200:] + answer.stderr


@needs_systemd
def test_limit_refuses_a_unit_with_two_protections_less(tmp_path: Path) -> None:
    weaker = tmp_path / "fieldgate.service"
    weaker.write_text(UNIT.read_text().replace("ProtectSystem=strict\n", "").replace("NoNewPrivileges=yes\n", ""))
    answer = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(weaker))
    assert answer.returncode != 0


@needs_systemd
@pytest.mark.parametrize("drop_in", [None, *DROP_INS], ids=lambda path: path.stem if path else "unit alone")
def test_systemd_understands_every_line(drop_in: Path | None, tmp_path: Path) -> None:
    program = tmp_path / "fieldgate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "fieldgate.service"
    unit.write_text(UNIT.read_text().replace("/opt/fieldgate/bin/fieldgate", str(program)))
    if drop_in is not None:
        folder = tmp_path / "fieldgate.service.d"
        folder.mkdir()
        shutil.copy(drop_in, folder)
    answer = analyze("verify", "--man=no", str(unit))
    ours = [line for line in answer.stderr.splitlines() if "fieldgate" in line or str(tmp_path) in line]
    assert not ours, "\n".join(ours)


def test_wrong_configuration_does_not_restart_for_ever_and_anything_else_does() -> None:
    unit = keys(UNIT.read_text())
    assert "78" in unit["RestartPreventExitStatus"][0].split()
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]


def test_stop_has_more_time_than_the_gateway_needs() -> None:
    assert keys(UNIT.read_text())["TimeoutStopSec"] == ["15s"]  # contract.md §4: a clean stop within 10 s


def test_reload_checks_the_site_file_before_it_tells_the_gateway() -> None:
    check, tell = keys(UNIT.read_text())["ExecReload"]
    assert " check " in check
    assert tell == "/bin/kill -HUP $MAINPID"


@pytest.mark.parametrize("path", [UNIT, *DROP_INS], ids=lambda path: path.stem)
def test_no_secret_stands_in_a_unit(path: Path) -> None:
    unit = keys(path.read_text())
    assert "SetCredential" not in unit
    assert not [value for value in unit.get("Environment", []) if re.search(r"(?i)pass|secret|token", value)]


def test_user_of_the_unit_is_made_and_may_use_serial_ports() -> None:
    unit = keys(UNIT.read_text())
    lines = (SYSTEMD / "fieldgate.sysusers").read_text().splitlines()
    assert any(line.startswith(f"u {unit['User'][0]} ") for line in lines)
    assert f"m {unit['User'][0]} {unit['SupplementaryGroups'][0]}" in lines


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_sysusers_and_tmpfiles_do_what_the_unit_expects(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\ndialout:x:20:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    sysusers = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "fieldgate.sysusers")]
    answer = subprocess.run(sysusers, capture_output=True, text=True, timeout=30, check=False)
    if "chown" in answer.stderr or "Permission denied" in answer.stderr:
        pytest.skip("systemd-sysusers needs root")
    assert answer.returncode == 0, answer.stderr
    assert "fieldgate:" in (tmp_path / "etc/passwd").read_text()
    assert "dialout:x:20:fieldgate" in (tmp_path / "etc/group").read_text()
    modes = {}
    for line in (SYSTEMD / "fieldgate.tmpfiles").read_text().splitlines():
        if line.startswith("d "):
            _, folder, mode, user, group, _ = line.split()
            modes[folder] = (mode, user, group)
    assert modes["/etc/fieldgate"] == ("0750", "root", "fieldgate")
    assert modes["/etc/fieldgate/credentials"] == ("0700", "root", "root")


RULE = re.compile(
    r"""(?:[A-Z_]+(?:\{[^}]+\})?(?:==|!=|=|\+=|:=)"[^"]*"(?:,\s*|$))+""",
)


def test_every_udev_rule_has_the_form_of_one() -> None:
    text = (SYSTEMD / "70-fieldgate.rules").read_text().replace("\\\n", "")
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert [rule for rule in rules if not RULE.fullmatch(rule)] == []
    gotos = set(re.findall(r'GOTO="(\w+)"', text))
    assert gotos == set(re.findall(r'LABEL="(\w+)"', text))
    # after 60-serial.rules, which finds out the names used here
    assert "70-fieldgate.rules" > "60-serial.rules"


def test_example_drop_ins_are_complete_files() -> None:
    for path in DROP_INS:
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(path.read_text())
        assert parser.sections(), path.name
        assert path.read_text().startswith(f"# /etc/systemd/system/fieldgate.service.d/{path.name}\n")


def test_kernel_settings_are_ones_that_a_kernel_has() -> None:
    settings = keys((SYSTEMD / "fieldgate.sysctl").read_text())
    assert settings
    for key, (value,) in settings.items():
        assert Path("/proc/sys", *key.strip().split(".")).exists(), key
        assert int(value) > 0
