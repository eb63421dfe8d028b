"""Who asks, or hears, the instruments of each line: one poller or listener a line, built from a site's settings."""

import asyncio
from collections.abc import Callable, Mapping

from drivers.line import ListeningLine
from drivers.line.listened import Listened
from gateway.clock import Clock
from gateway.fieldbus import Fieldbus
from gateway.polling.listener import Listener
from gateway.polling.poller import Polled, Poller
from gateway.polling.schedule import phases
from gateway.reading import Event, Reading
from gateway.settings import Site


def pollers(
    site: Site,
    buses: Mapping[str, Fieldbus],
    clock: Clock,
    emit: Callable[[Reading], None],
    tell: Callable[[Event], None],
    committed: Callable[[], asyncio.Event],
) -> dict[str, Poller | Listener]:
    """By line. `committed` is asked right after `emit`, for what is set when that reading is on the disk."""
    periods_ms = {spec.id: round(spec.every_s * 1000) for spec in site.instruments}
    spread = phases([(spec.line, periods_ms[spec.id]) for spec in site.instruments])
    phases_ms = {
        spec.id: phase_ms if spec.phase_s is None else round(spec.phase_s * 1000)
        for spec, phase_ms in zip(site.instruments, spread, strict=True)
    }

    def owner(bus: Fieldbus) -> Poller | Listener:
        if isinstance(bus.line, ListeningLine):
            heard = [
                (name, driver, periods_ms[name]) for name, driver in bus.drivers.items() if isinstance(driver, Listened)
            ]
            return Listener(bus.line, heard, clock, emit, tell, committed)
        asked = [Polled(name, driver, periods_ms[name], phases_ms[name]) for name, driver in bus.drivers.items()]
        return Poller(bus.line, asked, clock, emit, tell, shared_wire=bus.spec.kind == "serial")

    return {name: owner(bus) for name, bus in buses.items()}
