"""No pattern of the packages takes more than linear time, whatever the text: a gateway chooses it, or a file, or whoever types a value."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mxgateway
import mxgateway_cli
from mxgateway import Gate, Secret, redact
from mxgateway.errors.redaction import LONGEST_TEXT, one_line
from tests.rows import each_row

parser: Any = importlib.import_module("re._parser")
compiler: Any = importlib.import_module("re._compiler")

SAMPLE = [chr(code) for code in range(1, 0x180)] + ["\u00a0", "\u2028", "\u3000", "\u0663", "\u5bc6", "\u212a"]
FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
BACKTRACKING = (parser.MAX_REPEAT, parser.MIN_REPEAT)
REPEATS = (*BACKTRACKING, parser.POSSESSIVE_REPEAT)
UNBOUNDED = 1000
"""Repetitions from which on a bound is none."""


def modules() -> Iterator[str]:
    for package in (mxgateway, mxgateway_cli):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield found.name


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield each pattern with its module: those that modules hold, and those that stand in a call."""
    seen: set[tuple[str | bytes, int]] = set()
    for name in modules():
        module = importlib.import_module(name)
        held = [value for value in vars(module).values() if isinstance(value, re.Pattern)]
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="re"), attr=name_of), args=[ast.Constant(value=text), *_]
                ) if name_of in FUNCTIONS:
                    held.append(re.compile(text))
        for pattern in held:
            if (pattern.pattern, pattern.flags) not in seen:
                seen.add((pattern.pattern, pattern.flags))
                yield name, pattern


Ends = list[set[str]]
"""The repetitions that may go on where the text has come to, each by the characters that it takes."""


def defects(pattern: re.Pattern[Any]) -> list[str]:
    """Return where a pattern may go over a text again and again: a repetition in a repetition, or two that can share a text between them."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    found: list[str] = []
    _walk(tree, [], False, found)
    return found


def _walk(tree: Any, ends: Ends, inside: bool, found: list[str]) -> Ends:
    """Go through a sequence behind `ends`, note its defects, and return what may go on behind it."""
    for operator, argument in tree:
        if operator is parser.SUBPATTERN:
            ends = _walk(argument[3], ends, inside, found)
        elif operator is parser.BRANCH:
            ends = [end for part in argument[1] for end in _walk(part, ends, inside, found)]
        elif operator in BACKTRACKING:
            low, high, part = argument
            ends = _repeat(low, high, part, ends, inside, found, tree.state)
        elif operator is parser.POSSESSIVE_REPEAT:
            _walk(argument[2], [], False, found)
            ends = ends if argument[0] == 0 else []
        elif operator is parser.ATOMIC_GROUP:
            _walk(argument, [], False, found)
        elif operator in (parser.ASSERT, parser.ASSERT_NOT):
            _walk(argument[1], [], False, found)
        elif operator is not parser.AT:
            chars = _chars([(operator, argument)], tree.state)
            ends = [end for end in ends if end & chars]
    return ends


def _repeat(low: int, high: int, part: Any, ends: Ends, inside: bool, found: list[str], state: Any) -> Ends:
    if high < UNBOUNDED:
        behind = _walk(part, ends, inside, found)
        return behind if low else ends + behind
    if inside:
        found.append("a repetition in a repetition")
    chars = _chars(part, state)
    if any(chars & end for end in ends):
        found.append("two repetitions that can take the same characters")
    _walk(part, [], True, found)
    return [*(() if low else ends), chars]


def _chars(tree: Any, state: Any) -> set[str]:
    """Return the characters of the sample that can stand anywhere in what a piece of a pattern takes."""
    found: set[str] = set()
    for operator, argument in tree:
        if operator is parser.SUBPATTERN:
            found |= _chars(argument[3], state)
        elif operator is parser.BRANCH:
            found = found.union(*(_chars(part, state) for part in argument[1]))
        elif operator in REPEATS:
            found |= _chars(argument[2], state)
        elif operator is parser.ATOMIC_GROUP:
            found |= _chars(argument, state)
        elif operator not in (parser.AT, parser.ASSERT, parser.ASSERT_NOT):
            one = parser.SubPattern(state, [(operator, argument)])
            compiled = compiler.compile(one, state.flags)
            in_bytes = isinstance(state.str, bytes)
            found.update(
                char for char in SAMPLE if compiled.fullmatch(char.encode("latin-1", "replace") if in_bytes else char)
            )
    return found


def test_a_pattern_never_goes_over_a_text_again_and_again() -> None:
    found = {f"{name}: {pattern.pattern!r}": defects(pattern) for name, pattern in patterns()}
    assert len(found) > 40
    assert {pattern: faults for pattern, faults in found.items() if faults} == {}


@each_row(
    "pattern",
    [
        r"(a+)+b",
        r"[0-9]+\.?[0-9]*x",
        r"\s*(.*?)\s*",
        r"sha\s*([0-9\s]*)",
        r"(?:a|b+)*c",
        r"\w+\d+-",
        r"(\d+)(\s*)(\d*)(\s*)x",
    ],
)
def test_the_check_finds_what_it_looks_for(pattern: str) -> None:
    assert defects(re.compile(pattern)) != []


@each_row("pattern", [r"a+b", r"[0-9]+(?:\.[0-9]*)?x", r"\s*+([0-9\s]*+)", r"\S++", r"[^_]+_\d+", r"\d{1,12}\d{0,9}"])
def test_the_check_lets_linear_patterns_pass(pattern: str) -> None:
    assert defects(re.compile(pattern)) == []


# -- what a gateway says

UNITS = [
    "a://",
    "a://a",
    "x",
    "mxgw_",
    "mxgw_a",
    "bearer ",
    "mxgw_a_b ",
    "a://user@ ",
    "a://b@c://",
    "api key '",
    "key='",
    "a+a-",
    " ",
    "\x1b",
    "\u00a0",
    "'\"",
    "@",
    "://",
    "\\",
    "\\u0041",
    "%2541",
    "&amp;",
    "&a",
    "a%",
]
SECRETS = [Secret("e"), Secret("a://a"), Secret("mxgw_a_bbbbbbbb"), Secret("  "), Secret("x" * 9)]


def cost(work: Callable[[str], object], text: str) -> float:
    """Return the least processor time of three runs."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work(text)
        best = min(best, time.process_time() - began)
    return best


@each_row("unit", UNITS)
@each_row("work", [redact, one_line, Gate(SECRETS).hide])
def test_four_times_the_text_takes_no_more_than_some_four_times_the_work(
    work: Callable[[str], object], unit: str
) -> None:
    small, large = (unit * 60_000)[:60_000], (unit * 240_000)[:240_000]
    assert cost(work, large) < 10 * cost(work, small) + 0.05


@each_row("unit", UNITS)
def test_a_text_is_cut_before_anything_is_looked_for(unit: str) -> None:
    class Watched(str):
        """A text that tells how much of it was taken, and lets nobody go through it."""

        taken = 0

        def __getitem__(self, place: Any) -> str:
            piece = str.__getitem__(self, place)
            Watched.taken = max(Watched.taken, len(piece))
            return piece

    line = Gate(SECRETS).line(Watched(unit * 1_000_000))
    assert 0 < Watched.taken < 2 * LONGEST_TEXT
    assert len(line) <= LONGEST_TEXT
