"""The language of expressions: what it computes, by a model; what it refuses, with the column; and its bounds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mxgateway.simulator.plant.behaviours.expressions import DEEPEST, LONGEST, parse_expression

INPUTS: dict[str, Any] = {"X": 2.5, "Tank01.Level": 7, "A.On": True, "A.Off": False, "`odd name.V`": -3, "A.V[2]": 4}

Made = tuple[str, Callable[[], Any]]
"""The text of an expression, and what computes its value."""

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "%": lambda a, b: a % b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "and": lambda a, b: bool(a) and bool(b), "or": lambda a, b: bool(a) or bool(b),
}  # fmt: skip


def made(rng: random.Random, depth: int) -> Made:
    """Return any expression of numbers; each part is in parentheses, so that the model has no precedence."""
    kind = rng.randrange(7) if depth else 0
    inner = [made(rng, depth - 1) for _ in range(3)] if kind else []
    if kind == 0:
        if rng.random() < 0.6:
            name = rng.choice(list(INPUTS))
            return name, lambda: INPUTS[name]
        number = rng.choice(["0", "1", "2.5", ".5", "1e2", "007", "true", "False"])
        return number, lambda: {"true": True, "False": False}.get(number, float(number) if number[0] not in "tF" else 0)
    (a, compute_a), (b, compute_b), (c, compute_c) = inner
    if kind == 1:
        return f"(- {a})", lambda: -compute_a()
    if kind == 2:
        return f"(not {a})", lambda: not compute_a()
    if kind == 3:
        return f"if({a},{b} ,\n {c})", lambda: compute_b() if compute_a() else compute_c()
    if kind == 4:
        name, call = rng.choice([("min", min), ("max", max)])
        return f"{name}({a}, {b}, {c})", lambda: call(compute_a(), compute_b(), compute_c())
    if kind == 5:
        return rng.choice([(f"abs({a})", lambda: abs(compute_a())), (f"ROUND({a}, 1)", lambda: round(compute_a(), 1))])
    sign = rng.choice(list(BINARY))
    return f"({a} {sign} {b})", lambda: BINARY[sign](compute_a(), compute_b())


def value_of(text: str) -> Any:
    expression = parse_expression(text)
    assert expression.kind(["number"] * len(expression.inputs)) == "number"
    names = {name.strip("`"): value for name, value in INPUTS.items()}
    return expression.value([names[name] for name in expression.inputs])


def outcome(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except (ArithmeticError, ValueError, TypeError) as error:
        return type(error)


def test_any_expression_has_the_value_of_the_model() -> None:
    kinds = set()
    for seed in range(1_500):
        text, compute = made(random.Random(seed), 4)
        if len(text) <= LONGEST:
            want = outcome(compute)
            assert outcome(partial(value_of, text)) == want, text
            kinds.add(want if isinstance(want, type) else type(want))
    assert kinds >= {int, float, bool, ZeroDivisionError}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4 - 6 / 3", 12), ("2 - 3 - 4", -5), ("2 * -3", -6), ("-2 * 3 % 4", 2), ("not 1 == 2", True), ("not 0 and 0", False),
        ("1 or 0 and 0", True), ("1 + 1 > 1 and 2 < 3", True), ("- - 2", 2), ("+3", 3), ("'a' == \"a\"", True), ("'a' < 'b'", True),
        ("if(X > 2, 'high', 'low')", "high"), ("if(0, 1 / 0, 5)", 5), ("round(2.6)", 3), ("round(2.66, 1)", 2.7), ("MAX(1, 2)", 2),
        ("True AND NOT false", True), ("10 % 4", 2), ("iffy + min_x + android", 6), ("$x", 1),
    ],
)  # fmt: skip
def test_precedence_words_and_texts(text: str, value: Any) -> None:
    names = {"X": 2.5, "iffy": 1, "min_x": 2, "android": 3, "$x": 1}
    expression = parse_expression(text)
    assert expression.value([names[name] for name in expression.inputs]) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: a value is expected, not the end"),
        ("X +", "column 4: a value is expected, not the end"),
        ("X Y", "column 3: an operator or the end is expected, not 'Y'"),
        ("(X", "column 3: an operator or ) is expected, not the end"),
        ("X)", "column 2: an operator or the end is expected, not ')'"),
        ("1 < 2 < 3", "column 7: an operator or the end is expected, not '<'"),
        ("X = 1", "column 3: '= 1' cannot be read"),
        ("X ** 2", "column 4: a value is expected, not '*'"),
        ("X @ 2", "column 3: '@ 2' cannot be read"),
        ("'open", 'column 1: "\'open" cannot be read'),
        ("A..B", "column 2: '..B' cannot be read"),
        ("__import__('os')", "column 11: an operator or the end is expected, not '('"),
        ("().__class__", "column 2: a value is expected, not ')'"),
        ("lambda: 0", "column 7: ': 0' cannot be read"),
        ("abs", "column 4: ( after abs is expected, not the end"),
        ("abs()", "column 5: a value is expected, not ')'"),
        ("abs(1, 2)", "column 10: abs takes 1 arguments, not 2"),
        ("if(1, 2)", "column 9: if takes 3 arguments, not 2"),
        ("min(1)", "column 7: min takes 2 to 100 arguments, not 1"),
        ("and", "column 1: a value is expected, not 'and'"),
        ("1e999", "column 1: the number is too large"),
        ("9" * 30, "column 1: the number is too large"),
        ("X\u0000", "column 2: '\\x00' cannot be read"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_column(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        parse_expression(text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("text", "kinds", "said"),
    [
        ("X + 'a'", ["number"], "+ takes numbers and booleans, not a text"),
        ("X and Y", ["number", "text"], "and takes numbers and booleans, not a text"),
        ("X == 'a'", ["number"], "== takes two values of one kind, not a number and a text"),
        ("if(X, 1, 'a')", ["number"], "if takes two values of one kind, not a number and a text"),
        ("if('a', 1, 2)", [], "if takes numbers and booleans, not a text"),
        ("- X", ["text"], "- takes numbers and booleans, not a text"),
        ("abs(X)", ["time"], "abs takes numbers and booleans, not a time"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(text: str, kinds: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        parse_expression(text).kind(kinds)
    assert str(refused.value) == said


def test_each_tag_is_named_once() -> None:
    assert parse_expression("X + Y * X - `X`").inputs == ("X", "Y")


def test_the_length_and_the_depth_of_an_expression_are_bounded() -> None:
    assert parse_expression("(" * DEEPEST + "1" + ")" * DEEPEST).value([]) == 1
    for text in (
        "(" * 51 + "1" + ")" * 51,
        "- " * 51 + "1",
        "not " * 51 + "1",
        "abs(" * 51 + "1" + ")" * 51,
        "-(" * 400,
    ):
        with pytest.raises(ValueError, match="more than 50 levels"):
            parse_expression(text)
    with pytest.raises(ValueError, match="longer than 2000 characters"):
        parse_expression("1+" * 1_000 + "1")


def test_no_expression_grows_a_number_without_end_or_takes_a_stack_of_its_own_for_each_term() -> None:
    largest = 2**63 - 1
    for text in ("X*" * 999 + "X", "+".join(["X"] * 1_000), "X or " * 390 + "X", "X<X and " * 240 + "X"):
        expression = parse_expression(text)
        assert expression.value([largest]).bit_length() <= 63 * 1_000
