"""Protocol -> its simulated instrument and the framing of its requests, for protocols that mark their own frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers import frames
from drivers.bayern_hessen.frame import FRAMING as BAYERN_HESSEN
from drivers.cjt188.frame import FRAMING as CJT188
from drivers.dlt645.frame import FRAMING as DLT645
from drivers.mbus.frame import FRAMING as MBUS
from drivers.sdi12.message import FRAMING as SDI12
from drivers.simulator.bayern_hessen_analyser import BayernHessenAnalyser
from drivers.simulator.cjt188_meter import Cjt188Meter
from drivers.simulator.dlt645_meter import Dlt645Meter
from drivers.simulator.mbus_meter import MbusMeter
from drivers.simulator.meter import Meter, Readings
from drivers.simulator.sdi12_sensor import Sdi12Sensor
from drivers.simulator.veeder_root_console import VeederRootConsole
from drivers.veeder_root.frame import COMMANDS as VEEDER_ROOT_COMMANDS
from drivers.veeder_root.frame import FRAMING as VEEDER_ROOT


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol as the simulator speaks it."""

    framing: frames.Framing
    meter: Callable[[Readings], Meter]
    commands: frames.Framing | None = None
    """Framing of requests where it is another."""

    @property
    def heard(self) -> frames.Framing:
        """How a meter finds the requests."""
        return self.commands or self.framing


KINDS: Mapping[str, Kind] = {
    "dlt645": Kind(DLT645, Dlt645Meter),
    "cjt188": Kind(CJT188, Cjt188Meter),
    "mbus": Kind(MBUS, MbusMeter),
    "sdi12": Kind(SDI12, Sdi12Sensor),
    "bayern_hessen": Kind(BAYERN_HESSEN, BayernHessenAnalyser),
    "veeder_root": Kind(VEEDER_ROOT, VeederRootConsole, VEEDER_ROOT_COMMANDS),
}
