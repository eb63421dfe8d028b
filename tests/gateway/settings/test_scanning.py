"""The short cuts of scanning.py give the events, places and errors that ruamel gives without them."""

import random
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.settings.scanning import quick

CONFIG = Path(__file__).parents[3] / "config"
FILES = sorted(CONFIG.glob("**/*.yaml"))
SIGNS = (
    *" \t\n\r:-?#,[]{}\"'|>%@&*!.\\0a\ufeff\x85\u2028",
    "\n  ", "\n---\n", "...\n", ": ", " #", "- ", "\r\n", "? ", "key: ", '"a\nb"', "''", "\\n", "|\n  x\n", "气",
)  # fmt: skip
TEXTS = (
    "a: b c # d\n\n  # e\n\nf: [g, 'h''i', \"j\\n\", {k: l, m}]\n",
    "a:\n  b\n  c\n\n  d\ne: 'f\n  g'\n---\nh",
    "a: b\r\nc: d\r\n- e\n",
    "\ufeffa: b\n#\ufeff\nc: d",
    "- a\n-\n  - b: c\n    d: e\n...\n",
    "a: b:c\nd: e#f\ng: h #i\nj: -\nk: .\n.\n",
    "'a': 1\n\"b\": 2\n[c]: 3\n? d\n: 4\n",
    "plain",
    "plain\n",
    "a: b\n \n--- c\n",
)


def events(yaml: YAML, text: str) -> list[Any]:
    """What the parser says of the text, each with its place, and with what it breaks off."""
    found: list[Any] = []
    try:
        for event in yaml.parse(text):
            told = [getattr(event, name, None) for name in ("value", "anchor", "tag", "implicit", "style")]
            found.append((type(event).__name__, *told, _place(event.start_mark), _place(event.end_mark)))
    except MarkedYAMLError as error:
        found.append((error.problem, error.context, _place(error.problem_mark), _place(error.context_mark)))
    except YAMLError as error:
        found.append(str(error))
    return found


def _place(mark: Any) -> Any:
    return mark and (mark.index, mark.line, mark.column)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_file_reads_the_same(path: Path) -> None:
    text = path.read_text("utf-8")
    assert events(quick(), text) == events(YAML(typ="safe", pure=True), text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_with_corners_reads_the_same(text: str) -> None:
    for end in range(len(text) + 1):
        assert events(quick(), text[:end]) == events(YAML(typ="safe", pure=True), text[:end]), repr(text[:end])


def test_damaged_files_read_the_same() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    texts = [*TEXTS, *(path.read_text("utf-8")[:800] for path in FILES)]
    for _ in range(300):
        text = damaged(chance.choice(texts), chance)
        assert events(quick(), text) == events(YAML(typ="safe", pure=True), text), f"seed {seed}: {text!r}"


def damaged(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 6)):
        at, gone = chance.randrange(len(text) + 1), chance.choice((0, 0, 1, 3))
        text = text[:at] + chance.choice(SIGNS) * chance.choice((1, 1, 2)) + text[at + gone :]
    return text[: chance.randint(5, 800)]
