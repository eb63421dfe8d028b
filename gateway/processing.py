"""The pipeline of a site, built from its settings."""

from zoneinfo import ZoneInfo

from drivers.profile import InstrumentSpec, Point
from gateway.domain.windows import WindowKeys
from gateway.pipeline.pipeline import Pipeline
from gateway.pipeline.windows import Windowed
from gateway.settings import Site


def pipeline_of(site: Site) -> Pipeline:
    """Every step that the site file and its profiles ask for."""
    windows: dict[str, Windowed] = {}
    for spec in site.instruments:
        keys = site.steps[spec.id].windows
        if keys is not None and keys.periods and (wanted := _windowed(spec, keys)).points:
            windows[spec.id] = wanted
    return Pipeline(ZoneInfo(site.timezone), windows)


def _windowed(spec: InstrumentSpec, keys: WindowKeys) -> Windowed:
    points = keys.points or tuple(point.id for point in spec.points if _is_number(point))
    return Windowed(keys, points, round(spec.every_s * 1000))


def _is_number(point: Point) -> bool:
    """Whether a mean of the point means something: no text, no codes."""
    text = getattr(point, "type", None) == "string" or getattr(point, "states", None) is not None
    return not text and point.quantity != "state"
