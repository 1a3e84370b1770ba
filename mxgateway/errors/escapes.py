"""Texts unescaped: JSON, Python, C, .NET, URLs and HTML, up to four deep, with the way back to the original."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_LAYERS: Final = 4
"""How many times a text may have been escaped: JSON in JSON in HTML, and once more."""
LONGEST_ESCAPE: Final = 14
"""The most characters of an escaped character: outside the basic plane, escaped twice as JSON."""
_ESCAPE: Final = re.compile(
    r"\\(?:u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|[0-9a-fA-F]{4})"
    r"|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|[\\/\"'abfnrtv])"
    r"|(?i:%(?:[cd][0-9a-f]%[89ab][0-9a-f]|e[0-9a-f](?:%[89ab][0-9a-f]){2}|f[0-7](?:%[89ab][0-9a-f]){3}|[0-9a-f]{2}))"
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,32});"
)
"""One character, escaped as in JSON, Python, C, .NET, a URL or HTML; a text may mix these."""
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def may_be_escaped(text: str) -> bool:
    """Return whether a text has a character that begins an escape."""
    return "\\" in text or "%" in text or "&" in text


@lru_cache(maxsize=512)
def _character(escape: str) -> str:
    if escape[0] == "%":
        data = bytes.fromhex(escape.replace("%", ""))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    if escape[0] == "&":
        import html

        return html.unescape(escape)
    kind, digits = escape[1], escape[2:]
    if not digits:
        return _LETTERS.get(kind, kind)
    if kind.isdigit():
        return chr(int(escape[1:], 8))
    if "\\" in digits:  # a surrogate pair
        high, low = digits.split("\\u")
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else escape


class Layer:
    """A text after one round of unescaping.

    Args:
        escaped: The text with escapes.
        outer: The layer whose result `escaped` is.
    """

    def __init__(self, escaped: str, outer: Layer | None) -> None:
        self._outer = outer
        self._begins: list[int] = []
        """Where the unescaped characters begin in `text`."""
        self._places: list[tuple[int, int, int]] = []
        """Where they end in `text`, and where their escapes begin and end in `escaped`."""
        pieces: list[str] = []
        past = length = 0
        for match in _ESCAPE.finditer(escaped):
            character = _character(match[0])
            pieces += escaped[past : match.start()], character
            length += match.start() - past
            self._begins.append(length)
            length += len(character)
            past = match.end()
            self._places.append((length, match.start(), past))
        self.text = "".join(pieces) + escaped[past:]

    def source(self, begin: int, end: int) -> tuple[int, int]:
        """Return the range of the outermost text, in whole escapes, for the range `begin` to `end` of this one."""
        begin, end = self._locate(begin)[0], self._locate(end - 1)[1]
        return (begin, end) if self._outer is None else self._outer.source(begin, end)

    def _locate(self, index: int) -> tuple[int, int]:
        at = bisect_right(self._begins, index) - 1
        if at < 0:
            return index, index + 1
        ended, begin, end = self._places[at]
        return (begin, end) if index < ended else (index - ended + end, index - ended + end + 1)


def layers(text: str) -> Iterator[Layer]:
    """Yield a text unescaped once, then again as long as the result still has escapes."""
    layer = None
    for _ in range(_LAYERS):
        layer = Layer(text, layer)
        if layer.text == text:
            return
        yield layer
        text = layer.text
