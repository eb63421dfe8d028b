"""What a site file or profile says of an analyser with the Bayern-Hessen protocol.

- {id: so2,    component: 97, quantity: so2, unit: ug/m3}
- {id: state,  component: 97, read: status}       # the status byte itself

options:
  mantissa: n.nnn                # +1234+02 is 123.4; with nnnn it would be 123400
  volumetric: ppb                # unit of the value while status bit 6 is 1 …
  gravimetric: ug/m3             # … and while it is 0
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers import units
from drivers.contract import Flag
from drivers.profile import Checked, Duration, Point
from drivers.status import StatusRule

USUAL_STATUS = {1: Flag.MAINTENANCE, 2: Flag.CALIBRATION, 3: Flag.CALIBRATION, 7: Flag.CALIBRATION}
STATUS_WORDS = {1: "out of service", 2: "zero", 3: "span", 7: "background"}
FAILURE_WORDS = {0: "flow", 1: "instrument", 3: "lamp", 5: "cell heater"}
VOLUMETRIC = 6
"""Bit of the status: 1 a volume share, 0 a mass concentration."""


class BayernHessenPoint(Point):
    """One value of an analyser."""

    component: Annotated[int, Field(ge=0, le=999)]
    """Id of the component, three digits in the answer."""
    read: Literal["value", "status", "failure"] = "value"
    """The measured value, or one of the two bytes that come with it."""
    molar_mass: Annotated[float, Field(gt=0)] | None = None
    """g/mol, for a volume share where the point is a mass concentration."""
    molar_volume: Annotated[float, Field(gt=0)] = 24.45
    """L/mol at the reference state: 24.45 is 25 °C (GB 3095 since 2018), 22.4 is 0 °C."""


class BayernHessenOptions(Checked):
    """How an analyser counts and what its bytes mean."""

    mantissa: Literal["nnnn", "n.nnn"]
    """Where the point of the mantissa stands: +1234-02 is 12.34 with nnnn, 0.01234 with n.nnn. Compare once."""
    volumetric: str | None = None
    """Unit of values while status bit 6 is 1, such as ppb; none: the point's unit, whatever the bit says."""
    gravimetric: str | None = None
    """Unit of values while status bit 6 is 0, such as ug/m3."""
    status: dict[int, Flag] = Field(default_factory=lambda: dict(USUAL_STATUS))
    """Bit of the status byte -> flag of the component's value; the lowest set bit that is listed counts."""
    failure_mask: Annotated[int, Field(ge=0, le=255)] = 0xFF
    """Bits of the failure byte that flag the value D."""
    reply: Annotated[int, Field(ge=8, le=1024)] = 50
    """Bytes of a usual answer; for the plan."""
    response: Duration = 0.1
    """How long the analyser thinks before it answers; for the plan."""
    flags: tuple[StatusRule, ...] = ()
    """Further status -> data flag, from points; for each point the first rule that applies wins."""

    @field_validator("status")
    @classmethod
    def _bits(cls, status: dict[int, Flag]) -> dict[int, Flag]:
        for bit in status:
            if not 0 <= bit <= 7:
                raise ValueError(f"bit {bit} is none of the status byte: 0 to 7")
        return status


def conversion_problem(point: BayernHessenPoint, options: BayernHessenOptions) -> str | None:
    """Why a unit that the analyser may send cannot become the point's; None when every one can."""
    if point.read != "value" or point.unit is None:
        return None
    for unit in (options.volumetric, options.gravimetric):
        if unit is not None:
            try:
                units.conversion(unit, point.unit, point.molar_mass, point.molar_volume)
            except ValueError as problem:
                return f"{point.id}: {problem}"
    return None
