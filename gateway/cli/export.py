"""`fieldgate export SITE|LOG`"""

from datetime import datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.site import ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.log.archive import Archive, Row
    from gateway.settings import Site


class Form(StrEnum):
    """What an export looks like."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    BUNDLE = "bundle"


def command(
    source: Annotated[
        Path, typer.Argument(metavar="SITE|LOG", help="The site file, or a log file.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="From this time, such as 2026-11-23T08:00.")] = None,
    to: Annotated[str | None, typer.Option(help="Up to this time, not including it.")] = None,
    instrument: Annotated[list[str] | None, typer.Option(help="Only this instrument; may be repeated.")] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="csv, jsonl, or a signed bundle.")] = Form.CSV,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    config_dir: ConfigDirectory = None,
) -> None:
    """Take a time range out of the log, while the gateway runs or not.

    Times without a zone are the site's local time (UTC for a log file). A bundle is a ZIP of the batches as they were
    committed, with hashes and a signature, for a USB stick; `fieldgate verify` accepts it and names any change.
    """
    from gateway.log.archive import Archive, NoLog, is_log

    try:
        site = None if is_log(source) else _site(source, config_dir)
    except OSError as error:
        typer.echo(f"{source}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    log = Path(site.log.path) if site is not None else source
    zone = _zone(site)
    from_ms, to_ms = _moment(since, zone, 0), _moment(to, zone, 1 << 62)
    if from_ms >= to_ms:
        typer.echo(f"--from {since} is not before --to {to}: nothing lies between them", err=True)
        raise typer.Exit(2)
    form = Form.JSON_LINES if as_json else form
    if form is Form.BUNDLE and (site is None or out is None):
        typer.echo("a bundle needs the site file (for the key) and --out FILE", err=True)
        raise typer.Exit(2)
    try:
        with Archive(log) as archive:
            if form is Form.BUNDLE:
                assert site is not None
                assert out is not None
                _bundle(archive, site, out, from_ms, to_ms)
            else:
                _values(archive, site, out, from_ms, to_ms, frozenset(instrument or ()), form)
    except BrokenPipeError:  # whoever reads has had enough; no fault of the log
        raise
    except (NoLog, OSError) as error:
        typer.echo(f"{getattr(error, 'filename', None) or log}: {getattr(error, 'strerror', None) or error}", err=True)
        raise typer.Exit(1) from None


def _site(source: Path, config_dir: Path | None) -> "Site":
    from gateway.cli.site import load_or_exit

    return load_or_exit(source, config_dir)


def _zone(site: "Site | None") -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(site.timezone if site is not None else "UTC")


def _moment(text: str | None, zone: tzinfo, default_ms: int) -> int:
    if text is None:
        return default_ms
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        typer.echo(f"{text!r} is no time; write 2026-11-23, 2026-11-23T08:00 or 2026-11-23T08:00+08:00", err=True)
        raise typer.Exit(2) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _rows(archive: "Archive") -> "Iterator[Row]":
    """All rows, with a progress bar where someone watches."""
    import sys

    from rich.console import Console
    from rich.progress import track

    first, last = archive.span()
    watched = sys.stderr.isatty()
    return iter(
        track(
            archive.rows(),
            "reading the log",
            total=last - first + 1,
            console=Console(stderr=True),
            disable=not watched,
            transient=True,
        )
    )


def _values(
    archive: "Archive",
    site: "Site | None",
    out: Path | None,
    from_ms: int,
    to_ms: int,
    instruments: frozenset[str],
    form: Form,
) -> None:
    import contextlib
    import io
    import sys

    from gateway.cli.console import counted
    from gateway.evidence.export import Wanted, export_rows, write_csv, write_json_lines

    damaged: list[str] = []
    rows = export_rows(_rows(archive), Wanted(from_ms, to_ms, instruments), _units(site), damaged.append)
    with contextlib.ExitStack() as stack:
        target = sys.stdout.buffer if out is None else stack.enter_context(out.open("wb"))
        if form is Form.CSV:
            text = io.TextIOWrapper(target, "utf-8", newline="")
            count = write_csv(rows, text)
            text.flush()
            text.detach()
        else:
            count = write_json_lines(rows, target)
        target.flush()
    typer.echo(counted(count, "value"), err=True)
    if not count and instruments:
        known = f"; the site file has {', '.join(spec.id for spec in site.everything)}" if site is not None else ""
        typer.echo(f"nothing of {', '.join(sorted(instruments))} lies in this range{known}", err=True)
    _refuse_damage(archive, damaged)


def _bundle(archive: "Archive", site: "Site", out: Path, from_ms: int, to_ms: int) -> None:
    import time

    from gateway.cli.console import counted
    from gateway.evidence.bundle import write_bundle
    from gateway.evidence.export import bundle_span
    from gateway.signing import Signer

    assert site.log.key_file is not None
    signer = Signer.load(Path(site.log.key_file))
    first, last = bundle_span(archive.rows(), from_ms, to_ms)
    rows = (row for row in _rows(archive) if first <= row.position <= last)
    count = write_bundle(out, rows, site.gateway_id, signer, int(time.time() * 1000))
    typer.echo(f"{out}: {counted(count, 'batch', 'batches')}, signed by {signer.key}", err=True)
    _refuse_damage(archive, [])


def _units(site: "Site | None") -> "Mapping[tuple[str, str], str]":
    if site is None:
        return {}
    return {(spec.id, point.id): point.unit or "" for spec in site.everything for point in spec.points}


def _refuse_damage(archive: "Archive", damaged: list[str]) -> None:
    """What could not be exported is said, and the exit code tells."""
    damaged += [f"positions {first}-{last}: the log's pages are damaged" for first, last in archive.damaged]
    for text in damaged:
        typer.echo(text, err=True)
    if damaged:
        raise typer.Exit(1)
