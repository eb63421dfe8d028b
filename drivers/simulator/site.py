"""A whole site without hardware: every line at a simulated endpoint, every instrument behind it."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import behaviour, scenes
from drivers.simulator.modbus_instrument import ModbusInstrument
from drivers.simulator.ports import PtyPort, TcpPort, UdpPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.truth import Truth

_THINK_S = {"serial": 0.01, "tcp": 0.002, "udp": 0.002}
"""How long a usual instrument needs before it answers: some milliseconds on a bus, less on a network."""
CHINA_STANDARD_TIME_S = 8 * 3600


@asynccontextmanager
async def simulate(
    lines: Mapping[str, LineSpec] | Iterable[LineSpec],
    instruments: Sequence[InstrumentSpec],
    seed: int = 1,
    *,
    truth: Truth | None = None,
    now: Callable[[], float] = time.time,
    utc_offset_s: float = CHINA_STANDARD_TIME_S,
    think_s: float | None = None,
) -> AsyncIterator[dict[str, LineSpec]]:
    """Serve every instrument; gives the lines as they are now: a pseudo-terminal's path, or a port on loopback.

    Serial lines take the wire time of their baud rate. A TLS line becomes a plain one: the certificates name the
    real host. `truth` is told what was served; `utc_offset_s` says where days begin. Raises LookupError for a
    protocol that nothing here speaks.
    """
    specs = {line.name: line for line in (lines.values() if isinstance(lines, Mapping) else lines)}
    places = scenes(instruments, seed, utc_offset_s)
    async with AsyncExitStack() as stack:
        simulated = {}
        for name, line in specs.items():
            units = {}
            for instrument in (each for each in instruments if each.line == name):
                if instrument.protocol != "modbus":
                    raise LookupError(f"{instrument.id}: no simulator speaks {instrument.protocol}")
                units[int(instrument.address)] = ModbusInstrument(
                    instrument, behaviour(instrument, places, seed), truth, now
                )
            kind = "tcp" if line.kind == "tls" else line.kind
            slave = Slave(units, _THINK_S[kind] if think_s is None else think_s)
            simulated[name] = await _opened(stack, line, slave)
        yield simulated


async def _opened(stack: AsyncExitStack, line: LineSpec, slave: Slave) -> LineSpec:
    framing = FRAMINGS[line.framing or ("rtu" if line.kind == "serial" else "tcp")]
    if line.kind == "serial":
        pty = await stack.enter_async_context(PtyPort(slave, framing, character_s(line)))
        return line.model_copy(update={"path": pty.path})
    if line.kind == "udp":
        udp = await stack.enter_async_context(UdpPort(slave, framing))
        return line.model_copy(update={"host": "127.0.0.1", "port": udp.port})
    tcp = await stack.enter_async_context(TcpPort(slave, framing))
    plain = {"kind": "tcp", "ca_file": None, "cert_file": None, "key_file": None}
    return line.model_copy(update={"host": "127.0.0.1", "port": tcp.port, **(plain if line.kind == "tls" else {})})


def character_s(line: LineSpec) -> float:
    """Wire time of one character: start bit, data, parity, stop bits."""
    return (1 + line.bytesize + (line.parity != "none") + line.stopbits) / line.baudrate
