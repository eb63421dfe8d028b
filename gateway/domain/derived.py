"""Values that are calculated from others, as a site file says them (`derived`)."""

from typing import Annotated

from pydantic import Field, field_validator

from drivers.profile import Checked, Duration, Name
from gateway.domain.expression import ExpressionError, parse
from gateway.domain.functions import FUNCTIONS
from gateway.domain.steps import Source, StepKeys

Word = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A name that formulas can use: letters, digits and `_`."""


class DerivedPoint(Checked):
    """One calculated value."""

    id: Word
    """Name of the value in the feed, and in the formulas that follow."""
    value: Annotated[str, Field(min_length=1)]
    """The formula; docs/pipeline.md has the language and the functions."""
    quantity: str | None = None
    """Name in quantities.yaml; gives factor code, unit, decimals and range where they are not given here."""
    unit: str | None = None
    """Unit of the value."""
    means: bool = False
    """In windows, calculate the mean from the means of the values it uses, instead of as the mean of its own samples;
    the formula then uses constants and values before it only."""
    factor: str | None = None
    """HJ 212 factor code."""
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    """Decimals for display and HJ 212; never rounds a value in the feed."""
    range: tuple[float, float] | None = None
    """Plausible values; outside, the value is kept and flagged T."""

    @field_validator("value")
    @classmethod
    def _parses(cls, text: str) -> str:
        try:
            parse(text, FUNCTIONS)
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return text


class DerivedKeys(Checked):
    """An instrument of the feed that is calculated: its values come from formulas over points of real ones."""

    id: Name
    """Name of the instrument in the feed; never changes."""
    title: str = ""
    """What people call it."""
    inputs: dict[Word, Source] = Field(alias="from")
    """Name in the formulas -> `instrument/point`."""
    constants: dict[Word, float] = Field(default_factory=dict)
    """Name in the formulas -> number: a duct's area, a coefficient."""
    at: Name | None = Field(None, alias="with")
    """Instrument at whose polls it is calculated; default that of the first input."""
    max_age_s: Annotated[Duration, Field(gt=0)] = Field(30.0, alias="max_age")
    """An input of another instrument that is older at that moment is no value."""
    hold: dict[Word, Annotated[Duration, Field(gt=0)]] = Field(default_factory=dict)
    """Input -> how long its last valid value is used while no newer one comes: results of batch analysers."""
    points: Annotated[tuple[DerivedPoint, ...], Field(min_length=1)]
    """The values, each from inputs, constants and the values before it."""
    steps: StepKeys = StepKeys()
    """What is done with its samples, as for any instrument."""
