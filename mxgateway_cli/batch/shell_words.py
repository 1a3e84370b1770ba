"""Splits a command line as a POSIX shell does. `shlex` takes a minute for a megabyte between quotes, this takes no time."""

from __future__ import annotations

import re
from typing import Final

# Possessive repetition keeps no way back, of which a megabyte of text has a million.
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
        line: Words between white space; quotes and backslashes as in a shell, nothing else has a meaning.

    Raises:
        ValueError: A quote is not closed, or a backslash is the last character. The text says where.
    """
    words: list[str] = []
    word: list[str] = []
    position = 0
    while position < len(line):
        match = _PIECE.match(line, position)
        if match is None:
            raise ValueError(_defect(line[position], position))
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            word.append(_without_escapes(match[kind]) if kind == "double" else match[kind])
        elif word:
            words.append("".join(word))
            word = []
    return [*words, "".join(word)] if word else words


def _without_escapes(text: str) -> str:
    """Take the meaning of the backslashes between double quotes: in front of another one or a quote; any other is one itself."""
    return "\\".join(part.replace('\\"', '"') for part in text.split("\\\\"))


def _defect(character: str, position: int) -> str:
    if character == "\\":
        return "the line ends with a backslash, which escapes nothing"
    return f"the quote {character} in column {position + 1} is not closed"
