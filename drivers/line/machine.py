"""The machine itself as a line: files of sysfs, channels of industrial I/O, GPIO inputs. A Wire for line.py.

A request is one line of text, its answer another; reading may take a while (a 1-wire thermometer converts for 0.75 s),
so it is done in a thread, one at a time.

    file class/thermal/thermal_zone0/temp         below /sys
    found class/hwmon rpi_volt in0_lcrit_alarm    the file of that name in the folder whose `name` or `type` is rpi_volt
    iio ads1115 in_voltage0                       `input N`, or `raw N scale N offset N`
    gpio gpiochip0 17 4                           `0` or `1`; the last number is the flags of gpio.py

An answer begins with `=`, or with `!`, an error number and the reason.
"""

import asyncio
import errno
import os
from pathlib import Path

from drivers.errors import LineDown
from drivers.line.gpio import Inputs
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec

LONGEST = 256
"""Bytes of a value; sysfs files are one line."""


class Machine:
    """The sources below one root directory. Blocking; raises OSError."""

    def __init__(self, root: Path) -> None:
        self._sys = root / "sys"
        self._inputs = Inputs(root)

    def answer(self, request: str) -> str:
        """The text of the source."""
        kind, *words = request.split(" ")
        if kind == "file":
            return self._read(self._inside(words[0]))
        if kind == "found":
            return self._read(self._folder(words[0], words[1]) / words[2])
        if kind == "iio":
            return self._channel(self._folder("bus/iio/devices", words[0]), words[1])
        chip, offset, flags = words
        return "1" if self._inputs.read(chip, int(offset), int(flags)) else "0"

    def close(self) -> None:
        """Give back what is held."""
        self._inputs.close()

    def _inside(self, relative: str) -> Path:
        path = self._sys / relative
        if os.path.isabs(relative) or ".." in Path(relative).parts:
            raise PermissionError(errno.EACCES, "a file below /sys is meant", relative)
        return path

    def _folder(self, place: str, name: str) -> Path:
        """The folder below `place` that is called so: by its own name, or by what its `name` or `type` says."""
        for folder in sorted(self._inside(place).glob("*")):
            if folder.name == name:
                return folder
            for label in ("name", "type"):
                file = folder / label
                if file.is_file() and self._read(file) == name:
                    return folder
        raise FileNotFoundError(errno.ENOENT, f"nothing below {place} is called so", name)

    def _channel(self, folder: Path, channel: str) -> str:
        """A channel that gives its value, or what makes it: (raw + offset) x scale."""
        if (ready := folder / f"{channel}_input").is_file():
            return f"input {self._read(ready)}"
        raw = self._read(folder / f"{channel}_raw")
        kind = channel.rstrip("0123456789")  # in_voltage_scale serves all in_voltageN
        scale = self._first(folder, f"{channel}_scale", f"{kind}_scale") or "1"
        offset = self._first(folder, f"{channel}_offset", f"{kind}_offset") or "0"
        return f"raw {raw} scale {scale} offset {offset}"

    def _first(self, folder: Path, *names: str) -> str | None:
        return next((self._read(folder / name) for name in names if (folder / name).is_file()), None)

    @staticmethod
    def _read(path: Path) -> str:
        with path.open("rb") as file:
            return file.read(LONGEST).decode("utf-8", "replace").strip().replace("\n", " ")


class MachineWire:
    """See Wire: what is written is a request, what is received its answer."""

    def __init__(self, machine: Machine, received: Received) -> None:
        self._machine = machine
        self._received = received
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._one = asyncio.Lock()

    def write(self, data: bytes) -> None:
        """Answer one request, in its own time."""
        task = asyncio.create_task(self._answer(data.decode()), name="host sensor")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: str) -> None:
        async with self._one:
            try:
                text = "=" + await asyncio.to_thread(self._machine.answer, request)
            except OSError as error:
                where = f"{error.filename}: " if error.filename is not None else ""
                text = f"!{error.errno or 0} {where}{error.strerror or error}"
        if not self._closed:
            self._received(text.encode())

    def close(self) -> None:
        """Give back what is held; a read under way ends by itself and is not heard."""
        self._closed = True
        self._machine.close()


async def open_machine(spec: LineSpec, received: Received, lost: Lost) -> Wire:
    """The machine below `spec.path`. Raises LineDown where there is no /sys."""
    assert spec.path is not None
    root = Path(spec.path)
    if not (root / "sys").is_dir():
        raise LineDown(f"{root / 'sys'}: no such directory")
    return MachineWire(Machine(root), received)
