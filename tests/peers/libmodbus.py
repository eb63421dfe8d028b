"""Slaves by libmodbus (C), built when first needed."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.peers.process import HERE, Slave, Tables, kept, running


@contextmanager
def libmodbus_rtu(registers_by_unit: Mapping[int, Tables]) -> Iterator[Slave]:
    """Several units on one RTU bus: `path` is a pseudo-terminal."""
    with running("libmodbus", [program(), "rtu", *map(str, registers_by_unit)]) as slave:
        for unit, tables in registers_by_unit.items():
            slave.serve(unit, tables)
        yield slave


@contextmanager
def libmodbus_tcp(tables: Tables) -> Iterator[Slave]:
    """One Modbus TCP slave that answers to every unit address: `port` on loopback."""
    with running("libmodbus", [program(), "tcp"]) as slave:
        slave.serve(1, tables)
        yield slave


def program() -> Path:
    """The compiled slave. Raises CalledProcessError with the compiler's words on stderr."""
    source = HERE / "libmodbus_slave.c"
    built = kept("libmodbus", source.read_bytes()) / "libmodbus_slave"
    if not built.exists():
        half = built.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O1", "-Wall", "-o", half, source, "-lmodbus", "-lutil"], check=True)
        half.replace(built)  # two test runs at once build twice and keep one
    return built
