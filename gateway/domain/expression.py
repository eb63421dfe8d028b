"""Formulas as a site file writes them: a small language that can only calculate.

    so2 * (21 - 9) / (21 - o2)
    if(o2 < 19, oxygen_corrected(so2, o2, 9), so2)
    max(p1, p2) > 0.5 and not bypass

Numbers, names, `+ - * /`, comparisons, `and or not`, parentheses, and functions by name: min, max, abs, if, and those
of the caller. There are no attributes, no strings, no assignments, no loops; a formula is parsed here and never handed
to the interpreter. `and`, `or` and `if` look only at the side they need. Errors name the column, counted from 1.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

MOST_CHARACTERS = 1000
DEEPEST = 50
"""Nesting of parentheses and calls; a formula that a person wrote has less than ten."""

Number = bool | int | float
Names = Mapping[str, Number]
Evaluate = Callable[[Names], Number]


class ExpressionError(ValueError):
    """What is wrong with a formula, and in which column."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


class FormulaError(ArithmeticError):
    """A formula has no value for these numbers; the text says why."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name. `most` None: any number of arguments from `least` on."""

    call: Callable[..., Number]
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed formula. `names` are all it uses, in order of appearance."""

    text: str
    names: tuple[str, ...]
    evaluate: Evaluate = field(repr=False, compare=False)

    def value(self, names: Names) -> Number:
        """The value for these numbers. Raises FormulaError where there is none (division by zero, no finite number)."""
        try:
            result = self.evaluate(names)
        except ZeroDivisionError:
            raise FormulaError("division by zero") from None
        except OverflowError:
            raise FormulaError("the result is too large") from None
        except FormulaError:
            raise
        except (ValueError, TypeError) as error:
            raise FormulaError(str(error)) from None
        if isinstance(result, float) and not math.isfinite(result):
            raise FormulaError("the result is no finite number")
        return result


OWN: Mapping[str, Function] = {
    "min": Function(min, 2, None),
    "max": Function(max, 2, None),
    "abs": Function(abs, 1, 1),
}
_WORDS = ("and", "or", "not", "if")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign><=|>=|==|!=|[-+*/()<>,]))"
)


_ADVICE = {
    "=": "; equality is ==",
    ".": "; there are no attributes",
    "&": "; write and",
    "|": "; write or",
    "^": "; multiply instead",
    '"': "; there is no text",
    "'": "; there is no text",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, name, sign, end
    text: str
    column: int


def parse(text: str, functions: Mapping[str, Function] | None = None) -> Expression:
    """The formula in `text`. Raises ExpressionError."""
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"a formula has at most {MOST_CHARACTERS} characters", MOST_CHARACTERS + 1)
    parser = _Parser(list(_tokens(text)), {**OWN, **(functions or {})})
    return Expression(text, *parser.whole())


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            column = at + len(text[at:]) - len(text[at:].lstrip())
            seen = text[column]
            advice = _ADVICE.get(seen, "")
            raise ExpressionError(f"{seen!r} means nothing here{advice}", column + 1)
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind) + 1)
        at = found.end()
    yield _Token("end", "", end + 1)


class _Parser:
    """Recursive descent; each level returns a function of the names."""

    def __init__(self, tokens: list[_Token], functions: Mapping[str, Function]) -> None:
        self._tokens = tokens
        self._at = 0
        self._functions = functions
        self._names: dict[str, None] = {}
        self._depth = 0

    def whole(self) -> tuple[tuple[str, ...], Evaluate]:
        evaluate = self._or()
        token = self._next
        if token.kind != "end":
            raise ExpressionError(f"{token.text!r} is too much; an operator is missing before it", token.column)
        return tuple(self._names), evaluate

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        return self._next.kind in ("sign", "name") and self._next.text in texts

    def _expect(self, text: str) -> None:
        token = self._next
        if token.kind == "end" or token.text != text:
            seen = repr(token.text) if token.text else "the end"
            raise ExpressionError(f"{text!r} is wanted here, not {seen}", token.column)
        self._at += 1

    def _or(self) -> Evaluate:
        left = self._and()
        while self._is("or"):
            self._take()
            left = _either(left, self._and())
        return left

    def _and(self) -> Evaluate:
        left = self._not()
        while self._is("and"):
            self._take()
            left = _both(left, self._not())
        return left

    def _not(self) -> Evaluate:
        if not self._is("not"):
            return self._comparison()
        self._deeper(self._take().column)
        inner = self._not()
        self._depth -= 1
        return lambda names: not inner(names)

    def _comparison(self) -> Evaluate:
        left = self._sum()
        if not self._is(*_COMPARE):
            return left
        left = _two(_COMPARE[self._take().text], left, self._sum())
        if self._is(*_COMPARE):
            raise ExpressionError("comparisons do not chain; join two of them with and", self._next.column)
        return left

    def _sum(self) -> Evaluate:
        left = self._product()
        while self._is("+", "-"):
            left = _two(_ARITHMETIC[self._take().text], left, self._product())
        return left

    def _product(self) -> Evaluate:
        left = self._signed()
        while self._is("*", "/"):
            left = _two(_ARITHMETIC[self._take().text], left, self._signed())
        return left

    def _signed(self) -> Evaluate:
        if not self._is("-", "+"):
            return self._single()
        sign = self._take()
        self._deeper(sign.column)
        inner = self._signed()
        self._depth -= 1
        return inner if sign.text == "+" else lambda names: -inner(names)

    def _single(self) -> Evaluate:
        token = self._take()
        if token.kind == "number":
            number = float(token.text)
            if not math.isfinite(number):
                raise ExpressionError(f"{token.text} is too large", token.column)
            return lambda names: number
        if token.text == "(":
            self._deeper(token.column)
            inner = self._or()
            self._expect(")")
            self._depth -= 1
            return inner
        if token.kind == "name" and (token.text not in _WORDS or token.text == "if"):
            return self._call(token) if self._is("(") else self._name(token)
        seen = repr(token.text) if token.text else "the end"
        raise ExpressionError(f"a number, a name or a parenthesis is wanted here, not {seen}", token.column)

    def _name(self, token: _Token) -> Evaluate:
        name = token.text
        if name in self._functions or name == "if":
            raise ExpressionError(f"{name} is a function; write {name}(…)", token.column)
        self._names[name] = None
        return lambda names: names[name]

    def _call(self, token: _Token) -> Evaluate:
        self._deeper(token.column)
        self._take()
        arguments: list[Evaluate] = []
        while not self._is(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._or())
        self._take()
        self._depth -= 1
        if token.text == "if":
            if len(arguments) != 3:
                raise ExpressionError("if takes a condition and two values: if(a > b, a, b)", token.column)
            condition, then, otherwise = arguments
            return lambda names: then(names) if condition(names) else otherwise(names)
        function = self._functions.get(token.text)
        if function is None:
            known = ", ".join(sorted([*self._functions, "if"]))
            raise ExpressionError(f"there is no function {token.text!r}; known: {known}", token.column)
        if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
            raise ExpressionError(f"{token.text} takes {_counted(function)}, not {len(arguments)}", token.column)
        call = function.call
        return lambda names: call(*[argument(names) for argument in arguments])

    def _deeper(self, column: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"more than {DEEPEST} levels deep", column)


def _counted(function: Function) -> str:
    if function.most is None:
        return f"{function.least} or more values"
    if function.least == function.most:
        return f"{function.least} value{'s' if function.least > 1 else ''}"
    return f"{function.least} to {function.most} values"


def _two(operate: Callable[[Number, Number], Number], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda names: operate(left(names), right(names))


def _either(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda names: bool(left(names)) or bool(right(names))


def _both(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda names: bool(left(names)) and bool(right(names))


_ARITHMETIC: dict[str, Callable[[Number, Number], Number]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
_COMPARE: dict[str, Callable[[Number, Number], Number]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
