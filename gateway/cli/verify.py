"""`fieldgate verify FILE|LOG|BROKER`"""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.site import AsJson

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.evidence.report import Report


def command(
    record: Annotated[
        str,
        typer.Argument(
            metavar="FILE|LOG|BROKER",
            help="A recorded feed, a log file, a signed bundle, or mqtt://host:port to listen to.",
            show_default=False,
        ),
    ],
    key: Annotated[str | None, typer.Option(help="The gateway's public key (64 hex digits): proves origin.")] = None,
    topic: Annotated[str, typer.Option(help="On a broker: what to listen to.")] = "fieldgate/v1/#",
    seconds: Annotated[float, typer.Option(help="On a broker: how long to listen; Ctrl-C ends earlier.")] = 60.0,
    username: Annotated[str | None, typer.Option(help="User at the broker.")] = None,
    password_file: Annotated[str | None, typer.Option(help="File with the password.")] = None,
    ca_file: Annotated[str | None, typer.Option(help="Certificates that sign the broker's (mqtts://).")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a feed has no gap, no double, no edit, right signatures and daily sums that agree with its samples.

    Record a feed with `mosquitto_sub -v -t 'fieldgate/v1/#' -F '%U %t %x' > feed.txt`. Without --key the report says
    "consistent, origin unproven". Exit code 0 when nothing was found, 1 on any finding.
    """
    import json
    import sys
    import time

    if key is not None and (len(key) != 64 or not all(digit in "0123456789abcdefABCDEF" for digit in key)):
        typer.echo("--key is 64 hex digits; `fieldgate key SITE` prints it", err=True)
        raise typer.Exit(2)
    if record.startswith(("mqtt://", "mqtts://")):
        report = _listen(record, key, topic, seconds, username, password_file, ca_file)
    else:
        report = _read(record, key, show=sys.stderr.isatty() and not as_json)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        typer.echo(report.text(record, int(time.time() * 1000)), nl=False)
    raise typer.Exit(0 if report.consistent else 1)


def _read(record: str, key: str | None, show: bool) -> "Report":
    from pathlib import Path

    from rich.progress import Progress

    from gateway.evidence.check import check_feed
    from gateway.evidence.sources import open_record
    from gateway.log.archive import NoLog

    try:
        if (other := _other(Path(record))) is not None:
            typer.echo(f"{record} {other}", err=True)
            raise typer.Exit(2)
        with Progress(disable=not show, transient=True) as progress:
            task = progress.add_task("reading")
            items = open_record(Path(record), lambda done, total: progress.update(task, completed=done, total=total))
            return check_feed(items, key)
    except (NoLog, OSError) as error:
        typer.echo(f"{record}: {getattr(error, 'strerror', None) or error}", err=True)
        raise typer.Exit(1) from None


def _other(path: "Path") -> str | None:
    """What a file is that people take for a record, and what to give instead; None for what may be one."""
    if path.is_dir():
        return None
    with path.open("rb") as file:
        begins = file.read(len(_CSV))
    if path.suffix in (".yaml", ".yml"):
        return "is a settings file; verify takes the log it names (`log: {path: …}`), a recorded feed or a bundle"
    if begins == _CSV:
        return "is a CSV export, which proves nothing; make a bundle: `fieldgate export SITE -f bundle -o FILE`"
    return None


_CSV = b"instrument,point,time,"
"""How gateway/evidence/export.py begins a table."""


def _listen(
    url: str,
    key: str | None,
    topic: str,
    seconds: float,
    username: str | None,
    password_file: str | None,
    ca_file: str | None,
) -> "Report":
    import asyncio
    from contextlib import aclosing
    from urllib.parse import urlsplit

    from gateway.broker import Address, ConnectFailed, Lost, SubscriptionRefused, listen
    from gateway.cli.ending import until_interrupted
    from gateway.evidence.check import FeedCheck, check_messages

    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    address = Address(
        parts.hostname or "",
        parts.port or (8883 if tls else 1883),
        tls=tls,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
    )
    check = FeedCheck(key)

    async def gather() -> None:
        async with aclosing(listen(address, topic)) as messages:
            await check_messages(((message.topic, message.payload) async for message in messages), key, check)

    async def for_a_while() -> None:
        listening = asyncio.create_task(gather())
        ended = asyncio.create_task(until_interrupted())
        try:
            await asyncio.wait((listening, ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
        finally:
            for task in (listening, ended):
                task.cancel()
            await asyncio.gather(listening, ended, return_exceptions=True)

    try:
        asyncio.run(for_a_while())
    except (ConnectFailed, Lost, SubscriptionRefused) as error:
        typer.echo(f"{url}: {error}", err=True)
        raise typer.Exit(1) from None
    return check.report()
