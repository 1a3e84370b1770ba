"""Splits a command line like a POSIX shell. `shlex` takes a minute for a quoted megabyte; this takes linear time."""

from __future__ import annotations

import re
from typing import Final

# Possessive repetition keeps no backtracking states; a megabyte of text would have a million.
_PIECE: Final = re.compile(
    r"""(?sx)
    (?P<space> [ \t\r\n]++ )
    | (?P<text> [^ \t\r\n'"\\]++ )
    | ' (?P<single> [^']*+ ) '
    | " (?P<double> (?: [^"\\]++ | \\. )*+ ) "
    | \\ (?P<escaped> . )
    """
)


def split(line: str) -> list[str]:
    """Return the words of a line.

    Args:
        line: Words separated by white space; only quotes and backslashes are special, as in a shell.

    Raises:
        ValueError: A quote is not closed, or the last character is a backslash. The message says where.
    """
    words: list[str] = []
    word: list[str] = []
    position = 0
    while position < len(line):
        match = _PIECE.match(line, position)
        if match is None:
            raise ValueError(_syntax_error(line[position], position))
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            word.append(_without_escapes(match[kind]) if kind == "double" else match[kind])
        elif word:
            words.append("".join(word))
            word = []
    return [*words, "".join(word)] if word else words


def _without_escapes(text: str) -> str:
    """Resolve backslashes between double quotes: they escape a backslash or a quote, all others are literal."""
    return "\\".join(part.replace('\\"', '"') for part in text.split("\\\\"))


def _syntax_error(character: str, position: int) -> str:
    if character == "\\":
        return "the line ends with a backslash, which escapes nothing"
    return f"the quote {character} in column {position + 1} is not closed"
