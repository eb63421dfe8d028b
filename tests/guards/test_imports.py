"""Who may import whom (design.md). Reads the imports with `ast` and names the offender."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NOUNS = {"gateway.reading", "gateway.batch", "gateway.clock", "gateway.errors"}
STAGES = (
    "gateway.settings",
    "gateway.polling",
    "gateway.pipeline",
    "gateway.log",
    "gateway.uplink",
    "gateway.health",
)
JOINERS = ("gateway.run", "gateway.cli", "gateway.__main__")

# Each outside library enters by one door.
DOORS = {
    "serial": ("drivers.line",),
    "socket": ("drivers.line", "drivers.simulator", "gateway.health", "gateway.broker", "gateway.cli"),
    "ssl": ("drivers.line", "drivers.simulator", "gateway.broker"),
    "aiosqlite": ("gateway.log",),
    "sqlite3": ("gateway.log",),
    "paho": ("gateway.broker",),
    "prometheus_client": ("gateway.health",),
    "h11": ("gateway.health",),
    "ruamel": ("gateway.settings",),
    "pymodbus": ("drivers.modbus", "drivers.simulator"),
    "amqtt": ("gateway.cli",),
    "rich": ("gateway.cli",),
    "typer": ("gateway.cli", "gateway.__main__"),
}
# Pure code: no clock, no I/O, no logging.
PURE = (
    "drivers.contract", "drivers.errors", "drivers.profile", "drivers.durations", "drivers.measure",
    "drivers.modbus.source", "drivers.modbus.options", "drivers.units", "drivers.modbus.ask",
    "drivers.modbus.codec", "drivers.modbus.mbap", "drivers.modbus.rtu", "drivers.modbus.ascii", "drivers.modbus.crc",
    "drivers.modbus.words", "drivers.modbus.lane", "drivers.modbus.place", "drivers.modbus.numbers",
    "drivers.modbus.flags", "drivers.modbus.plan", "drivers.modbus.load", "drivers.written",
    "drivers.text", "drivers.hj212.frame", "drivers.hj212.message", "drivers.hj212.sm4", "drivers.hj212.source",
    "drivers.hj212.values", "drivers.hj212.answers", "drivers.hj212.history", "drivers.hj212.factors",
    "drivers.host.source", "drivers.airtime", "drivers.frames", "drivers.status", "drivers.values",
    "drivers.dlt645", "drivers.cjt188", "drivers.mbus", "drivers.sdi12.message", "drivers.sdi12.source",
    "drivers.bayern_hessen", "drivers.veeder_root",
    "gateway.reading", "gateway.batch", "gateway.polling.schedule", "gateway.polling.silence", "gateway.pipeline",
    "gateway.domain", "gateway.diagnosis.trial", "gateway.diagnosis.findings", "gateway.diagnosis.words",
)  # fmt: skip
IMPURE = {"asyncio", "time", "logging", "socket", "os", "threading", "subprocess", "random", "sqlite3"}


def modules() -> list[Path]:
    return sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("drivers/**/*.py")])


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything the module imports, relative imports resolved."""
    package = dotted(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, node.module or ""]).rstrip(".")
            for name in node.names:
                yield node.lineno, f"{source}.{name.name}"


def within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


def offences(module: str, imported: str) -> Iterator[str]:
    if module.startswith("drivers") and within(imported, ("gateway",)):
        yield "drivers know nothing of the gateway"
    top = imported.split(".")[0]
    if top in DOORS and not within(module, DOORS[top]):
        yield f"{top} enters only by {', '.join(DOORS[top])}"
    own = next((stage for stage in STAGES if within(module, (stage,))), None)
    other = next((stage for stage in STAGES if within(imported, (stage,))), None)
    if own and other and own != other:
        yield "stages import the shared nouns, never one another; run.py joins them"
    if module in NOUNS and other:
        yield "shared nouns import no stage"
    if not within(module, JOINERS) and within(imported, JOINERS):
        yield "only the command line joins the parts"
    if within(module, PURE) and (top in IMPURE or within(imported, ("gateway.log", "gateway.uplink"))):
        yield "pure code has no clock, no I/O and no logging"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_module_imports_only_what_its_place_allows(path: Path) -> None:
    module = dotted(path)
    found = [
        f"{path.relative_to(ROOT)}:{line}: imports {name}: {reason}"
        for line, name in imports(path)
        for reason in offences(module, name)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("drivers.modbus.driver", "gateway.clock"),
        ("gateway.log.store", "gateway.uplink.delivery"),
        ("gateway.polling.poller", "paho.mqtt.client"),
        ("drivers.modbus.words", "time"),
        ("gateway.batch", "gateway.log.store"),
    ],
)
def test_guard_names_an_offender(module: str, imported: str) -> None:
    assert list(offences(module, imported))
