"""What tests/fuzz_messages.py feeds: for each codec some instruments, and right messages of theirs to spoil."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from drivers.profile import InstrumentSpec, LineSpec
from gateway.settings import load
from gateway.settings.document import read

Target = Callable[[], list[tuple[InstrumentSpec, LineSpec, list[bytes]]]]
PROFILES = Path(__file__).parents[1] / "config" / "profiles"
TEXTS = ("position/nmea_gps", "generic/weighbridge_continuous", "generic/voc_printer")


def text() -> list[tuple[InstrumentSpec, LineSpec, list[bytes]]]:
    """The shipped profiles of text instruments that speak unasked, with their examples; and other framings."""
    found = []
    with TemporaryDirectory() as folder:
        site = Path(folder) / "site.yaml"
        for name in TEXTS:
            example = read(PROFILES / f"{name}.yaml").plain()["examples"][0]  # type: ignore[index,call-overload]
            for more in ("{}", "{options: {whole_from_start: true}}"):
                entry = f"{{id: one, line: line, profile: {name}, address: 1, {more[1:-1]}}}"
                site.write_text(f"gateway: {{id: t}}\nlines: {{line: {{serial: /dev/none}}}}\ninstruments: [{entry}]\n")
                loaded = load(site)
                data = bytes.fromhex(example["heard"])
                found.append((loaded.instruments[0], loaded.lines["line"], [*data.splitlines(keepends=True), data]))
    return found


TARGETS: Mapping[str, Target] = {"text": text}
