"""Expressions of tags: ``if(Pump01.Running and Level > 10, Speed * 0.8, 0)``.

A small language with a parser of its own: numbers, texts in quotes, ``true`` and ``false``, tags by name, arithmetic,
comparisons, ``and``, ``or``, ``not`` and a few functions. It has neither loops nor powers, and texts are only compared,
so that the length of an expression bounds what it computes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

LONGEST: Final = 2_000
"""Most characters of an expression."""
DEEPEST: Final = 50
"""Most levels of parentheses, functions and signs."""

NUMBER: Final = "number"
TEXT: Final = "text"

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|`(?P<quoted>[^`]+)`"
    r"|(?P<name>[^\W\d][\w$#]*+(?:\.[\w$#]++)*+(?:\[\d+\])?|\$[\w$#.]+)"
    r"|(?P<mark><=|>=|==|!=|[-+*/%()<>,])"
    r"|(?P<end>$))"
)
_LARGEST: Final = 2**64

Kinds = Sequence[str]
"""The kind of each input: number, text or another."""
Values = Sequence[Any]
"""The value of each input."""


class _Node(NamedTuple):
    """A part of an expression."""

    kind: Callable[[Kinds], str]
    """Returns the kind of its value; raises a ValueError if it does not go with the kinds of the inputs."""
    value: Callable[[Values], Any]
    """Returns its value; may raise an ArithmeticError or a ValueError."""


_Operators = dict[str, Callable[[Any, Any], Any]]

_SUMS: Final[_Operators] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: Final[_Operators] = {"*": operator.mul, "/": operator.truediv, "%": operator.mod}
_COMPARISONS: Final[_Operators] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Any]]]] = {
    "abs": (1, 1, abs),
    "max": (2, 100, max),
    "min": (2, 100, min),
    "round": (1, 2, lambda value, digits=0: round(value, int(digits)) if digits else round(value)),
}
"""The functions of numbers: the fewest and the most arguments, and what they do."""
_WORDS: Final = frozenset(("and", "or", "not", "if", "true", "false", *_FUNCTIONS))


@dataclass(frozen=True)
class ParsedExpression:
    """An expression."""

    text: str
    inputs: tuple[str, ...]
    """The tags that it names, each once."""
    kind: Callable[[Kinds], str]
    """Takes the kinds of the inputs and returns that of the value: number or text.

    Raises a ValueError if they do not go together.
    """
    value: Callable[[Values], Any]
    """Takes the values of the inputs and returns that of the expression.

    Raises an ArithmeticError, a ValueError or a TypeError if there is none.
    """


def parse_expression(text: str) -> ParsedExpression:
    """Return what an expression means.

    Raises:
        ValueError: It is wrong; the error names the column.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the expression is longer than {LONGEST} characters")
    parser = _Parser(text)
    node = parser.expression()
    parser.end()
    return ParsedExpression(text, tuple(parser.inputs), node.kind, node.value)


class _Parser:
    def __init__(self, text: str) -> None:
        self.inputs: dict[str, int] = {}
        self._text = text
        self._depth = 0
        self._at = 0
        self._kind = ""
        self._said = ""
        self._next = 0
        self._advance()

    def end(self) -> None:
        if self._kind != "end":
            raise self._wrong("an operator or the end")

    def expression(self) -> _Node:
        return self._words("or", lambda: self._words("and", self._negation))

    def _words(self, word: str, part: Callable[[], _Node]) -> _Node:
        parts = [part()]
        while self._is(word):
            self._advance()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        together = any if word == "or" else all
        return _Node(
            lambda kinds: _numbers(word, parts, kinds), lambda values: together([each.value(values) for each in parts])
        )

    def _negation(self) -> _Node:
        if not self._is("not"):
            return self._comparison()
        self._enter()
        inner = self._negation()
        self._depth -= 1
        return _Node(lambda kinds: _numbers("not", [inner], kinds), lambda values: not inner.value(values))

    def _comparison(self) -> _Node:
        left = self._chain(_SUMS, lambda: self._chain(_PRODUCTS, self._signed))
        if self._kind != "mark" or (compare := _COMPARISONS.get(self._said)) is None:
            return left
        sign = self._said
        self._advance()
        right = self._chain(_SUMS, lambda: self._chain(_PRODUCTS, self._signed))

        def kind(kinds: Kinds) -> str:
            _same(sign, left, right, kinds)
            return NUMBER

        return _Node(kind, lambda values: compare(left.value(values), right.value(values)))

    def _chain(self, operators: _Operators, part: Callable[[], _Node]) -> _Node:
        first = part()
        rest: list[tuple[Callable[[Any, Any], Any], _Node]] = []
        signs = []
        while self._kind == "mark" and self._said in operators:
            signs.append(self._said)
            self._advance()
            rest.append((operators[signs[-1]], part()))
        if not rest:
            return first

        def value(values: Values) -> Any:
            found = first.value(values)
            for apply, node in rest:
                found = apply(found, node.value(values))
            return found

        return _Node(lambda kinds: _numbers(signs[0], [first, *(node for _, node in rest)], kinds), value)

    def _signed(self) -> _Node:
        if self._kind != "mark" or self._said not in ("-", "+"):
            return self._primary()
        sign = -1 if self._said == "-" else 1
        self._enter()
        inner = self._signed()
        self._depth -= 1
        return _Node(lambda kinds: _numbers("-", [inner], kinds), lambda values: sign * inner.value(values))

    def _primary(self) -> _Node:
        kind, said = self._kind, self._said
        if kind == "mark" and said == "(":
            self._enter()
            inner = self.expression()
            self._close()
            return inner
        if kind not in ("number", "text", "quoted", "name"):
            raise self._wrong("a value")
        if kind == "name" and said.casefold() in _WORDS:
            return self._word(said.casefold())
        constant = self._number(said) if kind == "number" else said[1:-1]
        self._advance()
        if kind in ("quoted", "name"):
            place = self.inputs.setdefault(said, len(self.inputs))
            return _Node(lambda kinds: kinds[place], lambda values: values[place])
        return _constant(constant)

    def _number(self, said: str) -> int | float:
        number = int(said) if said.isdecimal() else float(said)
        if not number < (_LARGEST if isinstance(number, int) else float("inf")):
            raise ValueError(f"column {self._at}: the number is too large")
        return number

    def _word(self, word: str) -> _Node:
        if word in ("and", "or", "not"):
            raise self._wrong("a value")
        self._advance()
        if word in ("true", "false"):
            return _constant(word == "true")
        if not self._is("(", "mark"):
            raise self._wrong(f"( after {word}")
        self._enter()
        arguments = [self.expression()]
        while self._is(",", "mark"):
            self._advance()
            arguments.append(self.expression())
        self._close()
        least, most, call = (3, 3, None) if word == "if" else _FUNCTIONS[word]
        if not least <= len(arguments) <= most:
            wanted = least if least == most else f"{least} to {most}"
            raise ValueError(f"column {self._at}: {word} takes {wanted} arguments, not {len(arguments)}")
        if call is None:
            return _choice(*arguments)
        return _Node(
            lambda kinds: _numbers(word, arguments, kinds),
            lambda values: call(*(each.value(values) for each in arguments)),
        )

    def _enter(self) -> None:
        """Advance into one more level."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"column {self._at}: the expression has more than {DEEPEST} levels")
        self._advance()

    def _close(self) -> None:
        if not self._is(")", "mark"):
            raise self._wrong("an operator or )")
        self._depth -= 1
        self._advance()

    def _is(self, said: str, kind: str = "name") -> bool:
        return self._kind == kind and self._said.casefold() == said

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._next)
        if found is None:
            rest = self._text[self._next :].lstrip()
            raise ValueError(f"column {len(self._text) - len(rest) + 1}: {rest[:20]!r} cannot be read")
        self._kind = found.lastgroup or ""
        self._said = found[self._kind]
        self._at = found.start(self._kind) + 1
        self._next = found.end()

    def _wrong(self, wanted: str) -> ValueError:
        found = repr(self._said) if self._said else "the end"
        return ValueError(f"column {self._at}: {wanted} is expected, not {found}")


def _constant(value: Any) -> _Node:
    kind = TEXT if isinstance(value, str) else NUMBER
    return _Node(lambda kinds: kind, lambda values: value)


def _choice(condition: _Node, yes: _Node, no: _Node) -> _Node:
    def kind(kinds: Kinds) -> str:
        _numbers("if", [condition], kinds)
        return _same("if", yes, no, kinds)

    return _Node(kind, lambda values: (yes if condition.value(values) else no).value(values))


def _numbers(name: str, nodes: Sequence[_Node], kinds: Kinds) -> str:
    """Return that a value is a number, after a check that all operands are."""
    for node in nodes:
        if (found := node.kind(kinds)) != NUMBER:
            raise ValueError(f"{name} takes numbers and booleans, not a {found}")
    return NUMBER


def _same(name: str, left: _Node, right: _Node, kinds: Kinds) -> str:
    """Return the kind of two operands, after a check that it is the same."""
    found, other = left.kind(kinds), right.kind(kinds)
    if found != other:
        raise ValueError(f"{name} takes two values of one kind, not a {found} and a {other}")
    return found
