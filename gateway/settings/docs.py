"""docs/site-file.md from the models: `python -m gateway.settings.docs > docs/site-file.md`."""

import sys
from collections.abc import Iterator

from drivers import catalogue
from drivers.profile import Checked
from gateway.domain.derived import DerivedKeys, DerivedPoint
from gateway.domain.steps import Batch, Check, Deadband, Limit, MarkRule, Rolling, StepKeys, WaterClassKeys
from gateway.domain.vapour_recovery import Nozzle, VapourKeys, VapourRules
from gateway.domain.windows import WindowKeys, WindowRule
from gateway.settings.facts import Key, keys, models
from gateway.settings.model import (
    ClockSettings,
    CommandSettings,
    GatewayKeys,
    HealthSettings,
    InstrumentKeys,
    LineKeys,
    LogSettings,
    UplinkSettings,
)
from gateway.settings.profiles import Example, FactorySerial, ProfileKeys
from gateway.settings.quantities import Quantity

_HEAD = """\
# The site file

<!-- Made by `python -m gateway.settings.docs > docs/site-file.md`; a test compares. Change the models instead. -->

One YAML 1.2 file says everything about one gateway. `fieldgate check SITE` names every problem at once, as
`file:line:column: what is wrong; what to write instead`, and exits 78; a wrong file never replaces a running
configuration. `fieldgate schema` prints the same rules as a JSON Schema for editors. Complete samples with comments
are in [config/sites](../config/sites).

Rules for all keys:

- A duration has a unit: `50ms`, `5s`, `2m`, `12h`, `400d`. A size too: `512MiB`, `2GiB`.
- Names (gateway, lines, instruments, points, uplinks) are letters, digits, `_`, `.` and `-`, at most 64, beginning with
  a letter or digit.
- An unknown key, a doubled key, a merge key (`<<`) and a tag (`!!…`) are errors. Aliases (`*name`) may be used.
- Secrets are never written here: keys that end in `_file` name a file. A relative file name is looked for in the
  service's credentials (`$CREDENTIALS_DIRECTORY`), then beside the site file.
- A file that is not there yet, or a secret that everybody can read, is a warning: the gateway starts and polls.

Where profiles are looked up: `--config-dir`, or `$FIELDGATE_CONFIG`, or `/etc/fieldgate`; then the folder of the site
file; then what is shipped. The first `profiles/<system>/<maker>_<model>.yaml` wins. `quantities.yaml` of all three are
joined, single entries of the first replacing those of the later.
"""

_SECTIONS: tuple[tuple[str, str, type[Checked], str], ...] = (
    ("gateway", "", GatewayKeys, ""),
    (
        "lines",
        "Lines by name. One serial port, or one network endpoint, is one line; two lines on one port are an error, "
        "also by way of symbolic links.",
        LineKeys,
        'forecourt: {serial: /dev/serial/by-id/usb-…, baudrate: 9600}\nplc:       {tcp: "192.0.2.10:502"}',
    ),
    (
        "instruments",
        "A list. With a `profile`, an entry of `points` that has the id of one of the profile's points changes only "
        "the keys it names; any other id is a further point. Two instruments that read the same register of "
        "the same unit differently are an error.",
        InstrumentKeys,
        "- {id: oxygen, line: plc, profile: water/ysi_odo, address: 1, every: 10s}",
    ),
    (
        "steps",
        "It may stand in the site file (for all instruments), in a profile, and with an instrument; docs/pipeline.md "
        "explains each with an example.",
        StepKeys,
        "windows: {system: cems, periods: [1m, 1h, 1d]}",
    ),
    (
        "derived",
        "A list; an entry may use the instruments and the entries before it.",
        DerivedKeys,
        "- {id: stack, from: {so2: cems/so2, o2: cems/o2}, points: [{id: so2_zs, quantity: so2, "
        'value: "oxygen_corrected(so2, o2, 9)"}]}',
    ),
    (
        "vapour_recovery",
        "",
        VapourKeys,
        'rules: gb20952\nnozzles:\n  - {nozzle: "1", fuel: dispenser-1/n1_fuel, vapour: dispenser-1/n1_vapour, '
        "fuel_litres: 0.01, vapour_litres: 0.01}",
    ),
    ("uplinks", "Uplinks by name. Without any, the batches stay in the log.", UplinkSettings, ""),
    ("log", "", LogSettings, ""),
    ("health", "", HealthSettings, ""),
    ("clock", "", ClockSettings, ""),
    ("commands", "", CommandSettings, ""),
)


_STEPS: tuple[tuple[str, type[Checked]], ...] = (
    ("`steps`: `windows`", WindowKeys),
    ("`steps`: `windows`: `minute`, `hour`, `day`", WindowRule),
    ("`steps`: an entry of `checks`", Check),
    ("`steps`: an entry of `limits`", Limit),
    ("`steps`: `deadband`", Deadband),
    ("`steps`: an entry of `marks`", MarkRule),
    ("`steps`: an entry of `rolling`", Rolling),
    ("`steps`: `batch`", Batch),
    ("`steps`: `water_class`", WaterClassKeys),
    ("`derived`: an entry of `points`", DerivedPoint),
    ("`vapour_recovery`: an entry of `nozzles`", Nozzle),
    ("`vapour_recovery`: `parameters`", VapourRules),
)


def page() -> str:
    """The whole of docs/site-file.md."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    yield _HEAD
    for name, text, model, example in _SECTIONS:
        yield from _section(f"`{name}`", " ".join(filter(None, (_first(model), text))), model, example)
    for title, inner in _STEPS:
        yield from _section(title, _first(inner), inner)
    for name in catalogue.names():
        protocol = catalogue.protocol(name)
        yield from _section(f"Points of `{name}`", _first(protocol.point), protocol.point)
        yield from _section(f"Options of `{name}`", _first(protocol.options), protocol.options)
        for key, inner in _inner(protocol.options):
            yield from _section(f"`{name}`: an entry of `{key}`", _first(inner), inner)
    yield "# A profile file\n"
    text = "A profile says an instrument once for all sites: docs/add-an-instrument.md makes one in ten minutes."
    yield from _section("Keys", text, ProfileKeys)
    yield from _section("`serial`", _first(FactorySerial), FactorySerial)
    yield from _section("An entry of `examples`", _first(Example), Example)
    yield "# quantities.yaml\n"
    yield "`units` is a mapping of each unit to its meaning; `quantities` a mapping of each quantity to these keys.\n"
    yield from _section("A quantity", _first(Quantity), Quantity)


def _first(model: type[Checked]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _inner(model: type[Checked]) -> Iterator[tuple[str, type[Checked]]]:
    for name, field in model.model_fields.items():
        for inner in models(field):
            yield field.alias or name, inner


def _section(title: str, text: str, model: type[Checked], example: str = "") -> Iterator[str]:
    yield f"## {title}\n"
    if text:
        yield f"{text}\n"
    if example:
        yield f"```yaml\n{example}\n```\n"
    yield "| key | value | range | default | meaning |"
    yield "|---|---|---|---|---|"
    for key in keys(model):
        yield _row(key)
    yield ""


def _row(key: Key) -> str:
    default = "required" if key.required else f"`{key.default}`" if key.default else ""
    cells = (f"`{key.name}`", key.kind, key.limits, default, key.text)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
