"""The peers themselves: they serve what they were told, asked by a master of a few lines."""

import os
import select
import socket
import time
import tty
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from drivers.modbus.crc import crc16
from tests.peers.libmodbus import libmodbus_rtu, libmodbus_tcp
from tests.peers.npm import npm, why_not
from tests.peers.process import Slave, Tables
from tests.peers.pymodbustcp import pymodbustcp

TABLES = {
    1: {3: 1, 4: 0, 5: 1},
    2: {0: 0, 1: 1},
    3: {100: 0x4144, 101: 0xF5C3, 65535: 7},
    4: {0: 0xFFFF, 1: 0x1234},
}
READS = {
    "01 0003 0003": "01 01 05",
    "02 0000 0002": "02 01 02",
    "03 0064 0002": "03 04 4144F5C3",
    "04 0000 0002": "04 04 FFFF1234",
}
NEEDS_NPM = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def tcp_answer(port: int, pdu: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"\x00\x09\0\0" + (len(pdu) + 1).to_bytes(2) + b"\x01" + pdu)
        reply = b""
        while len(reply) < 6 or len(reply) < 6 + int.from_bytes(reply[4:6]):
            got = connection.recv(300)
            assert got
            reply += got
    assert reply[:4] == b"\x00\x09\0\0"
    return reply[7:]


def rtu_answer(port: int, unit: int, pdu: bytes, length: int) -> bytes:
    frame = bytes([unit]) + pdu
    os.write(port, frame + crc16(frame).to_bytes(2, "little"))
    reply, deadline = b"", time.monotonic() + 10
    while len(reply) < length and select.select([port], [], [], deadline - time.monotonic())[0]:
        reply += os.read(port, 300)
    assert crc16(reply) == 0
    assert reply[0] == unit
    return reply[1:-2]


@pytest.mark.parametrize(
    "slave",
    [
        pytest.param(libmodbus_tcp, id="libmodbus"),
        pytest.param(pymodbustcp, id="pyModbusTCP"),
        pytest.param(lambda tables: npm("modbus-serial", tables), id="modbus-serial", marks=NEEDS_NPM),
        pytest.param(lambda tables: npm("jsmodbus", tables), id="jsmodbus", marks=NEEDS_NPM),
    ],
)
def test_tcp_slave_serves_what_it_was_told_and_what_it_is_told_next(
    slave: Callable[[Tables], AbstractContextManager[Slave]],
) -> None:
    with slave(TABLES) as running:
        for request, reply in READS.items():
            assert tcp_answer(running.port, bytes.fromhex(request)) == bytes.fromhex(reply)
        running.serve(1, {3: {100: 5}})
        assert tcp_answer(running.port, bytes.fromhex("03 0064 0001")) == bytes.fromhex("03 02 0005")


def test_libmodbus_bus_has_several_units_with_values_of_their_own() -> None:
    with libmodbus_rtu({161: TABLES, 162: {3: {100: 9}}}) as bus:
        port = os.open(bus.path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        for request, reply in READS.items():
            expected = bytes.fromhex(reply)
            assert rtu_answer(port, 161, bytes.fromhex(request), len(expected) + 3) == expected
        assert rtu_answer(port, 162, bytes.fromhex("03 0064 0001"), 7) == bytes.fromhex("03 02 0009")
        os.close(port)
