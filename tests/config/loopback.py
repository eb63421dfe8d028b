"""A line without wire: a driver's request goes to simulated instruments, their answer comes back at once."""

from typing import Any

from drivers.contract import Request
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.asked import bus
from drivers.simulator.behaviour import behaviour
from drivers.simulator.kinds import scenes
from drivers.simulator.truth import Truth
from tests.fakes.rows import Rows


class Loopback(Rows):
    """One instrument, simulated with a seed at one moment."""

    name = "loopback"
    in_flight = 1

    def __init__(self, spec: InstrumentSpec, line: LineSpec, at_s: float) -> None:
        self.truth = Truth()
        acting = [(spec, behaviour(spec, scenes([spec], 1, 28_800), 1))]
        self._bus, framing = bus(line, acting, self.truth, lambda: at_s, 0.0)
        self._stream = framing()

    async def exchange(self, request: Request) -> Any:
        answer = b""
        for question in self._stream.questions(request.frame):
            answer += b"".join(act.data for act in self._bus.acts(question, self._stream) if hasattr(act, "data"))
        verdict = request.receive(answer)
        return verdict.payload  # type: ignore[union-attr]

    def ready_at(self, unit: object) -> float:
        return 0.0
