"""Writes down what goes over the lines of a site, and what each poll made of it: one transcript a line."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import orjson

from drivers.contract import Flag, Value
from drivers.line.transcript import Transcript
from gateway.fieldbus import Fieldbus
from gateway.reading import Reading

logger = logging.getLogger("fieldgate.recording")

MOST_BYTES = 1 << 30
"""Of one line in one folder, all starts together; a 9,600-baud line that never rests writes about 250 MB a day."""
TIME = "[0-9]" * 8 + "T" + "[0-9]" * 6 + ".*Z"


class Recorder:
    """Transcripts of one start of a site in one folder, named by line and time. Nothing is ever overwritten.

    Files of a line that are in the folder already count towards its bound, so that restarts do not fill the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self._out: dict[str, _Paper] = {}
        self._buses: Mapping[str, Fieldbus] = {}
        self._lines: dict[str, str] = {}

    def begin(self, buses: Mapping[str, Fieldbus], configuration: str) -> None:
        """Record these lines from now on. Raises OSError."""
        self.end()
        self.folder.mkdir(parents=True, exist_ok=True)
        began = datetime.now(UTC)
        for name, bus in buses.items():
            file = self.folder / f"{name}-{began:%Y%m%dT%H%M%S.%f}Z.transcript"
            before = sum(one.stat().st_size for one in self.folder.glob(f"{name}-{TIME}.transcript"))
            self._out[name] = _Paper(file, MOST_BYTES - before)
            self.files[name] = file
            transcript = Transcript(self._out[name])
            where = bus.spec.path if bus.spec.path is not None else f"{bus.spec.kind}:{bus.spec.host}:{bus.spec.port}"
            notes = {"line": name, "endpoint": where, "began": began.isoformat(), "configuration": configuration}
            for word, value in notes.items():
                transcript.note(word, str(value))
            if bus.spec.framing is not None:
                transcript.note("framing", bus.spec.framing)
            bus.line.transcript = transcript
        self._buses = buses
        self._lines = {instrument: name for name, bus in buses.items() for instrument in bus.drivers}

    def take(self, reading: Reading) -> None:
        """A poll has been made, or left out."""
        name = self._lines[reading.instrument]
        transcript = self._buses[name].line.transcript
        assert transcript is not None
        transcript.made(reading.instrument, made(reading))

    def end(self) -> None:
        """Close the transcripts."""
        for name, bus in self._buses.items():
            bus.line.transcript = None
            self._out[name].close()
        self._buses, self._out = {}, {}


class _Paper:
    """One transcript's file: bounded, and never the reason why a reading is lost."""

    def __init__(self, path: Path, left: int) -> None:
        """At most `left` bytes. Raises OSError."""
        self._path = path
        self._file: TextIO | None = path.open("x", encoding="utf-8")
        self._left = left

    def write(self, text: str) -> None:
        """Add this; nothing happens any more once the file is full or cannot be written."""
        if self._file is None:
            return
        self._left -= len(text.encode())
        if self._left < 0:
            words = "%s: the recordings of this line here have %d MiB; this one ends"
            logger.warning(words, self._path, MOST_BYTES >> 20)
            self.close()
            return
        try:
            self._file.write(text)
        except OSError as error:
            logger.warning("%s: %s; this recording ends here", self._path, error.strerror)
            self.close()

    def close(self) -> None:
        """What can be written is; never raises."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                logger.warning("%s: its end is missing: %s", self._path, error.strerror)


def made(reading: Reading) -> str:
    """Values, flags and reasons of a poll as one line of JSON."""
    sample = reading.sample
    parts: dict[str, Mapping[str, Value | Flag]] = {
        "values": dict(zip(reading.points, sample.values, strict=True)),
        "flags": {reading.points[at]: flag for at, flag in sample.flags.items()},
        "why": {reading.points[at]: why for at, why in sample.why.items()},
    }
    return orjson.dumps({name: part for name, part in parts.items() if part or name == "values"}).decode()
