"""Help is there before anything else is: no site file, no port, no log; and wrong usage says what is right."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import COMMANDS, application
from tests.gateway.cli.process import together
from tests.gateway.cli.terminal import Terminal


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_says_what_it_does_and_shows_how_it_is_called(name: str) -> None:
    result = CliRunner().invoke(application(name), [name, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    assert f"Usage: fieldgate {name}" in words or f"Usage: root {name}" in words, words
    assert f"fieldgate {name}" in words.partition("Examples")[2], "an example teaches more than a list of options"


def test_help_needs_nothing_and_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    told, version, nothing, misspelt, option, missing = together(
        ("--help",), ("--version",), (), ("chekc", "x"), ("check", "--jsom", "x"), ("plan",), cwd=tmp_path
    )
    assert (told.code, version.code, nothing.code) == (0, 0, 2)
    assert all(name in told.out for name in COMMANDS)
    assert version.out.startswith("fieldgate ")
    assert (misspelt.code, option.code, missing.code) == (2, 2, 2)
    assert "check" in misspelt.err.replace("chekc", "")
    assert "--json" in option.err
    assert "SITE" in missing.err
    assert "Traceback" not in told.err + nothing.err + misspelt.err + option.err + missing.err


def test_colours_are_for_terminals() -> None:
    """test_plan.py has the other half: none in a pipe."""
    terminal = Terminal("--help")
    try:
        assert terminal.ended() == 0
        assert "\x1b[" in terminal.raw
        assert "demo" in terminal.text
    finally:
        terminal.close()
