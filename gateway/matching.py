"""Which profile fits an instrument that was found, and the site file that would poll it."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drivers import catalogue
from drivers.contract import Flag, Line, Sample
from drivers.profile import InstrumentSpec, LineSpec
from drivers.scanning import Heard
from gateway.settings import load
from gateway.settings.problem import SettingsError
from gateway.settings.profiles import load_profile
from gateway.settings.shipped import folders, found, profile_names

IDENTIFIED = 1.0
"""Added when the instrument names itself as the profile's maker or model does: worth more than any values."""
AT_HOME = 0.1
"""Added for the profile's factory address, and for its factory serial settings."""
AT_REST = (Flag.CALIBRATION, Flag.MAINTENANCE, Flag.STOPPED)
LIKELY = 0.6
"""Below this share of believable values a profile is no proposal."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile as an instrument on one line; `names` are maker and model, `home` its factory address."""

    profile: str
    spec: InstrumentSpec
    names: tuple[str, ...]
    home: int | str | None
    serial: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Match:
    """How well a profile fits: `good` of `points` points gave a value that can be believed."""

    profile: str
    score: float
    good: int
    points: int


def candidates(line: LineSpec, protocol: str, config_dir: Path | None) -> list[Candidate]:
    """Every profile of that protocol that can be tried on this line."""
    places = folders(config_dir)
    profiles = []
    for name in profile_names(places):
        path = found(f"profiles/{name}.yaml", places)
        assert path is not None
        if protocol.encode() not in path.read_bytes():
            continue  # without its name it is of another protocol, and a hundred files take seconds to read
        try:
            profile = load_profile(name, path, [])
        except SettingsError:
            continue  # the operator's own file may be broken; `check` tells
        if profile is not None and profile.keys.protocol == protocol:
            profiles.append(profile)
    try:
        specs = _specs(line, [profile.name for profile in profiles], config_dir)
    except SettingsError:
        specs = {}
        for profile in profiles:  # one of them needs more than an address, or another kind of line
            with suppress(SettingsError):
                specs |= _specs(line, [profile.name], config_dir)
    return [
        Candidate(
            profile.name,
            specs[profile.name],
            (profile.keys.maker, profile.keys.model),
            profile.keys.address,
            profile.keys.serial.model_dump() if profile.keys.serial is not None else None,
        )
        for profile in profiles
        if profile.name in specs
    ]


def _specs(line: LineSpec, names: Sequence[str], config_dir: Path | None) -> dict[str, InstrumentSpec]:
    """An instrument by each profile. Raises SettingsError when one of them cannot be on this line."""
    rows = [
        f"{{id: p{at}, line: {line.name}, profile: {name}, address: {at + 1}, every: 1h}}"
        for at, name in enumerate(names)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "site.yaml")
        file.write_text(site_file(line, rows), "utf-8")
        site = load(file, config_dir)
    return dict(zip(names, site.instruments, strict=True))


async def matches(heard: Heard, line: Line, spec: LineSpec, tried: Sequence[Candidate]) -> list[Match]:
    """The profiles by how well they fit, the best first. Only reads, as the gateway would make them."""
    found = []
    for one in tried:
        # a register that is not there is refused or not answered at once; other protocols have long answers
        patience_s = spec.timeout_s if heard.protocol == "modbus" else max(spec.timeout_s, one.spec.timeout_s)
        instrument = one.spec.model_copy(update={"address": heard.address, "timeout_s": patience_s})
        try:
            driver = catalogue.protocol(one.spec.protocol).driver(instrument, line, spec)
        except ValueError:
            continue
        sample = await driver.poll()
        good, score = believable(sample, heard.protocol)
        said = " ".join(heard.identity.values()).lower()
        if any(name.lower() in said for name in one.names if name.lower() not in ("", "any")):
            score += IDENTIFIED
        if score:
            score += AT_HOME * (one.home == heard.address)
            score += AT_HOME * (one.serial is not None and all(getattr(spec, k) == v for k, v in one.serial.items()))
        found.append(Match(one.profile, round(score, 3), good, len(sample.values)))
    return sorted(found, key=lambda match: (-match.score, -match.points, match.profile))


def believable(sample: Sample, protocol: str) -> tuple[int, float]:
    """How many values can be believed, and the share of all points they are.

    Half count values of an instrument that says it is calibrating or at rest, and zeros of Modbus, where registers that
    nobody fills are zero; nothing but such zeros is nothing. Other protocols do not send what is not there.
    """
    kept = [(value, sample.flags.get(at)) for at, value in enumerate(sample.values) if value is not None]
    good = [(value or protocol != "modbus", flag) for value, flag in kept if flag is None or flag in AT_REST]
    if not any(value for value, _ in good):
        return 0, 0.0
    return len(good), sum(1.0 if value and flag is None else 0.5 for value, flag in good) / len(sample.values)


def site_file(line: LineSpec, instruments: Sequence[str]) -> str:
    """A site file with this line and these instruments (each a YAML mapping in one line)."""
    if line.kind == "serial":
        where = f"serial: {line.path}, baudrate: {line.baudrate}, parity: {line.parity}, stopbits: {line.stopbits}"
        where += f", bytesize: {line.bytesize}"
    else:
        host = f"[{line.host}]" if ":" in (line.host or "") else line.host
        where = f'{line.kind}: "{host}:{line.port}"'
    framing = f", framing: {line.framing}" if line.framing else ""
    rows = "".join(f"  - {one}\n" for one in instruments)
    return (
        "# Written by `fieldgate scan`: compare every value with the instrument's own display before you trust it.\n"
        "gateway: {id: change-me, site: change me, timezone: Asia/Shanghai}\n"
        f"lines:\n  {line.name}: {{{where}{framing}}}\ninstruments:\n{rows}"
    )


def proposed(heard: Heard, line: LineSpec, match: Match | None) -> str:
    """The instrument as a site file names it.

    Without a profile that fits: the one that fits best; of Modbus, where that says nothing, one register to begin with.
    """
    name = re.sub("[^A-Za-z0-9_.-]", "_", f"unit-{heard.address}")[:64]
    where = f"line: {line.name}, address: {json.dumps(heard.address)}, every: 10s"
    if match is not None and (match.score >= LIKELY or heard.protocol != "modbus"):
        pushes = ", options: {listen: true}" if heard.pushes and line.kind != "listen" else ""
        return f"{{id: {name}, {where}, profile: {match.profile}{pushes}}}"
    first = "points: [{id: register_0, table: holding, address: 0, type: uint16}]"
    return f"{{id: {name}, {where}, protocol: {heard.protocol}, {first}}}"
