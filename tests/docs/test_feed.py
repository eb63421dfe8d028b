"""docs/feed.md says what the code does: its worked example is computed again, its lists are compared."""

import ast
import hashlib
import re
from pathlib import Path
from typing import Any

import orjson

from gateway.batch import FIRST_PREV
from gateway.evidence.check import check_feed
from gateway.evidence.item import Item
from gateway.pipeline.completeness import CLASSES
from gateway.signing import checkpoint_text, verify
from tests.fakes.feed import FakeFeed, reading, signer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "feed.md").read_text("utf-8")
BLOCKS = re.findall(r"```(text|json)\n(.*?)\n```", PAGE, re.DOTALL)
BODIES = [block.encode() for kind, block in BLOCKS if kind == "text" and block.startswith("{")]


def test_every_digest_of_the_worked_example_is_right() -> None:
    stated = re.findall(r"^SHA-256 `([0-9a-f]{64})`$", PAGE, re.MULTILINE)
    assert stated == [hashlib.sha256(body).hexdigest() for body in BODIES]
    assert [orjson.loads(body)["prev"] for body in BODIES] == [FIRST_PREV, *stated[:-1]]


def test_worked_example_is_what_the_gateway_writes() -> None:
    feed = FakeFeed()
    feed.at_ms = 1_764_000_000_000
    feed.start()
    feed.add([reading(1_764_000_000_120, (12.31, None))])
    feed.checkpoint()
    assert feed.bodies == BODIES


def test_signed_text_of_the_worked_example_is_right() -> None:
    (text,) = [block + "\n" for kind, block in BLOCKS if kind == "text" and not block.startswith("{")]
    body = orjson.loads(BODIES[2])
    data = body["events"][0]["data"]
    assert text.encode() == checkpoint_text(body["gateway"], body["stream"], data["seq"], data["head"])
    assert verify(data["key"], text.encode(), data["signature"])


def test_worked_example_passes_the_check_with_its_key() -> None:
    assert check_feed((Item(None, body, "") for body in BODIES), signer().key).proven


def test_json_examples_are_json_and_the_completeness_example_adds_up() -> None:
    examples: list[Any] = [orjson.loads(block) for kind, block in BLOCKS if kind == "json"]
    (day,) = [example for example in examples if "expected" in example]
    assert tuple(day["null"]) == CLASSES
    assert day["expected"] == day["measured"] + day["unchanged"] + sum(day["null"].values())


def _kinds_in_code() -> set[str]:
    """The kinds of all events made anywhere in the gateway: `Event(…, "kind", …)`, also through a constant."""
    kinds: list[ast.expr] = []
    constants: dict[str, set[str]] = {}
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name("Event"), args=[_, kind, *_]):
                    kinds.append(kind)
                case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str(text))) if name.isupper():
                    constants.setdefault(name, set()).add(text)
    found: set[str] = set()
    for kind in kinds:
        match kind:
            case ast.Constant(str(text)):
                found.add(text)
            case ast.Name(name) | ast.Attribute(attr=name):
                found |= {text for text in constants.get(name, ()) if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}
    return found


def test_every_event_of_the_code_is_in_the_page() -> None:
    listed = set(
        re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", PAGE[PAGE.index("### Events") : PAGE.index("### Completeness")])
    )
    assert {"completeness", "mark.set"} <= _kinds_in_code()
    assert _kinds_in_code() - listed == set(), "docs/feed.md lists every event with its data"
