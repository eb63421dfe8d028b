"""`fieldgate replay RECORDING SITE`"""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.site import AsJson, ConfigDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.line.transcript import Recording
    from gateway.replay import Difference, Found, Made
    from gateway.settings import Site


def command(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="A transcript, or a folder of them.", show_default=False)
    ],
    site: Annotated[Path, typer.Argument(metavar="SITE", help="The site file to try on it.", show_default=False)],
    against: Annotated[
        Path | None, typer.Option(metavar="SITE", help="Compare with this site file instead of the recorded values.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="Line of the site; default: as the transcript says.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the count for each point.")] = False,
    config_dir: ConfigDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show what a configuration makes of recorded traffic, and every value that is not as it was.

    Nothing is opened and nothing is sent. The new configuration may read other points in other blocks: registers come
    from whatever was read in the same poll. A transcript without values (of another tool) is shown as values.
    Exit code 0 when nothing differs, 1 when something does.
    """
    import asyncio
    import json

    from gateway.cli.site import load_or_exit

    if site.is_dir() or site.suffix == ".transcript":
        typer.echo(f"{site} is a recording; the recording comes first: fieldgate replay RECORDING SITE", err=True)
        raise typer.Exit(2)
    new = load_or_exit(site, config_dir)
    old = load_or_exit(against, config_dir) if against is not None else None
    found: list[Difference] = []
    values: list[Made] = []
    count = 0
    for file in _files(recording):
        transcript = _read(file)
        name = line or transcript.notes.get("line", "")
        try:
            now = asyncio.run(_made(new, name, transcript, site))
            was = asyncio.run(_made(old, name, transcript, against)) if old is not None else _then(transcript)
        except ValueError as error:
            typer.echo(f"{file}: {error}", err=True)
            raise typer.Exit(1) from None
        from gateway.replay import differences

        count += len(now)
        if was:
            found += differences(was, now)
        else:
            values += now
    if as_json:
        typer.echo(json.dumps({"polls": count, "differences": [_difference(one) for one in found],
                               "values": [_values(one) for one in values]}, ensure_ascii=False))  # fmt: skip
    else:
        _print(count, found, values, summary)
    raise typer.Exit(1 if found else 0)


def _files(recording: Path) -> "list[Path]":
    files = sorted(recording.glob("*.transcript")) if recording.is_dir() else [recording]
    if not files:
        typer.echo(f"{recording}: no transcript (*.transcript) in this folder", err=True)
        raise typer.Exit(1)
    return files


def _read(file: Path) -> "Recording":
    from drivers.line.transcript import read

    try:
        with file.open(encoding="utf-8") as lines:
            return read(lines)
    except (OSError, ValueError) as error:
        typer.echo(f"{file}: {getattr(error, 'strerror', None) or error}", err=True)
        raise typer.Exit(1) from None


def _then(transcript: "Recording") -> "list[Made]":
    from gateway.replay import recorded

    return list(recorded(transcript.pieces))


async def _made(site: "Site", name: str, transcript: "Recording", file: Path | None) -> "list[Made]":
    from gateway.replay import replayed

    if name not in site.lines:
        said = f"{file} has no line {name!r}" if name else "the transcript does not name its line"
        raise ValueError(f"{said}; say which with --line: {', '.join(site.lines)}")
    framing = transcript.notes.get("framing")
    line = site.lines[name]
    if framing is not None:
        line = type(line).model_validate({**line.model_dump(), "framing": framing})
    instruments = [spec for spec in site.instruments if spec.line == name]
    return [one async for one in replayed(line, instruments, transcript.pieces)]


def _shown(found: "Found | None") -> str:
    if found is None:
        return "(not read)"
    value, flag = found
    return f"{'-' if value is None else value!r}{'' if flag == 'N' else f' [{flag}]'}"


def _print(count: int, found: "Sequence[Difference]", values: "Sequence[Made]", summary: bool) -> None:
    from gateway.cli.console import counted

    by_point: dict[str, list[Difference]] = defaultdict(list)
    for one in found:
        by_point[f"{one.instrument}.{one.point}"].append(one)
        if not summary:
            typer.echo(f"{one.at_s:.3f} s  {one.instrument}.{one.point}: {_shown(one.was)} -> {_shown(one.now)}")
    for made in values:
        points = "  ".join(f"{name} {_shown(value)}" for name, value in made.points.items())
        typer.echo(f"{made.at_s:.3f} s  {made.instrument}: {points}")
    if summary:
        for name, several in by_point.items():
            first = several[0]
            typer.echo(
                f"{name}: {counted(len(several), 'poll differs', 'polls differ')}, the first at {first.at_s:.3f} s: "
                f"{_shown(first.was)} -> {_shown(first.now)}"
            )
    told = "no difference" if not found else f"{counted(len(found), 'difference')} of {counted(len(by_point), 'point')}"
    typer.echo(f"{counted(count, 'poll')} replayed: {'values shown' if values and not found else told}", err=True)


def _difference(one: "Difference") -> dict[str, Any]:
    both = {"was": one.was, "now": one.now}
    return {"at_s": one.at_s, "instrument": one.instrument, "point": one.point} | {
        name: None if found is None else {"value": found[0], "flag": found[1]} for name, found in both.items()
    }


def _values(one: "Made") -> dict[str, Any]:
    points = {name: {"value": value, "flag": flag} for name, (value, flag) in one.points.items()}
    return {"at_s": one.at_s, "instrument": one.instrument, "points": points}
