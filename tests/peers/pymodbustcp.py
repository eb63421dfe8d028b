"""A slave by pyModbusTCP, in a process of its own: `python -m tests.peers.pymodbustcp`."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.peers.process import HERE, Slave, Tables, running


@contextmanager
def pymodbustcp(tables: Tables) -> Iterator[Slave]:
    """One Modbus TCP slave that answers to every unit address: `port` on loopback."""
    command = [sys.executable, "-m", "tests.peers.pymodbustcp"]
    with running("pyModbusTCP", command, HERE.parents[1]) as slave:
        slave.serve(1, tables)
        yield slave


def main() -> None:
    """Serve until the end of input."""
    from pyModbusTCP.server import DataBank, ModbusServer

    bank = DataBank()
    setters = {
        1: bank.set_coils,
        2: bank.set_discrete_inputs,
        3: bank.set_holding_registers,
        4: bank.set_input_registers,
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank)
    server.start()
    print(f"ready {port}", flush=True)
    for line in sys.stdin:
        if line.startswith("sync"):
            print(line, end="", flush=True)
        else:
            _, function, address, value = map(int, line.split())
            setters[function](address, [value])
    server.stop()


if __name__ == "__main__":
    main()
