"""ruamel's scanner with short cuts for what site files are made of: a third of a start was spent in it.

ruamel looks at each character by itself. Here a run of spaces, comments and line breaks, a quoted text without
escapes, and a plain text without signs of YAML are each taken by one regular expression; whatever is anything else
goes ruamel's own way. tests/gateway/settings/test_scanning.py compares the events of both, places included.
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import StreamMark
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

_BREAKS = r"\r\n\x85\u2028\u2029"
_COMMENT = rf"(?:\#[^\0{_BREAKS}]*)?"
_BLOCK_GAP = re.compile(rf"\ *{_COMMENT}(?:\n\ *{_COMMENT})*")
_FLOW_GAP = re.compile(rf"[ \t]*{_COMMENT}(?:\n[ \t]*{_COMMENT})*")
_QUOTED = {
    '"': re.compile(rf'"([^"\\\0{_BREAKS}\ufeff]*)"'),
    "'": re.compile(rf"'([^'\0{_BREAKS}\ufeff]*)'(?!')"),
}
_SIGNS = rf"\0\t {_BREAKS}\ufeff:?,\[\]{{}}\#"
_PLAIN = re.compile(rf"[^{_SIGNS}]+(?:\ +[^{_SIGNS}]+)*")
_LINES = re.compile(r"(?:\ *\n)+(\ *)")
_ENDS_KEY = frozenset(" \n")
_ENDS_FLOW = frozenset(",]}")
_BREAK = frozenset("\r\x85\u2028\u2029")


def quick() -> YAML:
    """Something whose `parse` gives the events of ruamel's pure safe loader."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Reader, yaml.Scanner, yaml.Parser = _Reader, _Scanner, _Parser
    return yaml


class _Reader(Reader):  # type: ignore[misc,unused-ignore]
    def forward(self, length: int = 1) -> None:
        passed = self.buffer[self.pointer : self.pointer + length]
        if len(passed) < length or not passed.isprintable() or "\ufeff" in passed:  # a line break is not printable
            super().forward(length)
            return
        self.pointer += length
        self.index += length
        self.column += length

    def get_mark(self) -> StreamMark:
        return StreamMark(self.name, self.index, self.line, self.column)


class _Parser(Parser):  # type: ignore[misc,unused-ignore]
    scanner: Any = None
    resolver: Any = None

    def __init__(self, loader: Any) -> None:
        self.scanner, self.resolver = loader.scanner, loader.resolver
        super().__init__(loader)


class _Scanner(Scanner):  # type: ignore[misc,unused-ignore]
    reader: Any = None

    def __init__(self, loader: Any = None) -> None:
        self.reader = loader.reader
        super().__init__(loader)

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        if not self.possible_simple_keys:
            return False
        self.stale_possible_simple_keys()
        return bool(self.next_possible_simple_key() == self.tokens_taken)

    def check_token(self, *choices: Any) -> bool:
        while self.need_more_tokens():
            self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def scan_to_next_token(self) -> None:
        reader = self.reader
        gap = (_FLOW_GAP if self.flow_context else _BLOCK_GAP).match(reader.buffer, reader.pointer)
        assert gap is not None
        if not reader.index or (gap[0] and "\ufeff" in gap[0]):  # a byte order mark takes no column
            super().scan_to_next_token()
            return
        if gap[0] and self._pass(gap.end()) and not self.flow_context:
            self.allow_simple_key = True
        if reader.buffer[reader.pointer] in " \t#\r\x85\u2028\u2029\ufeff":
            super().scan_to_next_token()

    def scan_flow_scalar(self, style: str) -> ScalarToken:
        reader = self.reader
        found = _QUOTED[style].match(reader.buffer, reader.pointer)
        if found is None:
            slow: ScalarToken = super().scan_flow_scalar(style)
            return slow
        begin = reader.get_mark()
        self._pass(found.end())
        return ScalarToken(found[1], False, begin, reader.get_mark(), style)

    def scan_plain(self) -> ScalarToken:
        reader = self.reader
        buffer = reader.buffer
        found = _PLAIN.match(buffer, reader.pointer)
        upto = self._end_of_plain(buffer, found.end()) if found is not None else None
        if found is None or upto is None:
            slow: ScalarToken = super().scan_plain()
            return slow
        end = found.end()
        begin = reader.get_mark()
        self._pass(end)
        stop = reader.get_mark()
        self.allow_simple_key = upto > end
        self._pass(upto)
        return ScalarToken(found[0], True, begin, stop)

    def _end_of_plain(self, buffer: str, end: int) -> int | None:
        """Where to go on behind a plain text that ends at `end`; None where that takes a closer look."""
        behind = buffer[end]
        if behind == ":" and buffer[end + 1] in _ENDS_KEY:
            return end
        if self.flow_context:
            return end if behind in _ENDS_FLOW else None
        lines = _LINES.match(buffer, end)
        if lines is None or len(lines[1]) > self.indent:  # the text may go on in a line further in
            return None
        return None if buffer[lines.end()] in _BREAK else lines.end()

    def _pass(self, end: int) -> bool:
        """Go on to `end`; whether lines were passed."""
        reader = self.reader
        begin = reader.pointer
        lines = reader.buffer.count("\n", begin, end)
        reader.pointer = end
        reader.index += end - begin
        if not lines:
            reader.column += end - begin
            return False
        reader.line += lines
        reader.column = end - reader.buffer.rindex("\n", begin, end) - 1
        return True
