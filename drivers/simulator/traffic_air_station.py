"""An air station at a road: rush hours, photochemistry, rain that washes the air, a span check at night.

Nitrogen monoxide and dioxide and ozone are one thing: vehicles emit mostly NO, ozone from above turns it into NO2,
sunlight turns it back. The steady state NO · O3 = r · NO2 (Leighton), r by the sun, and what is conserved (NO + NO2,
NO2 + O3) give all three.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.calibration import Calibration
from drivers.simulator.days import LocalTime
from drivers.simulator.happening import Happening, told
from drivers.simulator.inside_analyser import inside
from drivers.simulator.scene import Known, has
from drivers.simulator.smooth import drift, wander
from drivers.simulator.traffic import Traffic
from drivers.simulator.weather import Weather

_CHECK_S, _GAS_S = 2700, 900  # at 00:45, a quarter of an hour of zero air, as much of span gas
_SPAN = {"so2": (400.0, "ppb"), "no": (400.0, "ppb"), "nox": (400.0, "ppb"), "no2": (0.0, "ppb"), "o3": (320.0, "ppb"),
         "co": (8.0, "ppm")}  # fmt: skip
"""What the span gas shows: NO in nitrogen is NO and NOx and no NO2."""
_PRIMARY = 0.12  # of what vehicles emit is NO2 already
_AVERAGED_S = 60.0  # over which the averaged values of a particle monitor lie behind
_BACKGROUND_DB = 42.0


class TrafficAirStation:
    """The scene of one station."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)
        self._traffic = Traffic(seed, self._local)
        self._check = Calibration(seed, self._local, _CHECK_S, _GAS_S, _SPAN)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Gases, particles, weather, the road's noise."""
        quantity = point.quantity or ""
        gases: dict[str, Callable[[float], float]] = {
            "so2": lambda t: 2.5 + 0.8 * self._of("so2", t) + 0.03 * self.emitted_ppb(t),
            "no": lambda t: self.nitrogen_and_ozone(t)[0],
            "no2": lambda t: self.nitrogen_and_ozone(t)[1],
            "nox": lambda t: sum(self.nitrogen_and_ozone(t)[:2]),
            "o3": lambda t: self.nitrogen_and_ozone(t)[2],
            "co": lambda t: 0.25 + 0.008 * self.emitted_ppb(t) + 0.02 * self._of("co", t),
        }
        if quantity in gases:
            return self._check.shown(quantity, gases[quantity])
        weather = self._weather.curves()
        if quantity in weather:
            return weather[quantity]
        if quantity in ("pm1", "pm2_5", "pm10"):
            behind_s = 0.0 if point.id.endswith("_10s") else _AVERAGED_S
            return (lambda t: self.particles(t - behind_s)[quantity]), "ug/m3"
        if quantity == "noise":
            return self.noise_db, "dB"
        if quantity == "alarm" and has(instrument, *gases):
            return (lambda t: 0), None
        if quantity == "state" and point.id == "status" and has(instrument, *gases):
            return self._status, None
        return self._check.contact(point) or inside(self._seed, instrument, point)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C during the zero and span check."""
        return self._check.condition(instrument)

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from self._check.happenings(instruments, from_s, until_s)
        yield from told("rain", self._weather.rain.diary.between(from_s, until_s))
        yield from told("strong_wind", self._weather.storms.between(from_s, until_s))

    def emitted_ppb(self, t_s: float) -> float:
        """Nitrogen oxides of the road at the inlet: by traffic, thinned by wind and by the warm hours' mixing."""
        mixing = 1 + 0.45 * self._weather.wind_m_s(t_s) + 0.7 * self._local.daylight(t_s)
        return 150 * self._traffic.share(t_s - 120) / mixing

    def nitrogen_and_ozone(self, t_s: float) -> tuple[float, float, float]:
        """NO, NO2, O3 in ppb, from what is conserved and the steady state."""
        road = self.emitted_ppb(t_s)
        nox = 5 + 1.2 * self._of("nox", t_s) + road
        made = 34 * self._local.daylight(t_s - 7200) * (1 - 0.5 * min(1.0, self._weather.rain.mm_per_h(t_s) / 2))
        oxidant = 34 + 6 * drift(t_s, 21_600, self._seed, "oxidant") + made + _PRIMARY * road
        r = 0.6 + 16 * self._weather.radiation_w_m2(t_s) / 800
        total = nox + oxidant + r
        no2 = (total - math.sqrt(total * total - 4 * nox * oxidant)) / 2
        return nox - no2, no2, oxidant - no2

    def particles(self, t_s: float) -> dict[str, float]:
        """ug/m3: what lies over the town, what the road adds, what rain has left of both."""
        washed = 1 - 0.65 * min(1.0, 2 * self._weather.rain.wet(t_s, run_off_s=600, dry_s=14_400, spells=4))
        calm = 1 / (1 + 0.25 * self._weather.wind_m_s(t_s))
        town = (46 + 16 * drift(t_s, 43_200, self._seed, "haze")) * (0.5 + 0.5 * calm)
        road = 0.35 * self.emitted_ppb(t_s)
        fine = washed * (town + 0.5 * road + 2 * self._of("fine", t_s))
        coarse = washed * (14 + road + 3 * self._of("coarse", t_s))
        return {"pm1": 0.72 * fine, "pm2_5": fine, "pm10": fine + coarse}

    def noise_db(self, t_s: float) -> float:
        """A-weighted level at the kerb."""
        rain = 10 ** ((40 + 5 * min(3.0, self._weather.rain.mm_per_h(t_s))) / 10)
        wind = 10 ** ((25 + 4 * self._weather.wind_m_s(t_s)) / 10)
        background = 10 ** ((_BACKGROUND_DB + 8 * self._traffic.share(t_s) + self._of("hum", t_s)) / 10)
        return 10 * math.log10(background + rain + wind + self._traffic.energy(t_s))

    def _status(self, t_s: float) -> int:
        """Status byte of the Bayern-Hessen protocol: bit 2 zero, 3 span."""
        gas = self._check.gas(t_s)
        return 0 if gas is None else 0b100 if gas < 0.5 else 0b1000

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "air", name)
