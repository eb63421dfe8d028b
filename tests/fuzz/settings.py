"""Break a valid site file in many ways; each mutant must be refused at its place, without a traceback.

    python -m tests.fuzz settings --count 500 --seed 7

A place is right when a problem names a line at most one away from the mistake; a key that is missing has the whole
of its owner as its place. faults.md, matrix row 17.
"""

import random
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import SettingsError, load
from tests.gateway.settings.example import SITE


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken file and the lines (from 1) in which its mistake is."""

    kind: str
    text: str
    first: int
    last: int


Lines = list[str]
Mutation = Callable[[Lines, random.Random], tuple[Lines, int, int]]

_ENTRY = re.compile(r"^(\s*)(- )?([a-z_][a-z0-9_-]*): ?(.*)$")
REQUIRED = (
    "id: lyu",
    "id: nozzle",
    "line: f",
    "address: 161",
    "address: 3",
    "id: cems",
    "id: room",
    "mqtt: ",
    "line: plc",
)
"""Beginnings of block entries without which the file is not valid."""


def _line(lines: Lines, chance: random.Random, wanted: Callable[[str], bool]) -> int:
    return chance.choice([number for number, line in enumerate(lines) if wanted(line)])


def _value(line: str) -> str:
    found = _ENTRY.match(line)
    return found[4] if found else ""


def _begins(line: str) -> bool:
    """Whether an entry of a list begins here."""
    return line.lstrip().startswith("- ")


def _owner(lines: Lines, number: int) -> tuple[int, int]:
    """First and last line of the mapping to which a line belongs, and the line of its key."""

    def depth(line: str) -> int:
        return len(line) - len(line.lstrip(" -"))

    level = depth(lines[number])
    first, last = number, number
    while (
        first > 0 and depth(lines[first]) >= level and not (lines[first].lstrip().startswith("- ") and first < number)
    ):
        first -= 1
    while last + 1 < len(lines) and depth(lines[last + 1]) >= level and not lines[last + 1].lstrip().startswith("- "):
        last += 1
    return first, last


def missing_key(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: line.strip(" -").startswith(REQUIRED))
    first, last = _owner(lines, number)
    dash = lines[number].lstrip().startswith("- ")
    left = [*lines[:number], *lines[number + 1 :]]
    if dash:  # the next key begins the entry then
        left[number] = re.sub(r"^(\s*)  (\S)", r"\1- \2", left[number])
    return left, first, last


def unknown_key(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    named = ("  server:", "  lab:")  # names of the operator's own, free to choose
    number = _line(lines, chance, lambda line: bool(_value(line)) and not line.startswith(named))
    found = _ENTRY.match(lines[number])
    assert found
    key = found[3]
    odd = key[:-1] + chance.choice("qxj") if chance.random() < 0.5 else key + "_x"
    return _with(lines, number, lines[number].replace(f"{key}:", f"{odd}:", 1)), number, number


def doubled_key(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: bool(_ENTRY.match(line)) and bool(_value(line)))
    copy = lines[number].replace("- ", "  ", 1) if lines[number].lstrip().startswith("- ") else lines[number]
    return [*lines[: number + 1], copy, *lines[number + 1 :]], number, number + 1


def wrong_type(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    """A list or a mapping where a single value is wanted; a value where more is wanted."""
    number = _line(lines, chance, lambda line: bool(_value(line)) and not _value(line).startswith(("{", "[")))
    value = _value(lines[number])
    new = chance.choice(["[1, 2]", "{a: 1}", "[]", "{}", "~" if "fastest" not in value else "[]"])
    if new == "~" and _optional(lines[number]):
        new = "{}"
    return _with(lines, number, lines[number].replace(value, new)), number, number


def _optional(line: str) -> bool:
    """Keys for which an empty value means the same as no key at all."""
    return line.strip(" -").startswith(
        ("profile", "protocol", "phase", "timeout", "username", "in_flight", "every", "tcp", "serial")
    )


def bad_number(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: re.search(r": \d+[,}]|: \d+$", line) is not None)
    spots = list(re.finditer(r"(?<=: )\d+(?=[,}]|$)", lines[number]))
    spot = chance.choice(spots)
    new = chance.choice(["-7777777777", "99999999999", "x12", "true", "1.5x", "'-'"])
    if "scale" in lines[number][: spot.start()][-8:] or "offset" in lines[number][: spot.start()][-9:]:
        new = chance.choice(["x12", "true", ".inf"])
    return _with(lines, number, lines[number][: spot.start()] + new + lines[number][spot.end() :]), number, number


def bad_unit(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: re.search(r": \d+(ms|s|m|d|GiB)\b", line) is not None)
    new = chance.choice(["x", "sec", "", "Gb", " hours"])
    spots = list(re.finditer(r"(?<=: )(\d+)(ms|s|m|d|GiB)\b", lines[number]))
    spot = chance.choice(spots)
    return (
        _with(lines, number, lines[number][: spot.start()] + spot[1] + new + lines[number][spot.end() :]),
        number,
        number,
    )


def bad_choice(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    words = (
        "none",
        "rtu",
        "input",
        "holding",
        "discrete",
        "float32",
        "uint16",
        "ABCD",
        "CDAB",
        "zlib",
        "synced",
        "so2}",
    )
    words += ("so2}", "vapour_recovery/anysafe_al2", "room/xy_md02", "modbus", "forecourt", "server,", "mg/m3", "kPa")
    words += ("status", "Asia/Shanghai", "n2_fuel]", "192.0.2.10:502", "mqtts://")
    number = _line(lines, chance, lambda line: any(f" {word}" in line or f'"{word}' in line for word in words))
    word = chance.choice([word for word in words if f" {word}" in lines[number] or f'"{word}' in lines[number]])
    tail = "" if word[-1].isalnum() or word[-1] == "/" else word[-1]
    new = f"{word.removesuffix(tail)[:-1]}Q!{tail}"
    spot = lines[number].rindex(word)
    return _with(lines, number, lines[number][:spot] + new + lines[number][spot + len(word) :]), number, number


def same_id(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: line.startswith("  - id: ") and "nozzle" not in line)
    return _with(lines, number, "  - id: nozzle-1"), number, number


def same_port(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: "192.0.2.11:4001" in line)
    return _with(lines, number, lines[number].replace("192.0.2.11:4001", "192.0.2.10:502")), number, number


def open_quote(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: '"' in line and "Ring Road" not in line)
    spots = [spot for spot, letter in enumerate(lines[number]) if letter == '"']
    spot = chance.choice(spots)
    return _with(lines, number, lines[number][:spot] + lines[number][spot + 1 :]), number, number


def open_bracket(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: any(letter in line for letter in "{}[]"))
    spot = chance.choice([spot for spot, letter in enumerate(lines[number]) if letter in "{}[]"])
    return _with(lines, number, lines[number][:spot] + lines[number][spot + 1 :]), number, number


def more_bracket(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: line.rstrip().endswith(("}", "]")))
    return _with(lines, number, lines[number] + chance.choice("}]")), number, number


def indented(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    """One line of several keys moved by a column, or indented by a tab."""
    number = _line(
        lines, chance, lambda line: bool(_value(line)) and line.startswith(" ") and not line.lstrip().startswith("- ")
    )
    line = lines[number]
    new = "\t" + line.lstrip() if chance.random() < 0.3 else chance.choice([" " + line, line[1:]])
    return _with(lines, number, new), number - 1, number + 1


def no_colon(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: bool(_value(line)))
    return _with(lines, number, lines[number].replace(":", "", 1)), number - 1, number + 1


def bomb(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    levels = chance.randint(7, 12)
    inner = [f"b{level + 1}: &b{level + 1} [{', '.join([f'*b{level}'] * 10)}]" for level in range(levels)]
    return [*lines, "b0: &b0 [x, x, x, x, x, x, x, x, x, x]", *inner], len(lines), len(lines) + levels + 1


def deep(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    return [*lines, "extra: " + chance.choice("[{") * chance.randint(100, 50_000)], len(lines), len(lines)


def strange_byte(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: bool(_value(line)))
    return _with(lines, number, lines[number] + chance.choice("\x00\x01\x07\x1b\x7f\ud800"[:5])), number, number


def another_document(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    return [*lines, "---", "a: 1"], len(lines), len(lines) + 1


def tagged(lines: Lines, chance: random.Random) -> tuple[Lines, int, int]:
    number = _line(lines, chance, lambda line: bool(_value(line)))
    tag = chance.choice(["!!python/object/apply:os.system ", "!secret ", "!!binary ", "*nothing #"])
    return _with(lines, number, lines[number].replace(": ", f": {tag}", 1)), number, number


def _with(lines: Lines, number: int, line: str) -> Lines:
    return [*lines[:number], line, *lines[number + 1 :]]


MUTATIONS: tuple[Mutation, ...] = (
    missing_key, unknown_key, doubled_key, wrong_type, bad_number, bad_unit, bad_choice, same_id, same_port, open_quote,
    open_bracket, more_bracket, indented, no_colon, bomb, deep, strange_byte, another_document, tagged,
)  # fmt: skip


def mutant(chance: random.Random) -> Mutant:
    """One mutant of the example."""
    mutation = chance.choice(MUTATIONS)
    lines, first, last = mutation(SITE.splitlines(), chance)
    return Mutant(mutation.__name__, "\n".join(lines) + "\n", first + 1, last + 1)


def complaint(broken: Mutant, folder: Path) -> str | None:
    """What is wrong with the answer to a mutant; None when it is right."""
    path = folder / "site.yaml"
    path.write_text(broken.text, "utf-8")
    try:
        load(path)
    except SettingsError as error:
        lines = [problem.line for problem in error.problems if problem.file == str(path) and problem.level == "error"]
        if any(broken.first - 1 <= line <= broken.last + 1 for line in lines):
            return None
        return f"{broken.kind}: wanted lines {broken.first} to {broken.last}, got: {error}"
    except Exception:
        return f"{broken.kind}: {traceback.format_exc()}"
    changed = [line for line in broken.text.splitlines() if line not in SITE.splitlines()]
    return f"{broken.kind}: accepted with {changed[:3]}"
