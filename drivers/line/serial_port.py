"""A serial port, opened by its stable path, for us alone. pyserial sets it up, drivers/line/serial_wire.py reads it."""

import asyncio
import contextlib
import errno
import os
import termios
from pathlib import Path

import serial

from drivers.airtime import character_s
from drivers.errors import LineDown, PortHeld
from drivers.line import rs485
from drivers.line.serial_wire import PARITY, SerialWire
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec

OPEN_LIMIT_S = 3.0
"""Some USB adapters answer their set-up requests slowly; longer than this is a broken one."""


async def open_serial(spec: LineSpec, received: Received, lost: Lost) -> Wire:
    """Open the port. Raises LineDown, naming it; PortHeld, naming whoever holds it."""
    try:
        async with asyncio.timeout(OPEN_LIMIT_S):
            port = await asyncio.to_thread(_open, spec)
    except TimeoutError:
        raise LineDown(f"{spec.path}: did not open within {OPEN_LIMIT_S:g} s") from None
    try:
        if spec.rs485 == "rts":
            return rs485.RtsWire(port, received, lost, character_s(spec))
        if spec.rs485 == "kernel":
            rs485.use_kernel_mode(port)
        return SerialWire(port, received, lost)
    except (OSError, ValueError) as error:
        port.close()
        raise LineDown(f"{spec.path}: {error}") from error


async def held_by_another(spec: LineSpec) -> str | None:
    """Who has the port open for itself, in words that name the port; None when nobody has."""
    try:
        async with asyncio.timeout(OPEN_LIMIT_S):
            port = await asyncio.to_thread(_open, spec)
    except PortHeld as held:
        return held.detail
    except (LineDown, TimeoutError):
        return None  # whatever it is, it may heal
    port.close()
    return None


def _open(spec: LineSpec) -> serial.Serial:
    assert spec.path is not None
    try:
        port = serial.Serial(
            spec.path,
            baudrate=spec.baudrate,
            bytesize=spec.bytesize,
            parity=PARITY[spec.parity],
            stopbits=spec.stopbits,
            timeout=0,
            exclusive=True,
        )
    except serial.SerialException as error:
        if error.errno in (errno.EAGAIN, errno.EBUSY) and (holder := _holder(spec.path)):
            raise PortHeld(f"{spec.path}: held by {holder}") from error
        raise LineDown(f"{spec.path}: {_reason(spec.path, error)}") from error
    except (OSError, ValueError) as error:
        raise LineDown(f"{spec.path}: {error}") from error
    except termios.error as error:  # no OSError; pyserial lets it through
        words = f"takes no {spec.baudrate} baud, {spec.bytesize} bits, parity {spec.parity}, {spec.stopbits} stop bits"
        raise LineDown(f"{spec.path}: {words}: {error.args[-1]}") from error
    _shorten_latency(spec.path)
    return port


def _reason(path: str, error: serial.SerialException) -> str:
    if not os.path.exists(path):
        return "no such device"
    return os.strerror(error.errno) if error.errno else str(error)


def _holder(path: str) -> str | None:
    """`name (pid)` of the process that has locked the device, or else has it open, as far as /proc tells."""
    device = os.path.realpath(path)
    opened = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # another user's process, or one that has just ended
            if any(os.path.realpath(fd) == device for fd in (process / "fd").iterdir()):
                opened.append(process.name)
    locking = _locking(device)
    pid = next((pid for pid in opened if pid in locking), next(iter(locking or opened), None))
    if pid is None:
        return None
    name = "a process"
    with contextlib.suppress(OSError):
        name = Path("/proc", pid, "comm").read_text().strip()
    return f"{name} (pid {pid})"


def _locking(device: str) -> list[str]:
    """Processes with a lock on it: lines such as `1: FLOCK ADVISORY WRITE 4711 00:18:5 0 EOF`."""
    try:
        file = os.stat(device)
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return []
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    return [words[4] for words in locks if words[1] == "FLOCK" and place in words]


def _shorten_latency(path: str) -> None:
    """FTDI adapters hold input back for 16 ms; 1 ms is the shortest (AN232B-04). Not settable elsewhere."""
    timer = Path("/sys/bus/usb-serial/devices") / os.path.basename(os.path.realpath(path)) / "latency_timer"
    try:
        if timer.exists():
            timer.write_text("1")
    except OSError:
        pass  # the udev rule sets it where the service may not
