"""Which scenes play on a site, found from the quantities that stand there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.profile import InstrumentSpec
from drivers.simulator.boiler_house import BoilerHouse
from drivers.simulator.cement_plant import CementPlant
from drivers.simulator.drinking_water_source import DrinkingWaterSource
from drivers.simulator.groundwater_well import GroundwaterWell
from drivers.simulator.happening import Happening
from drivers.simulator.hazardous_waste_scale import HazardousWasteScale
from drivers.simulator.heating_network import HeatingNetwork
from drivers.simulator.key_energy_user import KeyEnergyUser
from drivers.simulator.noise_station import NoiseStation
from drivers.simulator.petrol_station import PetrolStation
from drivers.simulator.radiation_source import RadiationSource
from drivers.simulator.scene import Scene
from drivers.simulator.traffic_air_station import TrafficAirStation
from drivers.simulator.wastewater_plant import WastewaterPlant
from drivers.simulator.water_station import WaterStation


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of site: it has all that it `needs`, and nothing of `without`."""

    make: Callable[[Sequence[InstrumentSpec], int, float], Scene]
    needs: tuple[str, ...]
    """Each a quantity, or several of which one is enough, with `|` between."""
    without: tuple[str, ...] = ()

    def fits(self, quantities: set[str]) -> bool:
        """Whether a site with these quantities is one."""
        return all(quantities & set(need.split("|")) for need in self.needs) and not quantities & set(self.without)


def _told_nothing(make: Callable[[int, float], Scene]) -> Callable[[Sequence[InstrumentSpec], int, float], Scene]:
    """Of a scene that needs not know what stands on the site."""
    return lambda _, seed, utc_offset_s: make(seed, utc_offset_s)


KINDS: tuple[Kind, ...] = (
    Kind(_told_nothing(CementPlant), ("nox", "nh3", "differential_pressure")),
    Kind(_told_nothing(DrinkingWaterSource), ("residual_chlorine",)),
    Kind(_told_nothing(WastewaterPlant), ("cod", "ammonia_nitrogen", "flow|water_flow"), ("permanganate_index",)),
    Kind(_told_nothing(TrafficAirStation), ("pm2_5|pm10", "wind_speed", "so2|no2|o3|nox")),
    Kind(_told_nothing(NoiseStation), ("noise",), ("pm2_5", "pm10", "so2")),
    Kind(HeatingNetwork, ("supply_temperature", "room_temperature")),
    Kind(KeyEnergyUser, ("active_power", "steam_flow|steam_mass")),
    Kind(RadiationSource, ("dose_rate|dose_equivalent_rate", "contact")),
    Kind(_told_nothing(GroundwaterWell), ("water_level", "conductivity|specific_conductivity"), ("turbidity", "flow")),
    Kind(_told_nothing(HazardousWasteScale), ("weight", "vapour_concentration|gas_lel")),
)
"""The particular before the general: the first scene that knows a point shows it."""
GENERAL: tuple[Kind, ...] = (
    Kind(PetrolStation, ()),
    Kind(_told_nothing(BoilerHouse), ()),
    Kind(_told_nothing(WaterStation), ()),
)
"""What a site of no kind still has: these know what they know of any site."""


def scenes(instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> tuple[Scene, ...]:
    """Every scene that plays here, told what stands on the site: what one instrument does shows on the others."""
    quantities = {point.quantity for one in instruments for point in one.points if point.quantity}
    made = [kind.make(instruments, seed, utc_offset_s) for kind in (*KINDS, *GENERAL) if kind.fits(quantities)]
    playing: list[Scene] = []
    for one in instruments:
        for point in one.points:
            scene = next((scene for scene in made if scene.curve(one, point) is not None), None)
            if scene is not None and scene not in playing:
                playing.append(scene)
    return tuple(scene for scene in made if scene in playing)


def happenings(
    places: Sequence[Scene], instruments: Sequence[InstrumentSpec], from_s: float, until_s: float
) -> list[Happening]:
    """All that lasts at some instant from `from_s` to before `until_s` (unix seconds), by begin."""
    told = (happening for scene in places for happening in scene.happenings(instruments, from_s, until_s))
    return sorted(told, key=lambda one: (one.from_s, one.kind, one.instrument or ""))
