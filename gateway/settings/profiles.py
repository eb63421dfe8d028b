"""Profile files: an instrument as data, with the page of the manual behind each point."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from drivers import catalogue
from drivers.profile import Checked, Duration, Point
from gateway.domain.steps import StepKeys
from gateway.settings.check import checked
from gateway.settings.document import Node, read
from gateway.settings.problem import Problem, SettingsError, did_you_mean
from gateway.settings.shipped import found, profile_names
from gateway.settings.values import Period

Confidence = Literal["manual", "code", "general", "inferred"]


class FactorySerial(Checked):
    """Serial settings as the instrument leaves the factory; the site file decides."""

    baudrate: Annotated[int, Field(ge=50, le=4_000_000)]
    """Bits per second."""
    bytesize: Literal[7, 8] = 8
    """Data bits."""
    parity: Literal["none", "even", "odd"] = "none"
    """Parity."""
    stopbits: Literal[1, 2] = 1
    """Stop bits."""


class Example(Checked):
    """One exchange and what it means: proof that the profile decodes what the instrument says."""

    source: Annotated[str, Field(min_length=1)]
    """Where the bytes come from: the manual's page, or who recorded them; "computed" where they are worked out."""
    request: Annotated[str, Field(min_length=2)] | None = None
    """Bytes sent, hex, as on the wire."""
    reply: Annotated[str, Field(min_length=2)] | None = None
    """Bytes received, hex, as on the wire."""
    heard: Annotated[str, Field(min_length=2)] | None = None
    """For an instrument that speaks unasked: its bytes, hex, as on the wire, instead of `request` and `reply`."""
    values: dict[str, bool | int | float | str | None]
    """What the points are then, by id."""

    @model_validator(mode="after")
    def _asked_or_heard(self) -> "Example":
        if (self.request is None) != (self.reply is None) or (self.heard is None) == (self.request is None):
            raise ValueError("an example has `request` and `reply`, or `heard`")
        return self


class ProfileKeys(Checked):
    """A profile file."""

    title: Annotated[str, Field(min_length=1)]
    """What the instrument is, in one line."""
    maker: str
    """Who makes it; `any` for a generic profile."""
    model: str
    """Model or family."""
    protocol: str
    """Protocol, named as its folder in drivers/."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """What the profile rests on: manual, edition, page, or an honest word where there is none."""
    confidence: Confidence
    """What stands behind the points that do not say otherwise."""
    caveats: tuple[str, ...] = ()
    """What to check on the real instrument."""
    serial: FactorySerial | None = None
    """Serial settings as the instrument leaves the factory."""
    address: int | str | None = None
    """Address as the instrument leaves the factory."""
    every_s: Period | None = Field(None, alias="every")
    """Period where the site file gives none."""
    timeout_s: Annotated[Duration, Field(ge=0.01, le=300)] | None = Field(None, alias="timeout")
    """How long this instrument may take to answer."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The protocol's own settings for this instrument."""
    points: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    """The points."""
    steps: StepKeys = StepKeys()
    """What is done with its samples; the site file may say otherwise, key by key."""
    examples: tuple[Example, ...] = ()
    """Exchanges with their meaning, tried by the tests."""


@dataclass(slots=True)
class Profile:
    """A checked profile file. Points stay nodes, because a site file may change them key by key."""

    name: str
    path: Path
    keys: ProfileKeys
    root: Node
    points: dict[str, Node]
    made: dict[str, Point] = field(default_factory=dict)


class Profiles:
    """Profiles by name, each file read once."""

    def __init__(self, places: Sequence[Path], problems: list[Problem]) -> None:
        self._places = places
        self._problems = problems
        self._known: dict[str, Profile | None] = {}

    def get(self, node: Node) -> Profile | None:
        """The profile that `node` names; None with the reasons in `problems`."""
        name = str(node.value)
        if name not in self._known:
            self._known[name] = self._load(name, node)
            return self._known[name]
        if self._known[name] is None:
            self._problems.append(node.problem(f"profile {name!r} cannot be used; the reason stands elsewhere here"))
        return self._known[name]

    def _load(self, name: str, node: Node) -> Profile | None:
        # a name is a path below profiles/, and must stay there
        steps = name.split("/")
        inside = len(steps) == 2 and all(step and step.replace("_", "").isalnum() for step in steps)
        path = found(f"profiles/{name}.yaml", self._places) if inside else None
        if path is None:
            advice = did_you_mean(name, profile_names(self._places))
            self._problems.append(node.problem(f"there is no profile {name!r}", advice))
            return None
        try:
            return load_profile(name, path, self._problems)
        except SettingsError as error:
            self._problems.extend(error.problems)
            return None


def load_profile(name: str, path: Path, problems: list[Problem]) -> Profile | None:
    """The profile in `path`, None with the reasons in `problems`. Raises SettingsError where it is not YAML."""
    root = read(path)
    keys = checked(ProfileKeys, root, problems, f"profile {name}")
    if keys is None:
        return None
    if keys.protocol not in catalogue.names():
        node = root.get("protocol") or root
        problems.append(unknown_protocol(node))
        return None
    return Profile(name, path, keys, root, point_nodes(root.get("points"), problems))


def unknown_protocol(node: Node) -> Problem:
    """What to say of a protocol that no driver brings."""
    return node.problem(f"there is no protocol {node.value!r}", did_you_mean(str(node.value), catalogue.names()))


def point_nodes(points: Node | None, problems: list[Problem]) -> dict[str, Node]:
    """The entries of a `points` list by id; entries without an id and doubled ids go to `problems`."""
    entries: dict[str, Node] = {}
    for node in points.value if points is not None and isinstance(points.value, list) else ():
        name = node.get("id")
        if name is None:
            problems.append(node.problem("a point lacks 'id'", "add `id: …`, its name in the feed"))
        elif not isinstance(name.value, str):
            problems.append(name.problem(f"the id of a point is {name.value!r}, not text", "put it in quotes"))
        elif name.value in entries:
            line = entries[name.value].line
            problems.append(name.problem(f"point {name.value!r} already stands in line {line}", "give it another id"))
        else:
            entries[name.value] = node
    return entries
