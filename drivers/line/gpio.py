"""Digital inputs by the GPIO character device, version 2 of its interface (Linux 5.10, include/uapi/linux/gpio.h).

A line is requested once as an input and held, so that nobody else turns it round; it is given back on `close`. Where
the device is a plain file (a simulated machine) its characters are the lines: `0` or `1` each.
"""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

CONSUMER = b"fieldgate"
_MAGIC = 0xB4
INPUT, ACTIVE_LOW = 1 << 2, 1 << 1
BIAS = {"pull_up": 1 << 8, "pull_down": 1 << 9, "none": 1 << 10}
"""GPIO_V2_LINE_FLAG_…"""
LINE_REQUEST = struct.Struct("=64I32sQI5I240sII5Ii")
"""struct gpio_v2_line_request: offsets, consumer, config (flags, count, padding, attributes), lines, buffer, fd."""
LINE_VALUES = struct.Struct("=QQ")
"""struct gpio_v2_line_values: bits, mask."""
CHIP_INFO = struct.Struct("=32s32sI")
"""struct gpiochip_info: name, label, lines."""


def _ioctl(direction: int, number: int, size: int) -> int:
    """asm-generic/ioctl.h, as on all machines that this runs on."""
    return direction << 30 | size << 16 | _MAGIC << 8 | number


GET_CHIP_INFO = _ioctl(2, 0x01, CHIP_INFO.size)
GET_LINE = _ioctl(3, 0x07, LINE_REQUEST.size)
GET_VALUES = _ioctl(3, 0x0E, LINE_VALUES.size)

Ioctl = Callable[[int, int, bytearray], int]


def kernel(fd: int, request: int, data: bytearray) -> int:
    """The real one; `data` is read and written. Raises OSError."""
    result: int = fcntl.ioctl(fd, request, data, True)
    return result


class Inputs:
    """Inputs of one machine that have been read, by (chip, offset, flags)."""

    def __init__(self, root: Path, ioctl: Ioctl = kernel) -> None:
        self._root = root
        self._ioctl = ioctl
        self._held: dict[tuple[str, int, int], int] = {}

    def read(self, chip: str, offset: int, flags: int) -> bool:
        """Whether the input is active. Raises OSError in words that name the chip."""
        device = self._device(chip)
        if stat.S_ISREG(device.stat().st_mode):
            return _from_file(device, offset, flags)
        key = (chip, offset, flags)
        if key not in self._held:
            self._held[key] = self._request(device, offset, flags)
        data = bytearray(LINE_VALUES.pack(0, 1))
        try:
            self._ioctl(self._held[key], GET_VALUES, data)
        except OSError:
            os.close(self._held.pop(key))  # the chip may have been unplugged: asked for anew the next time
            raise
        return bool(LINE_VALUES.unpack(data)[0] & 1)

    def close(self) -> None:
        """Give every line back."""
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()

    def _device(self, chip: str) -> Path:
        """By device name (gpiochip0) or by label (pinctrl-bcm2711), which stays the same from start to start."""
        device = self._root / "dev" / chip
        if "/" not in chip and device.exists():
            return device
        for candidate in sorted(self._root.glob("dev/gpiochip*")):
            if not stat.S_ISREG(candidate.stat().st_mode) and self._label(candidate) == chip:
                return candidate
        raise FileNotFoundError(errno.ENOENT, "no GPIO chip has this name or label", chip)

    def _label(self, device: Path) -> str:
        data = bytearray(CHIP_INFO.size)
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._ioctl(fd, GET_CHIP_INFO, data)
        finally:
            os.close(fd)
        label: bytes = CHIP_INFO.unpack(data)[1]
        return label.rstrip(b"\0").decode("utf-8", "replace")

    def _request(self, device: Path, offset: int, flags: int) -> int:
        data = bytearray(LINE_REQUEST.pack(offset, *[0] * 63, CONSUMER, flags, 0, *[0] * 5, b"", 1, 0, *[0] * 5, -1))
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._ioctl(fd, GET_LINE, data)
        finally:
            os.close(fd)
        return int(LINE_REQUEST.unpack(data)[-1])


def _from_file(device: Path, offset: int, flags: int) -> bool:
    states = device.read_text("ascii").strip()
    if offset >= len(states):
        raise OSError(errno.EINVAL, f"it has {len(states)} lines, there is no line {offset}", str(device))
    return (states[offset] == "1") != bool(flags & ACTIVE_LOW)
