"""`fieldgate check SITE`"""

import typer

from gateway.cli.site import AsJson, ConfigDirectory, SiteFile


def command(site: SiteFile, config_dir: ConfigDirectory = None, as_json: AsJson = False) -> None:
    """Check a site file and everything it names: every problem at once, as file:line:column and what to write instead.

    Nothing is opened and nothing is started. Exit code 0 when the gateway would start, 78 when it would not.
    """
    import json
    from dataclasses import asdict

    from gateway.cli.console import counted
    from gateway.cli.site import EXIT_WRONG_CONFIGURATION, refuse
    from gateway.settings import SettingsError, load

    try:
        loaded = load(site, config_dir)
    except SettingsError as error:
        if not as_json:
            refuse(error)
        typer.echo(json.dumps({"ok": False, "problems": [asdict(problem) for problem in error.problems]}))
        raise typer.Exit(EXIT_WRONG_CONFIGURATION) from None
    points = sum(len(instrument.points) for instrument in loaded.instruments)
    if as_json:
        summary = {
            "ok": True,
            "problems": [asdict(problem) for problem in loaded.warnings],
            "gateway": loaded.gateway_id,
            "configuration": loaded.hash,
            "lines": len(loaded.lines),
            "instruments": len(loaded.instruments),
            "points": points,
            "uplinks": len(loaded.uplinks),
        }
        typer.echo(json.dumps(summary))
        return
    for warning in loaded.warnings:
        typer.echo(str(warning), err=True)
    typer.echo(
        f"{site}: good. {counted(len(loaded.lines), 'line')}, {counted(len(loaded.instruments), 'instrument')}, "
        f"{counted(points, 'point')}, {counted(len(loaded.uplinks), 'uplink')}; configuration {loaded.hash[:12]}."
    )
