"""YAML text -> nodes: places, the core schema, and refusal of everything that could surprise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings import SettingsError
from gateway.settings.document import Node, parse


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, "site.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    text = "{a: no, b: on, c: 0o17, d: 0x1F, e: 1e3, f: .5, g: ~, h: true, i: 1_000, j: 12:30:45, k: '5', m: 017}"
    assert parse(text, "x").plain() == {
        "a": "no", "b": "on", "c": 15, "d": 31, "e": 1000.0, "f": 0.5, "g": None, "h": True,
        "i": "1_000", "j": "12:30:45", "k": "5", "m": 17,
    }  # fmt: skip


def test_every_value_and_key_knows_its_place() -> None:
    root = parse("a: 1\nb:\n  - c: x\n    d: y\n", "x")
    inner = root.get("b")
    assert inner is not None
    assert isinstance(inner.value, list)
    d = inner.value[0].get("d")
    assert d is not None
    assert (d.line, d.column, d.key) == (4, 8, (4, 5))


def test_a_key_in_another_base_is_the_same_key() -> None:
    assert parse("{0x10: a, 17: b}", "x").plain() == {"16": "a", "17": "b"}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "duplicate key 'a'; it already stands in line 1"),
        ("a: 1\n---\nb: 2\n", "2:1", "second document"),
        ("a: !!python/object x\n", "1:4", "tag"),
        ("a: *nothing\n", "1:4", "refers to nothing"),
        ("a: &x 1\n<<: *x\n", "2:1", "merge keys"),
        ("? [a]\n: b\n", "1:3", "plain text"),
        ("a:\n\t- b\n", "2:1", "not with tabs"),
        ("a: {b: 1\nc: 2\n", "2:2", "closing bracket"),
        ('a: "x\nb: c\n', "1:4", "never closed"),
        ("a: 'x\nb: 'y'\n", "1:4", "goes over several lines"),
        ("a: 1\n  b: 2\n", "2:4", "indent keys of one level alike"),
        ("a: \x07\n", "1:4", "character 0x07 is not allowed"),
        ("", "1:1", "empty"),
        ("# nothing\n", "1:1", "empty"),
        ("&a [*a]", "1:5", "refers to nothing"),
    ],
)
def test_bad_yaml_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    first = refused(text)[0]
    assert first.startswith(f"site.yaml:{place}: ")
    assert words in first


def test_a_bomb_of_aliases_is_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(9):
        inner = ", ".join([f"*{chr(97 + level)}"] * 10)
        bomb += f"{chr(98 + level)}: &{chr(98 + level)} [{inner}]\n"
    assert "aliases written out" in refused(bomb)[0]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 3000, "- " * 5000, "? " * 3000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested deeper" in refused(text)[0]


def test_aliases_may_be_used() -> None:
    assert parse("a: &x [1, 2]\nb: *x\n", "x").plain() == {"a": [1, 2], "b": [1, 2]}


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab:- \n\t{}[]'\"&*!|>%@`#,?0.~<"), max_size=60))
def test_garbage_gives_nodes_or_problems(text: str) -> None:
    try:
        outcome: Node | SettingsError = parse(text, "x")
    except SettingsError as error:
        outcome = error
    if isinstance(outcome, SettingsError):
        lines = text.count("\n") + 2
        assert outcome.problems
        assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in outcome.problems)
