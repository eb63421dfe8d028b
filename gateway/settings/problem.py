"""What is wrong with a settings file, where, and what to write instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding; `line` and `column` count from 1. A warning does not stop the gateway from starting."""

    file: str
    line: int
    column: int
    message: str
    advice: str | None = None
    level: Level = "error"
    zh: str | None = None
    """Message and advice in Chinese, for what is met by whoever installs a gateway."""

    def __str__(self) -> str:
        """`file:line:column: what is wrong; what to write instead`, the form editors and compilers use."""
        text = f"{self.file}:{self.line}:{self.column}: {'warning: ' if self.level == 'warning' else ''}{self.message}"
        text += f"; {self.advice}" if self.advice else ""
        return f"{text}（{self.zh}）" if self.zh else text


class SettingsError(Exception):
    """The files cannot be used. `problems` has every problem found, errors and warnings, in order of place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file, line and column; the order of files is kept."""
    unique = tuple(dict.fromkeys(problems))
    files = {problem.file: number for number, problem in reversed(list(enumerate(unique)))}
    return tuple(sorted(unique, key=lambda problem: (files[problem.file], problem.line, problem.column)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The likeliest spelling, or the list of what is known where it is short."""
    # difflib is needed only when something is wrong
    from difflib import get_close_matches

    names = sorted(set(known))
    longer = [name for name in names if word and name.lower().startswith(word.lower())]
    if 1 < len(longer) <= 4 and word not in names:  # `float` of float16, float32 and float64: nobody knows which
        return f"did you mean {', '.join(map(repr, longer[:-1]))} or {longer[-1]!r}?"
    close = get_close_matches(word, names, 1, 0.6) or [name for name in names if name.lower() == word.lower()]
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there is none yet"
    shown = ", ".join(names[:20])
    return f"known: {shown}{', …' if len(names) > 20 else ''}"
