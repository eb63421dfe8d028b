"""What every command that takes a site file shares: its arguments, and how wrong files are reported."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:  # not every command that shares an argument reads a site file
    from gateway.settings import SettingsError, Site

SiteFile = Annotated[Path, typer.Argument(metavar="SITE", help="The site file, YAML.", show_default=False)]
ConfigDirectory = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        envvar="FIELDGATE_CONFIG",
        help="Your own profiles and quantities, looked up before those that come with fieldgate.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]

EXIT_WRONG_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h; the unit file does not restart on it."""


def load_or_exit(site: Path, config_dir: Path | None) -> "Site":
    """The site, or every problem on standard error and exit 78."""
    from gateway.settings import SettingsError, load

    try:
        loaded = load(site, config_dir)
    except SettingsError as error:
        refuse(error)
    for warning in loaded.warnings:
        typer.echo(str(warning), err=True)
    return loaded


def refuse(error: "SettingsError") -> NoReturn:
    """Print every problem as file:line:column and exit 78."""
    for problem in error.problems:
        typer.echo(str(problem), err=True)
    count = len(error.problems)
    typer.echo(f"{count} problem{'s' if count != 1 else ''}; nothing was started.", err=True)
    raise typer.Exit(EXIT_WRONG_CONFIGURATION)
