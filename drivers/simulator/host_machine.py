"""A simulated machine: a folder with the files of sysfs that its points read, renewed while it is simulated."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from drivers.host.source import HostPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.truth import Truth

RENEWED_S = 0.2
GPIO_LINES = 64
IIO_SCALE = 0.125
"""mV a step, as of an ADS1115 at its usual range."""


class HostMachine:
    """The points of one instrument below `root`. `truth` is told what the files say."""

    def __init__(
        self,
        root: Path,
        instrument: InstrumentSpec,
        behaviour: Behaviour,
        truth: Truth | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._instrument = instrument
        self._points = [point for point in instrument.points if isinstance(point, HostPoint)]
        self._behaviour = behaviour
        self._truth = truth
        self._now = now

    def renew(self) -> None:
        """Write every file anew."""
        now_s = self._now()
        for point, value in zip(self._points, self._behaviour.at(now_s), strict=True):
            if point.gpio is not None:
                self._switch(point, bool(value))
            elif point.is_bool:
                self._write(point, "1" if value else "0")
            elif point.type == "text":
                self._write(point, str(value))
            else:
                raw = (float(value or 0) - point.offset) / point.scale
                self._write(point, str(round(raw / IIO_SCALE)) if point.iio is not None else str(round(raw)))
            if self._truth is not None and (point.is_bool or point.type == "text"):
                self._truth.note(self._instrument.id, point.id, int(now_s * 1000), value)

    def _write(self, point: HostPoint, text: str) -> None:
        sys = self._root / "sys"
        if point.iio is not None:
            folder = sys / "bus/iio/devices" / point.iio
            kind = (point.channel or "").rstrip("0123456789")
            _put(folder / f"{kind}_scale", str(IIO_SCALE))
            _put(folder / f"{point.channel}_raw", text)
        elif point.group is not None:
            _put(sys / point.group / (point.named or "") / (point.file or ""), text)
        else:
            _put(sys / (point.file or ""), text)

    def _switch(self, point: HostPoint, value: bool) -> None:
        device = self._root / "dev" / (point.gpio or "")
        states = list(device.read_text("ascii")) if device.exists() else ["0"] * GPIO_LINES
        assert point.line is not None
        states[point.line] = "1" if value != point.active_low else "0"
        _put(device, "".join(states))


def _put(file: Path, text: str) -> None:
    """Whole at once: whoever reads sees the old text or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text + "\n", "utf-8")
    fresh.replace(file)


async def machine(
    stack: AsyncExitStack,
    line: LineSpec,
    here: Sequence[tuple[InstrumentSpec, Behaviour]],
    truth: Truth | None,
    now: Callable[[], float],
) -> LineSpec:
    """A machine with these instruments until the stack is left; the line as it is now."""
    root = Path(stack.enter_context(TemporaryDirectory(prefix="fieldgate-machine-")))
    (root / "sys").mkdir()
    machines = [HostMachine(root, spec, acting, truth, now) for spec, acting in here]

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEWED_S)
            for one in machines:
                one.renew()

    for one in machines:
        one.renew()
    task = asyncio.create_task(renew(), name=f"machine {line.name}")

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
    return line.model_copy(update={"path": str(root)})
