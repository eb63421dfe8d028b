"""What tests/fuzz/messages.py feeds: for each codec some instruments, and right messages of theirs to spoil."""

import atexit
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.hj212_instrument import Hj212Instrument
from gateway.settings import load
from gateway.settings.document import read
from tests.drivers.hj212.vectors import MODBUS, RIGHT, sender

Target = Callable[[], list[tuple[InstrumentSpec, LineSpec, list[bytes]]]]
PROFILES = Path(__file__).parents[2] / "config" / "profiles"
KEY = Path(gettempdir()) / f"fieldgate-fuzz-sm4-{os.getpid()}.key"
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


def hj212() -> list[tuple[InstrumentSpec, LineSpec, list[bytes]]]:
    """Senders of each CRC, whole, in parts and encrypted, with the vectors of the standard and of real senders."""
    line = LineSpec(name="line", kind="listen", host="127.0.0.1", port=1)
    KEY.write_text("0" * 16)
    atexit.register(KEY.unlink, missing_ok=True)
    found = []
    for kind in ("hj212", "modbus", "either"):
        for key_file in (None, str(KEY)):
            one = sender(mn="SD370300001043", crc=kind, key_file=key_file)
            calm = Behaviour(tuple(lambda t_s: 7.5 for _ in one.points), lambda t_s: Flag.NORMAL)
            parts = [frame.encode() + b"\r\n" for frame in (*RIGHT, *MODBUS)]
            parts += Hj212Instrument(one, calm, most=80).uploads("20260706103000", answer=True)
            found.append((one, line, parts))
    return found


TARGETS: Mapping[str, Target] = {"text": text, "hj212": hj212}
