"""`fieldgate key SITE`"""

import typer

from gateway.cli.site import AsJson, ConfigDirectory, SiteFile


def command(site: SiteFile, config_dir: ConfigDirectory = None, as_json: AsJson = False) -> None:
    """Print the gateway's public key, with which `fieldgate verify --key` proves where a feed comes from.

    The private key is made at the first start beside the log (or at `log: {key_file: …}`). Keep a copy of it: a
    gateway with another key is, to those who pinned the old one, another gateway.
    """
    import json
    from pathlib import Path

    from gateway.cli.site import load_or_exit
    from gateway.signing import KeyDamaged, Signer

    loaded = load_or_exit(site, config_dir)
    assert loaded.log.key_file is not None
    file = Path(loaded.log.key_file)
    try:
        signer = Signer.load(file)
    except FileNotFoundError:
        typer.echo(f"{file}: no key yet; `fieldgate run {site}` makes it at its first start", err=True)
        raise typer.Exit(1) from None
    except (KeyDamaged, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps({"gateway": loaded.gateway_id, "key": signer.key}) if as_json else signer.key)
