"""Who drives an RS-485 pair, where the adapter does not know by itself (`rs485: kernel` or `rts` of a line).

`kernel`: the UART's driver raises RTS while it sends (Linux serial-rs485), exact to the bit. `rts`: we do, for
adapters whose driver cannot: RTS goes up before the first byte and down when the last has left, which must happen
before the instrument answers; the standard gives it 3.5 characters (Modbus over Serial Line V1.02 §2.5.1.1).
"""

import asyncio
import fcntl
import struct
import termios

import serial
import serial.rs485

from drivers.airtime import character_s
from drivers.line.serial_wire import SerialWire
from drivers.line.wire import Lost, Received
from drivers.profile import LineSpec

TIOCSERGETLSR = 0x5459
"""Linux: whether the transmitter is empty, shift register included (asm-generic/ioctls.h)."""
TRANSMITTER_EMPTY = 1


def use_kernel_mode(port: serial.Serial) -> None:
    """Let the UART's driver switch the direction. Raises ValueError when it cannot."""
    try:
        port.rs485_mode = serial.rs485.RS485Settings()
    except (ValueError, OSError):
        raise ValueError("its driver has no RS-485 mode; write `rs485: rts`, or leave it to the adapter") from None


class RtsWire(SerialWire):
    """An open port on which RTS is up while we send, and only then."""

    def __init__(self, port: serial.Serial, received: Received, lost: Lost, character_s: float) -> None:
        """Raises OSError when the port has no RTS."""
        port.rts = False
        self._character_s = character_s
        self._release: asyncio.TimerHandle | None = None
        super().__init__(port, received, lost)

    def write(self, data: bytes) -> None:
        """Send; RTS falls when the last byte has left."""
        if self._closed:
            return
        if not self._switch(on=True):
            return
        super().write(data)
        if self._release is not None:
            self._release.cancel()
        self._release = self._loop.call_later(len(data) * self._character_s, self._sent)

    def set_up(self, spec: LineSpec) -> None:
        """Other serial settings from now on."""
        self._character_s = character_s(spec)
        super().set_up(spec)

    def close(self) -> None:
        """Close the port; `lost` is not called."""
        if self._release is not None:
            self._release.cancel()
        super().close()

    def _sent(self) -> None:
        if self._closed:
            return
        if self._unsent or not self._transmitter_empty():
            self._release = self._loop.call_later(self._character_s, self._sent)
        else:
            self._switch(on=False)

    def _switch(self, *, on: bool) -> bool:
        try:
            self._port.rts = on
        except OSError as error:
            self._gone(error.strerror or str(error))
            return False
        return True

    def _transmitter_empty(self) -> bool:
        """As far as the driver tells; by now the bytes have had their time on the wire."""
        try:
            if struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)))[0]:
                return False
            return bool(struct.unpack("i", fcntl.ioctl(self._fd, TIOCSERGETLSR, bytes(4)))[0] & TRANSMITTER_EMPTY)
        except OSError:
            return True
