"""A serial port on the loop: opened by its stable path, exclusive, read by `add_reader`.

pyserial sets the port up; bytes then go through the file descriptor, so that nothing blocks and the same code
serves pseudo-terminals. An adapter that is pulled out shows as end of file, hang-up or EIO: all mean "lost".
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import serial
import serial.rs485

from drivers.errors import LineDown
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec

OPEN_LIMIT_S = 3.0
"""Some USB adapters answer their set-up requests slowly; longer than this is a broken one."""
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class SerialWire:
    """An open port."""

    def __init__(self, port: serial.Serial, received: Received, lost: Lost) -> None:
        self._port = port
        self._fd = port.fileno()
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._closed = False
        self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes) -> None:
        """Send; what the driver's buffer does not take follows when it is writable again."""
        if self._closed:
            return
        if self._unsent:
            self._unsent += data
            return
        sent = self._send(data)
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(self._fd, self._writable)

    def close(self) -> None:
        """Close the port; `lost` is not called."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._port.close()

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._gone(error.strerror or str(error))
            return len(data)

    def _writable(self) -> None:
        self._unsent = self._unsent[self._send(self._unsent) :]
        if not self._unsent and not self._closed:
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(error.strerror or str(error))
            return
        if data:
            self._received(data)
        else:
            self._gone("the adapter is gone")

    def _gone(self, why: str) -> None:
        if not self._closed:
            path = self._port.port
            self.close()
            self._lost(f"{path}: {why}")


async def open_serial(spec: LineSpec, received: Received, lost: Lost) -> Wire:
    """Open the port. Raises LineDown, naming it and whoever holds it."""
    try:
        async with asyncio.timeout(OPEN_LIMIT_S):
            port = await asyncio.to_thread(_open, spec)
    except TimeoutError:
        raise LineDown(f"{spec.path}: did not open within {OPEN_LIMIT_S:g} s") from None
    return SerialWire(port, received, lost)


def _open(spec: LineSpec) -> serial.Serial:
    assert spec.path is not None
    extra: dict[str, Any] = {}
    try:
        port = serial.Serial(
            spec.path,
            baudrate=spec.baudrate,
            bytesize=spec.bytesize,
            parity=_PARITY[spec.parity],
            stopbits=spec.stopbits,
            timeout=0,
            exclusive=True,
            **extra,
        )
    except serial.SerialException as error:
        raise LineDown(f"{spec.path}: {_reason(spec.path, error)}") from error
    except (OSError, ValueError) as error:
        raise LineDown(f"{spec.path}: {error}") from error
    if spec.rs485 == "kernel":
        port.rs485_mode = serial.rs485.RS485Settings()
    _shorten_latency(spec.path)
    return port


def _reason(path: str, error: serial.SerialException) -> str:
    if not os.path.exists(path):
        return "no such device"
    if holder := _holder(path):
        return f"held by {holder}"
    return os.strerror(error.errno) if error.errno else str(error)


def _holder(path: str) -> str | None:
    """`name (pid)` of another process that has the device open, as far as /proc tells."""
    device = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(fd) == device for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # another user's process, or one that has just ended
    return None


def _shorten_latency(path: str) -> None:
    """FTDI adapters hold input back for 16 ms; 1 ms is the shortest (AN232B-04). Not settable elsewhere."""
    timer = Path("/sys/bus/usb-serial/devices") / os.path.basename(os.path.realpath(path)) / "latency_timer"
    try:
        if timer.exists():
            timer.write_text("1")
    except OSError:
        pass  # the udev rule sets it where the service may not
