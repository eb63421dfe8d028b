"""A whole site without hardware: every line at a simulated endpoint, every instrument behind it."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from drivers import catalogue
from drivers.airtime import character_s
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.asked import bus
from drivers.simulator.behaviour import behaviour
from drivers.simulator.hj212_instrument import Hj212Instrument
from drivers.simulator.host_machine import machine
from drivers.simulator.kinds import scenes
from drivers.simulator.ports import Bus, PtyPort, Stream, TcpPort, UdpPort
from drivers.simulator.scene import Scene
from drivers.simulator.speaking import Speaker, speaking
from drivers.simulator.text_instrument import TextInstrument
from drivers.simulator.truth import Truth

_THINK_S = {"serial": 0.01, "tcp": 0.002, "udp": 0.002}
"""How long a usual instrument needs before it answers: some milliseconds on a bus, less on a network."""
SPEAKERS: Mapping[str, Callable[..., Speaker]] = {"text": TextInstrument, "hj212": Hj212Instrument}
"""Protocols whose instruments may speak unasked."""
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
            here = [each for each in instruments if each.line == name]
            acting = [(one, behaviour(one, places, seed)) for one in here]
            for _, acts in acting:
                acts.at(now())  # what must be summed up is summed up before somebody waits for an answer
            if line.kind == "local":
                simulated[name] = await machine(stack, line, acting, truth, now)
                continue
            if (talkers := _talkers(line, here, places, seed, truth, now)) is not None:
                simulated[name] = await speaking(stack, line, talkers, character_s(line))
                continue
            kind = "tcp" if line.kind == "tls" else line.kind
            thinking_s = _THINK_S[kind] if think_s is None else think_s
            simulated[name] = await _opened(stack, line, *bus(line, acting, truth, now, thinking_s))
        yield simulated


def _talkers(
    line: LineSpec,
    here: Sequence[InstrumentSpec],
    places: Sequence[Scene],
    seed: int,
    truth: Truth | None,
    now: Callable[[], float],
) -> list[Speaker] | None:
    """The instruments of a line that speak unasked; None for a line on which they are asked."""
    if not here or not all(
        one.protocol in catalogue.names() and catalogue.protocol(one.protocol).listens(one, line) for one in here
    ):
        return None
    return [SPEAKERS[one.protocol](one, behaviour(one, places, seed), truth, now) for one in here]


async def _opened(stack: AsyncExitStack, line: LineSpec, slave: Bus, framing: Callable[[], Stream]) -> LineSpec:
    if line.kind == "serial":
        pty = await stack.enter_async_context(PtyPort(slave, framing, character_s(line)))
        return line.model_copy(update={"path": pty.path, "parity": "none"})  # a pseudo-terminal takes no parity
    if line.kind == "udp":
        udp = await stack.enter_async_context(UdpPort(slave, framing))
        return line.model_copy(update={"host": "127.0.0.1", "port": udp.port})
    tcp = await stack.enter_async_context(TcpPort(slave, framing))
    plain = {"kind": "tcp", "ca_file": None, "cert_file": None, "key_file": None}
    return line.model_copy(update={"host": "127.0.0.1", "port": tcp.port, **(plain if line.kind == "tls" else {})})
