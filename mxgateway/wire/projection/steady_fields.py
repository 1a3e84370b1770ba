"""Consecutive fields that are nearly always the same: the session of an event, the type of a value.

They are recognized by their bytes and not read again.
"""

from __future__ import annotations

from typing import Any, Final

_MOST_ENTRIES: Final = 256
_LONGEST: Final = 256  # bytes


class Run:
    """A cache of the values of a run of fields, by its bytes.

    Attributes:
        size: The size of the newest entry in bytes; the next message will probably have the same.
        find: Returns the cached values for some bytes, or None.
    """

    # `find` is the method of a plain dict: that of a subclass is slower to call.
    __slots__ = ("_entries", "find", "size")

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[Any, ...]] = {}
        self.find = self._entries.get
        self.size = 0

    def learn(self, data: bytes, start: int, stop: int, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Cache the values of `data[start:stop]`: whole fields, each once and in order. Return the values."""
        size = stop - start
        if size <= _LONGEST:
            _make_room(self._entries)
            self._entries[data[start:stop]] = values
            self.size = size
        return values


class Passed:
    """A cache of runs of numbers and texts that are skipped.

    Args:
        number_tag: The bytes of the number's tag.
        text_tag: The bytes of the text's tag.
        longest: The most bytes of a number.

    Attributes:
        seen: The cached runs.
    """

    __slots__ = ("_longest", "_number", "_size", "_text", "seen")

    def __init__(self, number_tag: bytes, text_tag: bytes, longest: int) -> None:
        self._number = number_tag
        self._text = text_tag
        self._longest = longest
        self._size = 0
        self.seen: set[bytes] = set()

    def learn(self, data: bytes, pos: int, end: int) -> int:
        """Cache the run that begins at a position, and return its end."""
        start = pos
        if data[pos : pos + self._size] in self.seen:  # the newest one again
            pos += self._size
        while pos < end:
            if data.startswith(self._number, pos):
                last = pos + len(self._number)
                stop = last + self._longest
                while data[last] > 127 and last < stop:
                    last += 1
                if last == stop:
                    break
                stop = last + 1
            elif data.startswith(self._text, pos):
                size = pos + len(self._text)
                stop = size + 1 + data[size]
                if not data[size:stop].isascii():  # includes the size, which must be one byte
                    break
            else:
                break
            if stop > end:
                break
            pos = stop
        if start < pos <= min(end, start + _LONGEST):
            _make_room(self.seen)
            self.seen.add(data[start:pos])
            self._size = pos - start
        return pos


def _make_room(table: dict[Any, Any] | set[Any]) -> None:
    """Empty a table that has reached its limit."""
    if len(table) >= _MOST_ENTRIES:
        table.clear()
