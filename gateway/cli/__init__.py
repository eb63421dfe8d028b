"""The command line: one small file a command. Each is imported only when it is asked for, so `run` starts fast."""

from importlib import import_module
from typing import Annotated

import typer

from gateway.cli.examples import epilog

COMMANDS = {
    "run": "Run the gateway for one site until SIGTERM.",
    "check": "Check a site file and everything it names; every problem at once.",
    "plan": "Show requests, time on the wire and load of each line, before deployment.",
    "read": "Poll once and show a table.",
    "demo": "See it work with no hardware: simulated sites, a broker, the gateway, the status page.",
    "simulate": "Serve a site's instruments as simulators.",
    "status": "Ask a running gateway how it is.",
    "verify": "Prove that a feed, a log or a bundle has no gap, double or edit.",
    "export": "Take a time range out of the log: CSV, JSON lines or a signed bundle.",
    "scan": "Find who answers on a line, and the profile that fits.",
    "doctor": "Say what is wrong with a line, and what to do about it.",
    "record": "Write down every byte on the wire and what was made of it.",
    "replay": "Try a configuration on recorded traffic and show every difference.",
    "orders": "Show what unknown registers mean in every type and byte order.",
    "address": "Give an SDI-12 sensor another address.",
    "key": "Print the gateway's public key.",
    "schema": "Print the JSON Schema of the site file, for editors.",
}
"""Name (as its file in this folder) and first line of its help."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"fieldgate {version('fieldgate')}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Edge gateway for field instruments: polls them, keeps every reading in a local log, forwards it over MQTT.

    First steps: `fieldgate demo`, then `fieldgate check SITE`, `fieldgate read SITE`, `fieldgate run SITE`.
    """


def _flowing(docstring: str) -> str:
    """Paragraphs without the source's line breaks, so that they fill whatever width the terminal has."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


def application(wanted: str | None) -> typer.Typer:
    """The typer application with only the wanted command imported, or with all of them for help."""
    app = typer.Typer(
        name="fieldgate", callback=_root, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.callback()(_root)
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        command = import_module(f"gateway.cli.{name}").command
        app.command(name, help=_flowing(command.__doc__), short_help=COMMANDS[name], epilog=epilog(name))(command)
    return app
