"""Protocol -> its simulated instrument and the framing of its requests, for protocols that mark their own frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers import frames
from drivers.cjt188.frame import FRAMING as CJT188
from drivers.dlt645.frame import FRAMING as DLT645
from drivers.mbus.frame import FRAMING as MBUS
from drivers.sdi12.message import FRAMING as SDI12
from drivers.simulator.cjt188_meter import Cjt188Meter
from drivers.simulator.dlt645_meter import Dlt645Meter
from drivers.simulator.mbus_meter import MbusMeter
from drivers.simulator.meter import Meter, Readings
from drivers.simulator.sdi12_sensor import Sdi12Sensor


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol as the simulator speaks it."""

    framing: frames.Framing
    meter: Callable[[Readings], Meter]


KINDS: Mapping[str, Kind] = {
    "dlt645": Kind(DLT645, Dlt645Meter),
    "cjt188": Kind(CJT188, Cjt188Meter),
    "mbus": Kind(MBUS, MbusMeter),
    "sdi12": Kind(SDI12, Sdi12Sensor),
}
