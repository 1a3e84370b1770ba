"""Splits a .proto file into tokens."""

from __future__ import annotations

import re
import sys
from typing import Final

from mxgateway.contract.descriptor_set import ContractError

_SPACE: Final = re.compile(r"(?:[ \t\r\n\f\v]++|//[^\n]*+|/\*(?s:.*?)\*/)*+")
_TOKEN: Final = re.compile(
    r"(?P<word>[A-Za-z_][A-Za-z0-9_]*+)"
    r"|(?P<number>(?:[0-9]|\.[0-9])(?:[eE][+-]|[A-Za-z0-9_.])*+)"
    r"""|(?P<string>"(?:[^"\\\n]|\\[^\n])*+"|'(?:[^'\\\n]|\\[^\n])*+')"""
    r"|(?P<sign>[\]\[{}()<>=;,.:+-]|/(?![/*]))"
)
_INTEGER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"?])|(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"
)
_PLAIN_ESCAPES: Final = dict(zip("abfnrtv\\'\"?", "\a\b\f\n\r\t\v\\'\"?", strict=True))
MOST_PARTS: Final = 32
"""Most parts of a dotted name."""
_SHOWN: Final = 40
"""Characters of a file shown in an error."""


class Tokens:
    """A cursor over the tokens of a file; comments and white space are skipped.

    Args:
        file: The file's name, for errors.
        source: The file's text.

    Attributes:
        text: The current token as written; empty at the end. A string includes its quotes, so no other token equals it.
        position: The start of the current token.
    """

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self._source = source
        self._end = 1 if source.startswith("\ufeff") else 0
        self._kind: str | None = None
        self.text = ""
        self.position = 0
        self.advance()

    def advance(self) -> str:
        """Move to the next token and return the previous one."""
        before = self.text
        space = _SPACE.match(self._source, self._end)
        self.position = space.end() if space else self._end
        token = _TOKEN.match(self._source, self.position)
        if token is not None:
            self._kind, self.text, self._end = token.lastgroup, token[0], token.end()
        elif self.position == len(self._source):
            self._kind, self.text, self._end = None, "", self.position
        else:
            raise self._unreadable()
        return before

    def accept(self, text: str) -> bool:
        """Consume the token if it is the current one, and return whether it was."""
        if self.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Consume the current token, which must be this one."""
        if not self.accept(text):
            raise self.unexpected(f"{text!r}")

    def word(self, what: str) -> str:
        """Consume and return a word."""
        if self._kind != "word":
            raise self.unexpected(what)
        return self.advance()

    def name(self, what: str) -> str:
        """Consume and return a dotted name of a package or a type."""
        position, words = self.position, [self.word(what)]
        while self.accept("."):
            words.append(self.word(what))
            if len(words) > MOST_PARTS:
                raise self.error(f"a name has more than {MOST_PARTS} parts", position)
        return ".".join(words)

    def integer(self, what: str) -> int:
        """Consume and return an integer, which may be negative."""
        negative = self.accept("-")
        if self._kind != "number" or not _INTEGER.fullmatch(self.text):
            raise self.unexpected(what)
        text = self.text
        base = 16 if text[:2] in ("0x", "0X") else 8 if text[0] == "0" else 10
        try:
            number = int(text, base)
        except ValueError:  # an 8 in an octal number
            raise self.unexpected(what) from None
        self.advance()
        return -number if negative else number

    def scalar(self) -> str:
        """Consume and return an option's value: the content of strings, anything else as written.

        A string may contain any bytes; bytes that are not text become surrogates.
        """
        if self._kind == "string":
            return self._bytes("a value").decode(errors="surrogateescape")
        sign = self.advance() if self.text in ("-", "+") else ""
        if self._kind not in ("word", "number"):
            raise self.unexpected("a value")
        return sign + self.advance()

    def string(self, what: str) -> str:
        """Consume and return the content of adjacent strings."""
        try:
            return self._bytes(what).decode()
        except UnicodeDecodeError:
            raise self.error(f"{what} is not valid UTF-8") from None

    def _bytes(self, what: str) -> bytes:
        if self._kind != "string":
            raise self.unexpected(what)
        parts = []
        while self._kind == "string":
            parts.append(self._unescaped(self.text[1:-1]))
            self.advance()
        return b"".join(parts)

    def error(self, reason: str, position: int | None = None) -> ContractError:
        """Return the error for a position in the file, by default the current token's."""
        return error_at(self.file, self._source, self.position if position is None else position, reason)

    def unexpected(self, wanted: str) -> ContractError:
        """Return the error for an unexpected token."""
        found = shown(self.text) if self.text else "the end of the file"
        return self.error(f"expected {wanted}, not {found}")

    def _unescaped(self, body: str) -> bytes:
        parts, end = [], 0
        while (start := body.find("\\", end)) >= 0:
            escape = _ESCAPE.match(body, start)
            if escape is None:
                raise self.error(f"{shown(body[start : start + 2])} is not a valid escape")
            parts += [body[end:start].encode(), _escaped(escape)]
            end = escape.end()
        return b"".join([*parts, body[end:].encode()])

    def _unreadable(self) -> ContractError:
        rest = self._source[self.position : self.position + 2]
        if rest == "/*":
            return self.error("the comment is not closed")
        if rest[0] in "\"'":
            return self.error("the string is not closed on its line")
        return self.error(f"{shown(rest[0])} is not valid in a .proto file")


def error_at(file: str, source: str, position: int, reason: str) -> ContractError:
    """Return the error for a position in a file."""
    line = source.count("\n", 0, position) + 1
    return ContractError(f"{shown_name(file)}:{line}: {reason}")


def shown(text: str, most: int = _SHOWN) -> str:
    """Return a text as shown in an error: one line of printable characters, at most `most` of them."""
    return ascii(text if len(text) <= most else f"{text[:most]}...")


def shown_name(name: str) -> str:
    """Return a file name, quoted if it is unusual."""
    return name if name.isprintable() else ascii(name)


def _escaped(escape: re.Match[str]) -> bytes:
    if plain := escape["plain"]:
        return _PLAIN_ESCAPES[plain].encode()
    if octal := escape["octal"]:
        return bytes([int(octal, 8) & 0xFF])
    if pair := escape["hex"]:
        return bytes([int(pair, 16)])
    code = int(escape["short"] or escape["long"], 16)
    return chr(code).encode(errors="surrogatepass") if code <= sys.maxunicode else b"\xff"  # not valid UTF-8
