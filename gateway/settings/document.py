"""YAML 1.2 text -> plain values that know where they stand.

Built on ruamel's parser events, not on its object graph: that keeps line and column of every key and value,
finds duplicate keys, bounds aliases and depth, and takes half the time; scanning.py halves it again.
The schema is the core schema of YAML 1.2.2 §10.3: `no` and `on` are text, `0o17` and `0x11` are numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gateway.settings import fullwidth
from gateway.settings.problem import Level, Problem, SettingsError
from gateway.settings.scanning import quick

MOST_BYTES = 4 << 20
"""A site of 10,000 inline points has about 1.1 MB."""
MOST_NODES = 500_000
"""Counted with aliases written out, so that a few lines of nested aliases cannot become gigabytes."""
DEEPEST = 24
"""The deepest key of a site file is at depth 6."""

Scalar = str | int | float | bool | None


@dataclass(slots=True)
class Node:
    """A value, its place (from 1) and, inside a mapping, the place of its key."""

    value: "Scalar | dict[str, Node] | list[Node]"
    file: str
    line: int
    column: int
    key: tuple[int, int] | None = None
    size: int = 1
    text: str = ""
    """A number as it is written: leading zeros, another base."""

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def problem(self, message: str, advice: str | None = None, level: Level = "error") -> Problem:
        """A problem with this value."""
        meant = fullwidth.half_width(self.value) if isinstance(self.value, str) and level == "error" else None
        if meant is None:
            return Problem(self.file, self.line, self.column, message, advice, level)
        wide, zh = f"these are full-width characters: {fullwidth.ADVICE}", f"{fullwidth.ADVICE_ZH}：{meant}"
        return Problem(self.file, self.line, self.column, message, f"{wide}: {meant}", level, zh)

    def key_problem(self, message: str, advice: str | None = None, level: Level = "error") -> Problem:
        """A problem with this value's key, or with the value where it has none."""
        line, column = self.key or (self.line, self.column)
        return Problem(self.file, line, column, message, advice, level)

    def get(self, key: str) -> "Node | None":
        """The value under `key`, None where there is none or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None


def read(path: Path) -> Node:
    """The document in `path`. Raises SettingsError with every problem of its syntax."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError([Problem(name, 1, 1, f"cannot be read: {error.strerror or error}")]) from error
    if len(data) > MOST_BYTES:
        limit = f"longer than {MOST_BYTES >> 20} MiB"
        raise SettingsError([Problem(name, 1, 1, limit, "this is not a settings file, or it wants splitting")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = (before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        what = f"byte {data[error.start]:02x} is not UTF-8"
        raise SettingsError([Problem(name, *place, what, "save the file as UTF-8")]) from error
    return parse(text, name)


def parse(text: str, name: str) -> Node:
    """The document in `text`, called `name` in problems. Raises SettingsError."""
    return _Builder(name).build(text)


class _Builder:
    """Turns one stream of parser events into nodes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.text = ""
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.nodes = 0

    def build(self, text: str) -> Node:
        self.text = text
        root: Node | None = None
        try:
            events = iter(quick().parse(text))
            for event in events:
                if not isinstance(event, DocumentStartEvent):
                    continue
                if root is not None:
                    self._say(event, "a second document begins here", "one file holds one document: remove the `---`")
                    break
                root = self._node(next(events), events, 0)
        except MarkedYAMLError as error:
            self.problems.append(self._syntax(error))
        except YAMLError as error:  # a character that YAML forbids
            position = getattr(error, "position", 0)
            before = text[:position]
            place = (before.count("\n") + 1, position - before.rfind("\n"))
            found = getattr(error, "character", "?")
            code = f"{found if isinstance(found, int) else ord(found[:1]):#04x}"
            self.problems.append(Problem(self.file, *place, f"character {code} is not allowed in YAML", "remove it"))
        if self.problems:
            raise SettingsError(self.problems)
        if root is None or root.value is None:
            raise SettingsError([Problem(self.file, 1, 1, "the file is empty")])
        return root

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        node = Node(None, self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        self._count(event, 1)
        if depth > DEEPEST:
            raise SettingsError([*self.problems, self._problem(event, f"nested deeper than {DEEPEST} levels")])
        if isinstance(event, AliasEvent):
            self._alias(event, node)
            return node
        if tag := getattr(event, "tag", None):
            self._say(event, f"the tag {tag} means nothing here", "remove it; text is written in quotes")
        if isinstance(event, ScalarEvent):
            node.value = self._scalar(event)
            if isinstance(node.value, int | float):
                node.text = event.value
        elif isinstance(event, SequenceStartEvent):
            node.value = items = []
            while not isinstance(inner := next(events), SequenceEndEvent):
                items.append(self._node(inner, events, depth + 1))
                node.size += items[-1].size
        elif isinstance(event, MappingStartEvent):
            node.value = self._mapping(node, events, depth)
        if isinstance(event, NodeEvent) and event.anchor:  # known only from here on, so nothing can contain itself
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, node: Node) -> None:
        found = self.anchors.get(event.anchor)
        if found is None:
            self._say(event, f"*{event.anchor} refers to nothing above it", "in quotes it is plain text")
            return
        self._count(event, found.size)
        node.value, node.size = found.value, found.size  # its text would not be as long as what stands here

    def _mapping(self, node: Node, events: Iterator[Event], depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key = _key(event) if isinstance(event, ScalarEvent) else None
            if key is None:
                self._node(event, events, depth + 1)
                self._say(event, "a key must be plain text", "write `key: value`")
            value = self._node(next(events), events, depth + 1)
            value.key = (event.start_mark.line + 1, event.start_mark.column + 1)
            node.size += value.size
            if key == "<<":
                self._say(
                    event,
                    "merge keys (<<) are not part of YAML 1.2",
                    "write the keys out",
                )
            elif key is not None and key in entries:
                first = (entries[key].key or (0, 0))[0]
                self._say(event, f"duplicate key {key!r}; it already stands in line {first}", "keep one of the two")
            elif key is not None:
                entries[key] = value
        return entries

    def _scalar(self, event: ScalarEvent) -> Scalar:
        text: str = event.value
        if event.style in ("'", '"') and event.end_mark.line > event.start_mark.line:
            self._say(event, "a quoted text goes over several lines", "is the closing quote missing?")
        if "\0" in text:  # an escape in double quotes; no path, name or message can hold it
            self._say(event, "the character NUL means nothing here", "remove it")
        if not event.implicit[0]:
            return text
        return resolved(text)

    def _count(self, event: Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            raise SettingsError(
                [*self.problems, self._problem(event, f"more than {MOST_NODES} values with aliases written out")]
            )

    def _problem(self, event: Event, message: str, advice: str | None = None) -> Problem:
        return Problem(self.file, event.start_mark.line + 1, event.start_mark.column + 1, message, advice)

    def _say(self, event: Event, message: str, advice: str | None = None) -> None:
        self.problems.append(self._problem(event, message, advice))

    def _syntax(self, error: MarkedYAMLError) -> Problem:
        """The parser's complaint, placed where the mistake is rather than where it was noticed."""
        noticed, begun = error.problem_mark, error.context_mark
        problem = str(error.problem or "not YAML")
        advice = next((words for seen, words in _ADVICE if seen in problem), None)
        mark = noticed or begun
        if begun is not None and ("end of stream" in problem or "<stream end>" in problem):
            mark, advice = begun, "what begins here is never closed: is a quote or bracket missing?"
        elif begun is not None and "expected ':'" in problem:
            mark = begun  # noticed only behind the line that lacks it
        if noticed is not None and (wide := self._full_width((begun or noticed).line - 1, noticed.line)) is not None:
            return wide
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        # control characters of the file do not belong in a terminal
        shown = problem if problem.isprintable() else repr(problem)
        return Problem(self.file, line, column, f"not YAML: {shown}", advice)

    def _full_width(self, first: int, last: int) -> Problem | None:
        """The full-width character in one of these lines (from 0) that YAML takes for text."""
        lines = self.text.split("\n")
        for number in range(max(first, 0), min(last + 1, len(lines))):
            if (at := fullwidth.odd(lines[number])) is not None:
                seen = fullwidth.named(lines[number][at])
                what = "is not the plain one" if lines[number][at].isspace() else "is a full-width character"
                message = f"not YAML: {seen} {what}"
                zh = f"{seen.replace('the space', '空格')} 是全角字符，{fullwidth.ADVICE_ZH}"
                return Problem(self.file, number + 1, at + 1, message, fullwidth.ADVICE, zh=zh)
        return None


_ADVICE = (
    ("'\\t'", "indent with spaces, not with tabs"),
    ("mapping values are not allowed", "put text that holds `: ` in quotes, and indent keys of one level alike"),
    ("expected <block end>", "indent what belongs together alike; is a quote or bracket missing in the line above?"),
    ("expected ','", "is a comma or a closing bracket missing in this line or the one above?"),
    ("cannot start any token", "put the text in quotes"),
    ("could not find expected ':'", "write `key: value`"),
)


def _key(event: ScalarEvent) -> str:
    """Keys are text; a number in another base is written as others write it, so that 0x10 and 16 are one key."""
    text: str = event.value
    return str(int(text, 0)) if event.implicit[0] and _OTHER_BASE.fullmatch(text) else text


_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
LONGEST_NUMBER = 40
"""Longer digit strings stay text: no key takes them, and converting them costs time that grows with their square."""


def resolved(text: str) -> Scalar:
    """A plain scalar by the core schema of YAML 1.2.2 §10.3.2."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
