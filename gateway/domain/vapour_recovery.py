"""Vapour recovery of petrol stations, GB 20952-2020 annex E: the rules as one table of parameters, with presets.

The body of annex E was not at hand. What is marked V-code was read in a station monitor that was in service in several
cities in 2019 and 2020, written against the final draft; M is general knowledge. Everything is a setting, and every
event names the version of the rules that made it.
"""

import hashlib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.profile import Checked, Duration, Name
from gateway.domain.steps import Source

REVISION = 1
"""Of the rules as this code applies them; part of every event."""

Preset = Literal["gb20952", "monitor2020", "beijing", "guangzhou", "chongqing"]


class VapourRules(Checked):
    """Parameters of the rules A to G."""

    band: tuple[float, float] = (0.90, 1.30)
    """A: air-to-liquid ratio that is good, both ends included. M; the tests' band is 1.00 to 1.20."""
    least_volume_l: Annotated[float, Field(ge=0)] = 15.0
    """A: fuellings of fewer litres are recorded and not judged. V-code."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.25
    """A: a nozzle is in warning when more than this share of a day's fuellings is outside the band. V-code."""
    least_fuellings: Annotated[int, Field(ge=1)] = 5
    """A': a day with fewer judged fuellings is merged with the following ones. V-code."""
    days: Annotated[int, Field(ge=1)] = 5
    """A, B, D: warning on so many consecutive days is an alarm. V-code."""
    slow_fuel: Annotated[float, Field(ge=0)] = 10.0
    """A'': a fuelling outside the band with slower fuel, in L/min, is the dispenser's fault and not judged. V-code."""
    slow_vapour: Annotated[float, Field(ge=0)] = 10.0
    """A'': a fuelling outside the band with slower vapour, in L/min, is told as a fault of the pump, and judged. M."""
    zero_pa: Annotated[float, Field(ge=0)] = 50.0
    """B: the tank's pressure is zero within this many Pa. V-code."""
    zero_for_s: Annotated[Duration, Field(gt=0)] = Field(12 * 3600.0, alias="zero_for")
    """B: zero for so long is a warning. V-code."""
    critical_pa: Annotated[float, Field(ge=0)] = 200.0
    """C: pressure so many Pa beyond a setting of the P/V valve is a warning. V-code."""
    critical_for_s: Annotated[Duration, Field(ge=0)] = Field(300.0, alias="critical_for")
    """C: for so long it is an alarm. V-code (60 steps of about 5 s)."""
    high: bool = False
    """D: judge the share of the day with high pressure. V-code: removed with the final draft, therefore off."""
    high_pa: float = 600.0
    """D: pressure above this is high, Pa. V-code."""
    high_of_valve: Annotated[float, Field(gt=0, le=1)] = 0.8
    """D: so is pressure above this share of the P/V valve's positive setting. V-code."""
    low_pa: float = -1000.0
    """D: and pressure below this, Pa. V-code."""
    high_share: Annotated[float, Field(ge=0, le=1)] = 0.25
    """D: more than this share of the day is a warning. V-code."""
    resistance: bool = False
    """E: judge the resistance of the vapour line. V-code: in local protocols only, therefore off."""
    resistance_slope: float = 5.75
    """E: line pressure above tank pressure, in Pa, may be slope x Q + offset, Q the vapour's L/min. V-code."""
    resistance_offset: float = -66.0
    """E: the offset, Pa. V-code."""
    resistance_from: Annotated[float, Field(ge=0)] = 20.0
    """E: judged only with more vapour than this, L/min. V-code."""
    resistance_for_s: Annotated[Duration, Field(ge=0)] = Field(3600.0, alias="resistance_for")
    """E: for so long it is an alarm. V-code."""
    outlet_limit: Annotated[float, Field(gt=0)] = 25.0
    """F: concentration at the outlet of the treatment unit above this is too high, g/m3. M."""
    outlet_readings: Annotated[int, Field(ge=1)] = 3
    """F: so many readings in a row are a warning. V-code."""
    outlet_for_s: Annotated[Duration, Field(ge=0)] = Field(300.0, alias="outlet_for")
    """F: for so long it is an alarm. V-code."""
    unloading_limit: Annotated[float, Field(gt=0)] | None = None
    """U: vapour at the unloading area above this, in the unit of its point, is a warning; not judged without. M."""
    fault_polls: Annotated[int, Field(ge=1)] = 3
    """G: so many polls without a value are a fault. V-code."""
    gap_s: Annotated[Duration, Field(gt=0)] = Field(600.0, alias="gap")
    """B, C, E, F: after so long without a value, "continuously" begins anew. M."""

    @model_validator(mode="after")
    def _rising(self) -> "VapourRules":
        if self.band[0] >= self.band[1]:
            raise ValueError(f"band {list(self.band)} is no band; write [lowest, highest]")
        return self


PRESETS: dict[str, VapourRules] = {
    "gb20952": VapourRules(),
    # what that monitor shipped with: the band of the tests
    "monitor2020": VapourRules(band=(1.00, 1.20)),
    # [M] DB11: stricter outlet
    "beijing": VapourRules(outlet_limit=20.0),
    # [V-code] their protocols report the resistance of the line
    "guangzhou": VapourRules(resistance=True),
    "chongqing": VapourRules(resistance=True),
}


class Nozzle(Checked):
    """One nozzle and where its records are; all of them points of one instrument that are read together."""

    nozzle: Name
    """Name or number of the nozzle in the events."""
    fuel: Source
    """`instrument/point`: fuel of the last fuelling."""
    vapour: Source
    """`instrument/point`: vapour recovered in it."""
    seconds: Source | None = None
    """`instrument/point`: how long it took; without it there are no speeds."""
    fresh: Source | None = None
    """`instrument/point`: the controller's own word for a new record, 0 when it is fresh; where it turns 0 there is a
    new record even with the same count as before."""
    fuel_litres: Annotated[float, Field(gt=0)] = 1.0
    """Litres of one count of `fuel`: the controller's factor / 1000 for pulses, 1 for litres."""
    vapour_litres: Annotated[float, Field(gt=0)] = 1.0
    """Litres of one count of `vapour`."""
    detect: Literal["fuel", "record"] = "fuel"
    """A record is new when the fuel changed (V-code), or when any of the three did."""

    @model_validator(mode="after")
    def _together(self) -> "Nozzle":
        sources = [source for source in (self.fuel, self.vapour, self.seconds, self.fresh) if source is not None]
        if len({source.split("/")[0] for source in sources}) > 1:
            raise ValueError("fuel, vapour, seconds and fresh must be points of one instrument, read together")
        return self


class VapourKeys(Checked):
    """Vapour recovery of a petrol station: fuelling records, and the rules of GB 20952-2020."""

    id: Name = "vapour-recovery"
    """Instrument that the events name."""
    rules: Preset = "gb20952"
    """Preset; docs/pipeline.md has the table."""
    parameters: VapourRules = VapourRules()
    """Parameters that differ from the preset's."""
    nozzles: tuple[Nozzle, ...] = ()
    """The nozzles."""
    tank: Source | None = None
    """`instrument/point`: pressure in the tank's ullage against the air. Rules B, C, D, E."""
    valve_positive_pa: Annotated[float, Field(gt=0)] | None = None
    """Positive setting of the P/V valve, Pa. Rule C (and D)."""
    valve_negative_pa: Annotated[float, Field(lt=0)] | None = None
    """Negative setting of the P/V valve, Pa. Rule C."""
    line: Source | None = None
    """`instrument/point`: pressure in the vapour line. Rule E."""
    speed: Source | None = None
    """`instrument/point`: vapour speed at the far nozzle, L/min. Rule E."""
    outlet: Source | None = None
    """`instrument/point`: concentration at the outlet of the treatment unit, g/m3. Rule F."""
    unloading: Source | None = None
    """`instrument/point`: vapour at the unloading area. Rule U."""

    def resolved(self) -> VapourRules:
        """The preset with what differs."""
        changed = {key: getattr(self.parameters, key) for key in self.parameters.model_fields_set}
        return PRESETS[self.rules].model_copy(update=changed)

    @property
    def version(self) -> str:
        """`gb20952/1`; with other parameters also eight digits of the SHA-256 of all of them."""
        name = f"{self.rules}/{REVISION}"
        if not self.parameters.model_fields_set:
            return name
        return f"{name}+{hashlib.sha256(self.resolved().model_dump_json().encode()).hexdigest()[:8]}"

    @model_validator(mode="after")
    def _complete(self) -> "VapourKeys":
        numbers = [nozzle.nozzle for nozzle in self.nozzles]
        if doubled := {number for number in numbers if numbers.count(number) > 1}:
            raise ValueError(f"two nozzles are called {min(doubled)!r}")
        if self.resolved().resistance and self.line is not None and (self.tank is None or self.speed is None):
            raise ValueError("line: rule E needs tank and speed as well")
        return self

    def sources(self) -> list[tuple[str, str]]:
        """(key, `instrument/point`) of everything that is read."""
        found = [(key, getattr(self, key)) for key in ("tank", "line", "speed", "outlet", "unloading")]
        for nozzle in self.nozzles:
            found += [("nozzles", source) for source in (nozzle.fuel, nozzle.vapour, nozzle.seconds, nozzle.fresh)]
        return [(key, source) for key, source in found if source is not None]
