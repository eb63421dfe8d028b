"""Checked values together with the nodes they came from, for the rules that look across the file."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.profile import InstrumentSpec, Point
from gateway.domain.steps import StepKeys
from gateway.settings.document import Node


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point and its entry, the site's changes merged in."""

    point: Point
    node: Node


@dataclass(frozen=True, slots=True)
class Placed:
    """An instrument and its entry."""

    spec: InstrumentSpec
    node: Node
    points: Mapping[str, PlacedPoint]
    steps: StepKeys
