"""Instrument keys + profile + quantities -> InstrumentSpec."""

from collections.abc import Mapping
from pathlib import Path

from drivers import catalogue
from drivers.profile import Checked, InstrumentSpec, LineSpec, SerialSettings
from gateway.domain.steps import StepKeys
from gateway.settings import registers, rules
from gateway.settings.check import checked
from gateway.settings.document import Node
from gateway.settings.flag_rules import flag_rules
from gateway.settings.located import located
from gateway.settings.model import InstrumentKeys
from gateway.settings.placed import Placed
from gateway.settings.points import merged, points_of
from gateway.settings.problem import Problem, did_you_mean
from gateway.settings.profiles import Profile, Profiles, unknown_protocol
from gateway.settings.quantities import Vocabulary


class Instruments:
    """Resolves the instruments of one site. `lines` has None for a line that has its own problems."""

    def __init__(
        self,
        lines: Mapping[str, LineSpec | None],
        profiles: Profiles,
        words: Vocabulary,
        usual: StepKeys,
        problems: list[Problem],
        path: Path,
    ) -> None:
        """`path` is the site file, beside which relative files are."""
        self._path = path
        self._lines = lines
        self._profiles = profiles
        self._words = words
        self._usual = usual
        self._problems = problems

    def resolve(self, node: Node) -> Placed | None:
        """One entry of `instruments`; None with the reasons in `problems`."""
        name = node.get("id")
        what = f"instrument {name.value}" if name is not None else "an instrument"
        keys = checked(InstrumentKeys, node, self._problems, what)
        # go on with what can be used, so that every problem comes out at once
        line = self._line(node)
        source = self._source(node, what)
        if source is None:
            return None
        profile, protocol = source
        points = points_of(node, profile, protocol, self._words, self._problems, what)
        options = self._options(node, profile, protocol, list(points or ()), what)
        every_s = keys and self._every(keys, node, profile, what)
        if keys is None or line is None or points is None or options is None or every_s is None:
            return None
        usual = profile.keys.timeout_s if profile else None
        spec = InstrumentSpec(
            id=keys.id,
            title=keys.title,
            line=keys.line,
            protocol=protocol.name,
            profile=keys.profile,
            address=keys.address,
            every_s=every_s,
            timeout_s=keys.timeout_s or usual or line.timeout_s,
            serial=self._serial(keys, line, node),
            settle_s=keys.settle_s,
            phase_s=keys.phase_s,
            points=tuple(placed.point for placed in points.values()),
            options=options,
        )
        if protocol.name == "modbus":
            registers.address(spec, line, node, self._problems)
        for message in protocol.check(spec, line):
            # "so2: no pattern has a group so2" is about a point
            entry = points.get(message.partition(":")[0])
            place = entry.node if entry is not None else node.get("options") or node
            self._problems.append(place.problem(f"instrument {spec.id}: {message}"))
        wanted = keys.steps.over((profile.keys.steps if profile else StepKeys()).over(self._usual))
        return Placed(spec, node, points, wanted)

    def _line(self, node: Node) -> LineSpec | None:
        line = node.get("line")
        if line is None or not isinstance(line.value, str):
            return None
        if line.value not in self._lines:
            advice = did_you_mean(line.value, self._lines)
            self._problems.append(line.problem(f"there is no line {line.value!r}", advice))
        return self._lines.get(line.value)

    def _serial(self, keys: InstrumentKeys, line: LineSpec, node: Node) -> SerialSettings | None:
        """The instrument's own serial settings, None when they are its line's."""
        if keys.serial is None:
            return None
        if line.kind != "serial":
            place = node.get("serial") or node
            message = f"instrument {keys.id} has serial settings, line {line.name} is a {line.kind} line"
            self._problems.append(place.key_problem(message, "remove them"))
            return None
        usual = {key: getattr(line, key) for key in SerialSettings.model_fields}
        own = {key: value for key in usual if (value := getattr(keys.serial, key)) is not None}
        return SerialSettings(**{**usual, **own}) if {**usual, **own} != usual else None

    def _source(self, node: Node, what: str) -> tuple[Profile | None, catalogue.Protocol] | None:
        named, written = node.get("profile"), node.get("protocol")
        if named is not None and written is not None:
            self._problems.append(written.key_problem(f"{what} has profile and protocol", "keep one of the two"))
        elif named is not None:
            profile = self._profiles.get(named) if isinstance(named.value, str) else None
            return (profile, catalogue.protocol(profile.keys.protocol)) if profile else None
        elif written is None:
            advice = "name a profile, or give protocol and points"
            self._problems.append(node.key_problem(f"{what} has neither profile nor protocol", advice))
        elif written.value in catalogue.names():
            return None, catalogue.protocol(str(written.value))
        else:
            self._problems.append(unknown_protocol(written))
        return None

    def _every(self, keys: InstrumentKeys, node: Node, profile: Profile | None, what: str) -> float | None:
        every_s = keys.every_s
        if every_s is None and profile is not None:
            every_s = profile.keys.every_s
        if every_s is None:
            self._problems.append(node.key_problem(f"{what} lacks 'every'", "add a period, such as `every: 5s`"))
        elif keys.phase_s and keys.phase_s >= every_s > 0:
            place = node.get("phase") or node
            self._problems.append(place.problem(f"phase of {what} is not shorter than its period"))
        return every_s

    def _options(
        self, node: Node, profile: Profile | None, protocol: catalogue.Protocol, present: list[str], what: str
    ) -> Checked | None:
        own = node.get("options")
        usual = profile.root.get("options") if profile else None
        if own is not None and usual is not None:
            own = merged(usual, own)
        given = own or usual or Node({}, node.file, node.line, node.column, node.key)
        options = checked(protocol.options, given, self._problems, f"options of {what}")
        if options is not None and present:
            omitted = [name for name in (profile.points if profile else ()) if name not in present]
            options = flag_rules(options, given, present, omitted, self._problems)
        return options and self._files(options, given)

    def _files(self, options: Checked, node: Node) -> Checked:
        """The options with the files that they name (`…_file`) found; each holds a secret."""
        update = {}
        for key in type(options).model_fields:
            if key.endswith("_file") and (written := getattr(options, key)) is not None:
                update[key] = located(written, self._path)
                rules.secret(update[key], node.get(key) or node, self._problems)
        return options.model_copy(update=update)
