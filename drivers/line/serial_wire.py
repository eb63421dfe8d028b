"""An open serial port on the loop: bytes go through the file descriptor, so that nothing blocks.

The same code serves pseudo-terminals. An adapter that is pulled out shows as end of file, hang-up or EIO: all mean
"lost".
"""

import asyncio
import os
import termios

import serial

from drivers.line.wire import Lost, Received
from drivers.profile import LineSpec

PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


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

    def set_up(self, spec: LineSpec) -> None:
        """Other serial settings from now on; what cannot be set loses the port, with the reason."""
        if self._closed:
            return
        settings = {
            "baudrate": spec.baudrate,
            "bytesize": spec.bytesize,
            "parity": PARITY[spec.parity],
            "stopbits": spec.stopbits,
        }
        try:
            self._port.apply_settings(settings)
        except (OSError, ValueError, termios.error) as error:
            words = f"{spec.baudrate} baud, {spec.bytesize} bits, parity {spec.parity}, {spec.stopbits} stop bits"
            self._gone(f"takes no {words}: {error.args[-1]}")

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
