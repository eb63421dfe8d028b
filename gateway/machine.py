"""What a gateway takes from the machine it runs on. The simulation (tests/simulation) brings a machine of its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from drivers.profile import InstrumentSpec, LineSpec
from gateway import broker, fieldbus
from gateway.broker import Network
from gateway.clock import SystemClock
from gateway.fieldbus import Fieldbus


@dataclass(frozen=True, slots=True)
class Machine:
    """Its clock, its lines, its way to brokers, chance for jitter, and the id of this boot (None: ask the kernel)."""

    clock: Callable[[], SystemClock] = SystemClock
    build: Callable[[Mapping[str, LineSpec], Iterable[InstrumentSpec]], Mapping[str, Fieldbus]] = fieldbus.build
    network: Network = broker
    chance: Callable[[], Random] = Random
    boot: str | None = None
