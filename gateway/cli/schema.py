"""`fieldgate schema`"""

import typer


def command() -> None:
    """Print the JSON Schema of the site file, for editors that complete and check as you type.

    With VS Code and its YAML extension: `fieldgate schema > site.schema.json`, then put
    `# yaml-language-server: $schema=site.schema.json` on the first line of the site file.
    """
    import json

    from gateway.settings.schema import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
