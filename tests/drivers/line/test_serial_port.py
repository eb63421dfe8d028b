"""Serial ports on pseudo-terminals: opened by name, for us alone, direction switched, pulled out and put back."""

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator

import pytest

from drivers.airtime import character_s
from drivers.errors import LineDown, NoReply, PortHeld, Settling
from drivers.line import held_by_another, open_line, rs485
from drivers.line.serial_port import open_serial
from drivers.line.wire import Wire
from drivers.modbus import codec
from drivers.modbus.crc import crc16
from drivers.profile import LineSpec
from tests.lines import replug

PATIENCE_S = 20.0
HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Pair:
    """Both ends of a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.heard = bytearray()
        self.lost: list[str] = []

    async def open(self, **keys: object) -> Wire:
        spec = LineSpec.model_validate({"name": "bus", "kind": "serial", "path": self.path} | keys)
        return await open_serial(spec, self.heard.extend, self.lost.append)

    async def until_heard(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.heard != data:
                await asyncio.sleep(0.001)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    for end in (made.master, made.slave):
        os.close(end)


async def test_bytes_go_both_ways_as_they_are(pair: Pair) -> None:
    wire = await pair.open()
    every = bytes(range(256))
    wire.write(every)
    assert os.read(pair.master, 300) == every
    os.write(pair.master, every)
    await pair.until_heard(every)
    wire.close()
    wire.close()
    wire.write(b"too late")
    assert pair.lost == []


async def test_more_than_the_driver_takes_at_once_follows_in_order(pair: Pair) -> None:
    os.set_blocking(pair.master, False)
    wire = await pair.open()
    sent = os.urandom(50_000)
    for at in range(0, len(sent), 10_000):
        wire.write(sent[at : at + 10_000])
    got = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < len(sent):
            try:
                got += os.read(pair.master, 4096)
            except BlockingIOError:
                await asyncio.sleep(0.001)
    assert got == sent
    wire.close()


async def test_settings_of_the_line_reach_the_port(pair: Pair) -> None:
    wire = await pair.open(baudrate=19200, parity="odd", stopbits=2)
    _, _, control, _, _, speed, _ = termios.tcgetattr(pair.slave)
    assert speed == termios.B19200
    assert control & termios.PARODD  # a pseudo-terminal keeps this bit of the parity only
    assert control & termios.CSTOPB
    wire.close()


@pytest.mark.parametrize(
    ("keys", "bits"), [({}, 10), ({"parity": "odd"}, 11), ({"parity": "even", "stopbits": 2}, 12), ({"bytesize": 7}, 9)]
)
def test_a_character_on_the_wire_has_its_start_parity_and_stop_bits(keys: dict[str, object], bits: int) -> None:
    spec = LineSpec.model_validate({"name": "bus", "kind": "serial", "path": "/dev/x", "baudrate": 1200} | keys)
    assert character_s(spec) == pytest.approx(bits / 1200)


async def test_port_that_is_not_there_is_named() -> None:
    spec = LineSpec(name="bus", kind="serial", path="/dev/serial/by-id/none")
    with pytest.raises(LineDown, match=r"^/dev/serial/by-id/none: no such device$"):
        await open_serial(spec, lambda data: None, lambda why: None)


async def test_settings_that_the_port_does_not_take_are_told(pair: Pair) -> None:
    (await pair.open()).close()  # from here on parity is all that changes, and a pseudo-terminal has none
    with pytest.raises(LineDown, match=rf"^{pair.path}: takes no 9600 baud, 8 bits, parity even, 1 stop bits: "):
        await pair.open(parity="even")


async def test_port_of_another_process_is_left_alone_and_its_holder_named(pair: Pair) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, pair.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(PortHeld, match=rf"^{pair.path}: held by python.* \(pid {process.pid}\)$"):
            await pair.open()
        spec = LineSpec(name="bus", kind="serial", path=pair.path)
        held = await held_by_another(spec)
        assert held is not None
        assert held.startswith(f"{pair.path}: held by python")
        process.communicate("")
    assert await held_by_another(spec) is None
    assert await held_by_another(spec.model_copy(update={"path": "/dev/none"})) is None
    wire = await pair.open()
    with pytest.raises(BlockingIOError):
        fcntl.flock(pair.slave, fcntl.LOCK_EX | fcntl.LOCK_NB)  # now it is ours alone
    wire.close()


async def test_adapter_that_is_pulled_out_is_told_once() -> None:
    pair = Pair()
    wire = await pair.open()
    os.close(pair.master)
    os.close(pair.slave)
    async with asyncio.timeout(PATIENCE_S):
        while not pair.lost:
            await asyncio.sleep(0.001)
    wire.write(b"into nothing")
    wire.close()
    await asyncio.sleep(0.01)
    assert len(pair.lost) == 1
    assert pair.lost[0].startswith(f"{pair.path}: ")


async def test_ten_times_pulled_out_and_put_back_as_another_device() -> None:
    account = await replug.run(10, seed=20261126)
    assert account.wrong == []
    assert account.files_after <= account.files_before
    # within 2 s on a quiet machine (python -m tests.lines.replug); this one may be busy
    assert account.slowest_s <= 3 * replug.LIMIT_S


class TestDirection:
    """RS-485 where the adapter does not switch by itself."""

    async def test_kernel_mode_that_the_driver_does_not_have_is_told_and_the_port_closed(self, pair: Pair) -> None:
        before = replug.open_files()
        with pytest.raises(LineDown, match=r"has no RS-485 mode; write `rs485: rts`"):
            await pair.open(rs485="kernel")
        assert replug.open_files() == before

    async def test_rts_that_the_port_does_not_have_is_told_and_the_port_closed(self, pair: Pair) -> None:
        before = replug.open_files()
        with pytest.raises(LineDown, match=rf"^{pair.path}: "):
            await pair.open(rs485="rts")
        assert replug.open_files() == before

    async def test_rts_is_up_from_before_the_first_byte_until_the_last_has_left(self, pair: Pair) -> None:
        port = PortWithRts(pair)
        byte_s = 0.002
        wire = rs485.RtsWire(port, pair.heard.extend, pair.lost.append, byte_s)  # type: ignore[arg-type]
        assert port.changes == [False]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        wire.write(b"12345678")
        assert port.changes == [False, True]
        assert port.unread_when_raised == 0
        async with asyncio.timeout(PATIENCE_S):
            while fcntl_pending(pair.slave):  # the driver still has bytes: nobody has read them
                assert port.changes[-1] is True
                if loop.time() - began_s > 12 * byte_s:
                    os.read(pair.master, 8)
                await asyncio.sleep(byte_s)
            while port.changes[-1]:
                await asyncio.sleep(byte_s)
        assert loop.time() - began_s >= 8 * byte_s
        assert port.changes == [False, True, False]
        wire.write(b"9")
        wire.close()
        await asyncio.sleep(3 * byte_s)
        assert port.changes == [False, True, False, True]  # a closed port is not touched any more

    async def test_adapter_that_loses_its_rts_is_gone(self, pair: Pair) -> None:
        port = PortWithRts(pair)
        wire = rs485.RtsWire(port, pair.heard.extend, pair.lost.append, 0.001)  # type: ignore[arg-type]
        port.broken = True
        wire.write(b"1")
        assert pair.lost == [f"{pair.path}: Input/output error"]
        assert not fcntl_pending(pair.slave)


class PortWithRts:
    """A pseudo-terminal with what it lacks: an RTS line, whose changes are noted."""

    def __init__(self, pair: Pair) -> None:
        self.port = pair.path
        self.changes: list[bool] = []
        self.unread_when_raised = -1
        self.broken = False
        self._fd = os.open(pair.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    @property
    def rts(self) -> bool:
        return self.changes[-1]

    @rts.setter
    def rts(self, on: bool) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        if on:
            self.unread_when_raised = fcntl_pending(self._fd)
        self.changes.append(on)


def fcntl_pending(fd: int) -> int:
    """Bytes that the terminal's other end has not taken yet."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0])


async def test_an_answer_that_came_while_the_machine_stalled_is_late_and_not_the_next_one(pair: Pair) -> None:
    spec = LineSpec.model_validate(
        {"name": "bus", "kind": "serial", "path": pair.path, "baudrate": 115200, "timeout_s": 0.05}
    )
    line = open_line(spec, None)
    keeper = asyncio.create_task(line.run())
    assert await line.wait_up(PATIENCE_S)
    ask = codec.request(codec.read(5, 3, 0, 1), "rtu", codec.Timing(0.05))
    with pytest.raises(NoReply):
        await line.exchange(ask)
    time.sleep(line.ready_at(5) - asyncio.get_running_loop().time() + 0.01)  # the stall: nothing runs, nothing is read
    late = bytes([5, 3, 2, 0, 77])
    os.write(pair.master, late + crc16(late).to_bytes(2, "little"))
    assert select.select([pair.slave], [], [], PATIENCE_S)[0]  # the kernel hands it over in its own time
    with pytest.raises(Settling, match="it has answered"):
        await line.exchange(ask)
    assert line.faults["noise"] + line.faults["late"] == 1
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
