"""A site file with everything it names -> one frozen Site, or every problem."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from drivers.profile import Checked, InstrumentSpec, LineSpec
from gateway.domain.steps import StepKeys
from gateway.domain.vapour_recovery import VapourKeys
from gateway.settings import derived, registers, rules, steps, wire_time
from gateway.settings.check import Model, checked
from gateway.settings.derived import DerivedSpec, PlacedDerived
from gateway.settings.document import Node, read
from gateway.settings.instruments import Instruments
from gateway.settings.located import located
from gateway.settings.model import (
    KINDS,
    ClockSettings,
    CommandSettings,
    GatewayKeys,
    HealthSettings,
    LineKeys,
    LogSettings,
    SiteKeys,
    UplinkSettings,
)
from gateway.settings.placed import Placed
from gateway.settings.problem import Problem, SettingsError, did_you_mean, in_order
from gateway.settings.profiles import Profiles
from gateway.settings.quantities import Vocabulary, vocabulary
from gateway.settings.shipped import folders
from gateway.settings.values import endpoint
from gateway.settings.wording import described

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the gateway is told, resolved. `hash` is the SHA-256 of all of it, profiles included."""

    path: Path
    gateway_id: str
    title: str
    timezone: str
    lines: Mapping[str, LineSpec]
    instruments: tuple[InstrumentSpec, ...]
    derived: tuple[DerivedSpec, ...]
    steps: Mapping[str, StepKeys]
    vapour_recovery: VapourKeys | None
    uplinks: Mapping[str, UplinkSettings]
    log: LogSettings
    health: HealthSettings | None
    clock: ClockSettings
    commands: CommandSettings
    hash: str
    warnings: tuple[Problem, ...]

    @property
    def everything(self) -> tuple[InstrumentSpec, ...]:
        """All instruments of the feed: those that are polled, and those that are calculated."""
        return (*self.instruments, *(one.spec for one in self.derived))


def load(path: Path | str, config_dir: Path | None = None) -> Site:
    """The site in the file `path`. Raises SettingsError with every problem of it and of the files it names.

    `config_dir` is the operator's own folder of profiles, instead of $FIELDGATE_CONFIG or /etc/fieldgate.
    """
    path = Path(path)
    root = read(path)
    problems: list[Problem] = []
    places = folders(config_dir, path)
    words = quantities(places, problems)
    site = _Reading(path, root, words, Profiles(places, problems), problems).site()
    if site is None:
        raise SettingsError(problems)
    return site


def quantities(places: Sequence[Path], problems: list[Problem]) -> Vocabulary:
    """The vocabulary of all folders in `places`; the first to define a name wins."""
    return vocabulary([file for place in places if (file := place / "quantities.yaml").is_file()], problems)


class _Reading:
    """One pass over one site file."""

    def __init__(self, path: Path, root: Node, words: Vocabulary, profiles: Profiles, problems: list[Problem]) -> None:
        self.path = path
        self.root = root
        self.words = words
        self.profiles = profiles
        self.problems = problems

    def site(self) -> Site | None:
        """The site, or None with the reasons in `problems`."""
        if not isinstance(self.root.value, dict):
            self.problems.append(
                self.root.problem(f"a site file is keys with values, not {described(self.root.value)}")
            )
            return None
        for key, node in self.root.value.items():
            if key not in SiteKeys.model_fields:
                advice = did_you_mean(key, SiteKeys.model_fields)
                self.problems.append(node.key_problem(f"unknown key {key!r} in the site file", advice))
        gateway = self._section("gateway", GatewayKeys, required=True)
        lines = self._lines()
        usual = self._section("steps", StepKeys)
        instruments = self._instruments(lines, usual or StepKeys())
        calculated = self._derived(instruments, usual or StepKeys())
        everything = [*instruments, *(one.placed for one in calculated)]
        steps.names(everything, self.problems)
        vapour = None
        if "vapour_recovery" in self.root.value:
            vapour = self._section("vapour_recovery", VapourKeys)
            if vapour is not None:
                steps.sources(vapour, self.root.value["vapour_recovery"], everything, self.problems)
        uplinks = self._uplinks(gateway)
        log = self._section("log", LogSettings)
        health = self._section("health", HealthSettings) if "health" in self.root.value else None
        clock = self._section("clock", ClockSettings)
        commands = self._section("commands", CommandSettings)
        if health is not None:
            health = self._files(health, self.root.value["health"], "password_file")
            rules.exposed(health, self.root.value["health"], self.problems)
        if log is not None:
            log = self._log_files(log)
        if any(problem.level == "error" for problem in self.problems):
            return None
        # each None has left an error
        assert gateway is not None
        assert log is not None
        assert clock is not None
        assert commands is not None
        specs = tuple(placed.spec for placed in instruments)
        parts: dict[str, Any] = {
            "gateway_id": gateway.id,
            "title": gateway.title,
            "timezone": gateway.timezone,
            "lines": {name: line for name, (line, _) in lines.items()},
            "instruments": specs,
            "derived": tuple(one.derived for one in calculated),
            "steps": {placed.spec.id: placed.steps for placed in everything},
            "vapour_recovery": vapour,
            "uplinks": {name: uplink for name, (uplink, _) in uplinks.items()},
            "log": log,
            "health": health,
            "clock": clock,
            "commands": commands,
        }
        return Site(path=self.path, hash=_hash(parts), warnings=in_order(self.problems), **parts)

    def _section(self, name: str, model: type[Model], required: bool = False) -> Model | None:
        node = self.root.get(name)
        if node is None:
            if not required:
                return model()
            wanted = ", ".join(key for key, field in model.model_fields.items() if field.is_required())
            self.problems.append(self.root.problem(f"the site file lacks {name!r}", f"add `{name}:` with {wanted}"))
            return None
        if node.value is None:  # `health:` alone asks for the defaults
            node = Node({}, node.file, node.line, node.column, node.key)
        return checked(model, node, self.problems, name)

    def _entries(self, name: str, required: bool = True) -> dict[str, Node]:
        """The named entries of a section, names checked."""
        node = self.root.get(name)
        if node is None or node.value is None:
            if required:
                place = node or self.root
                self.problems.append(place.key_problem(f"the site file lacks {name!r}", f"add `{name}:`"))
            return {}
        if not isinstance(node.value, dict):
            self.problems.append(node.problem(f"{name} is {described(node.value)}", "write `name: {…}` for each"))
            return {}
        for key, entry in node.value.items():
            if not _NAME.fullmatch(key):
                advice = "use letters, digits, `_`, `.`, `-`, at most 64, a letter or digit first"
                self.problems.append(entry.key_problem(f"{key!r} is no name", advice))
        return node.value

    def _lines(self) -> dict[str, tuple[LineSpec, Node]]:
        lines: dict[str, tuple[LineSpec, Node]] = {}
        for name, node in self._entries("lines").items():
            keys = checked(LineKeys, node, self.problems, f"line {name}")
            if keys is not None and _NAME.fullmatch(name):
                lines[name] = (line_spec(name, self._files(keys, node, "ca_file", "cert_file", "key_file")), node)
        rules.ports(lines, self.problems)
        rules.devices(lines, self.problems)
        return lines

    def _instruments(self, lines: Mapping[str, tuple[LineSpec, Node]], usual: StepKeys) -> list[Placed]:
        node = self.root.get("instruments")
        if node is None or not isinstance(node.value, list):
            place = node or self.root
            found = f"instruments is {described(node.value)}" if node else "the site file lacks 'instruments'"
            self.problems.append(place.key_problem(found, "write a list of instruments: `- id: …`"))
            return []
        known: dict[str, LineSpec | None] = dict.fromkeys(self._names("lines"))
        known.update({name: line for name, (line, _) in lines.items()})
        rules.ids(node.value, self.problems)
        resolver = Instruments(known, self.profiles, self.words, usual, self.problems, self.path)
        placed = [made for entry in node.value if (made := resolver.resolve(entry)) is not None]
        modbus = [one for one in placed if one.spec.protocol == "modbus"]
        registers.clashes(modbus, self.problems)
        for one in modbus:
            registers.tags(one, self.problems)
        wire_time.periods(placed, {name: line for name, (line, _) in lines.items()}, self.problems)
        rules.speaking(lines, placed, self.problems)
        if len(placed) == len(node.value):
            rules.unused(lines, placed, self.problems)
        return placed

    def _derived(self, instruments: list[Placed], usual: StepKeys) -> list[PlacedDerived]:
        node = self.root.get("derived")
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.problems.append(node.key_problem(f"derived is {described(node.value)}", "write a list: `- id: …`"))
            return []
        return derived.resolve(node.value, instruments, usual, self.words, self.problems)

    def _names(self, section: str) -> list[str]:
        node = self.root.get(section)
        return list(node.value) if node is not None and isinstance(node.value, dict) else []

    def _uplinks(self, gateway: GatewayKeys | None) -> dict[str, tuple[UplinkSettings, Node]]:
        uplinks: dict[str, tuple[UplinkSettings, Node]] = {}
        for name, node in self._entries("uplinks", required=False).items():
            made = checked(UplinkSettings, node, self.problems, f"uplink {name}")
            if made is None or gateway is None:
                continue
            if made.client_id is None:
                made = made.model_copy(update={"client_id": f"fieldgate-{gateway.id}-{name}"})
            made = self._files(made, node, "password_file", "ca_file", "cert_file", "key_file")
            uplinks[name] = (made, node)
        rules.client_ids(uplinks, self.problems)
        return uplinks

    def _files(self, section: Model, node: Node, *keys: str) -> Model:
        """The section with its file names made absolute; what they hold is never read here."""
        update: dict[str, str] = {}
        for key in keys:
            written = getattr(section, key)
            if written is None:
                continue
            update[key] = located(written, self.path)
            if key in ("password_file", "key_file"):
                rules.secret(update[key], node.get(key) or node, self.problems)
            elif not os.path.isfile(update[key]):
                place = node.get(key) or node
                message = f"{update[key]}: no such file"
                self.problems.append(place.problem(message, "it is wanted at the first connection", "warning"))
        return section.model_copy(update=update)

    def _log_files(self, log: LogSettings) -> LogSettings:
        path = os.path.join(os.path.abspath(self.path.parent), log.path)
        key = log.key_file or os.path.join(os.path.dirname(path), "key.pem")
        return log.model_copy(update={"path": path, "key_file": located(key, self.path)})


def line_spec(name: str, keys: LineKeys) -> LineSpec:
    """The line as its owner wants it."""
    where = keys.tcp or keys.udp or keys.tls or keys.listen
    host, port = endpoint(where) if where else (None, None)
    kind = next(kind for kind in KINDS if getattr(keys, kind) is not None)
    same = ("baudrate", "bytesize", "parity", "stopbits", "framing", "timeout_s", "settle_s", "in_flight", "rs485")
    pauses = ("connect_pause_s", "request_pause_s", "ca_file", "cert_file", "key_file")
    listening = ("allow", "connections", "idle_s")
    shared = {key: getattr(keys, key) for key in (*same, *pauses, *listening)}
    return LineSpec(name=name, kind=kind, path=keys.serial or keys.local, host=host, port=port, **shared)


def _hash(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        orjson.dumps(parts, default=dumped, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    ).hexdigest()


def dumped(value: Any) -> Any:
    """One model as its keys and values; what is inside comes in turn, for `default` of a JSON writer."""
    if isinstance(value, Checked):
        # one level at a time: points and options are of classes that their field does not name
        return {key: getattr(value, key) for key in type(value).model_fields}
    raise TypeError(type(value))
