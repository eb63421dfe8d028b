"""Transcripts on disk: their bound, what a full disk does to them, several connections, and an end in the middle."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Sample
from drivers.line.transcript import Transcript, read
from drivers.profile import LineSpec
from gateway import recording
from gateway.reading import Reading
from gateway.recording import Recorder


class Line:
    transcript: Transcript | None = None


@dataclass
class Bus:
    """What a recorder knows of a line."""

    spec: LineSpec
    line: Line
    drivers: dict[str, None]


def started(folder: Path) -> tuple[Recorder, Line]:
    line = Line()
    buses: Any = {"bus": Bus(LineSpec(name="bus", kind="tcp", host="192.0.2.1", port=502), line, {"one": None})}
    recorder = Recorder(folder)
    recorder.begin(buses, "none")
    return recorder, line


def poll(recorder: Recorder, line: Line, value: int) -> None:
    assert line.transcript is not None
    line.transcript.sent(b"?")
    line.transcript.received(bytes([value]))
    recorder.take(Reading("one", ("value",), 0, 0, Sample((value,)), 0.0))


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("bus-*.transcript"))


def test_recordings_of_a_line_stay_within_their_bound_over_all_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "MOST_BYTES", 4000)
    (tmp_path / "bus-2-20260101T000000.0Z.transcript").write_text("x" * 4000)  # another line's, with a like name
    for _ in range(4):
        recorder, line = started(tmp_path)
        for value in range(20):
            poll(recorder, line, value)
        recorder.end()
    files = sorted(tmp_path.glob("bus-2026[0-9]*.transcript"))
    assert len(files) == 4
    assert 3800 < sum(file.stat().st_size for file in files) <= 4000
    assert "this one ends" in caplog.text
    texts = [file.read_text("utf-8").splitlines(keepends=True) for file in files]
    kept = [piece.data[0] for text in texts for piece in read(text).pieces if piece.mark == "<<"]
    assert kept[:20] == list(range(20)), "what fits is whole"


@contextmanager
def no_file_longer_than(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_file_that_cannot_be_written_ends_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), no_file_longer_than(20_000):
        recorder, line = started(tmp_path)
        for value in range(1000):
            poll(recorder, line, value % 256)
        recorder.end()
    assert size(tmp_path) <= 20_000
    assert "File too large; this recording ends here" in caplog.text


def test_recording_that_was_cut_off_is_read_up_to_its_last_whole_line() -> None:
    rows = ["# line bus\n", "1.0 >> 01 03\n", "1.1 << [12] 01 03 02\n", "1.2 << 01 0"]
    pieces = read(rows).pieces
    assert [(piece.mark, piece.peer, piece.data.hex()) for piece in pieces] == [(">>", 0, "0103"), ("<<", 12, "010302")]
    with pytest.raises(ValueError, match="line 3"):
        read([*rows[:2], "1.1 << [x] 01\n"])
