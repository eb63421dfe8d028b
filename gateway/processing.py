"""The pipeline of a site, built from its settings."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from drivers.profile import InstrumentSpec, Point
from gateway.domain.expression import parse
from gateway.domain.functions import FUNCTIONS
from gateway.domain.windows import WindowKeys
from gateway.pipeline.derived import Derivation, Formula
from gateway.pipeline.pipeline import Pipeline
from gateway.pipeline.vapour_recovery import VapourRecovery
from gateway.pipeline.window_values import MeansFormula, Windowed
from gateway.settings import Site
from gateway.settings.derived import DerivedSpec
from gateway.settings.steps import TO_PA


def pipeline_of(site: Site) -> Pipeline:
    """Every step that the site file and its profiles ask for."""
    windows: dict[str, Windowed] = {}
    for spec in site.everything:
        keys = site.steps[spec.id].windows
        if keys is not None and keys.periods and (wanted := _windowed(spec, keys)).points:
            windows[spec.id] = wanted
    for one in site.derived:
        if one.of_means and one.spec.id in windows:
            windows[one.spec.id] = replace(windows[one.spec.id], means=_of_means(one))
    zone = ZoneInfo(site.timezone)
    return Pipeline(zone, windows, site.steps, [_derivation(one) for one in site.derived], _vapour(site, zone))


def _vapour(site: Site, zone: ZoneInfo) -> VapourRecovery | None:
    keys = site.vapour_recovery
    if keys is None:
        return None
    unit = {f"{spec.id}/{point.id}": point.unit for spec in site.everything for point in spec.points}
    pressures = {"tank": keys.tank, "line": keys.line}
    to_pa = {key: TO_PA[unit[source] or ""] for key, source in pressures.items() if source is not None}
    return VapourRecovery(keys, zone, to_pa)


def _windowed(spec: InstrumentSpec, keys: WindowKeys) -> Windowed:
    points = keys.points or tuple(point.id for point in spec.points if _is_number(point))
    return Windowed(keys, points, round(spec.every_s * 1000))


def _is_number(point: Point) -> bool:
    """Whether a mean of the point means something: no text, no codes."""
    text = getattr(point, "type", None) == "string" or getattr(point, "states", None) is not None
    return not text and point.quantity != "state"


def _of_means(one: DerivedSpec) -> tuple[MeansFormula, ...]:
    return tuple(MeansFormula(name, parse(one.formulas[name], FUNCTIONS), one.constants) for name in one.of_means)


def _derivation(one: DerivedSpec) -> Derivation:
    ranges = {point.id: point.range for point in one.spec.points}
    formulas = tuple(Formula(name, parse(text, FUNCTIONS), ranges[name]) for name, text in one.formulas.items())
    inputs = {name: (source.split("/")[0], source.split("/")[1]) for name, source in one.inputs.items()}
    hold = {name: round(seconds * 1000) for name, seconds in one.hold.items()}
    return Derivation(one.spec.id, one.at, inputs, one.constants, formulas, round(one.max_age_s * 1000), hold)
