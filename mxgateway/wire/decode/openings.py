"""The first fields of messages, when they are nearly always the same: the session of an event, the type of a value.

They are recognized by their bytes, and need not be read again.
"""

from __future__ import annotations

from typing import Any, Final

_MOST_ENTRIES: Final = 256
_LONGEST: Final = 256  # bytes


class Opening:
    """What the first bytes of a message hold, by these bytes.

    Attributes:
        size: How many bytes those of the newest entry are; the next message will have as many.
        find: Returns the values that were kept for some bytes, or None.
    """

    # `find` belongs to a dict proper: a subclass's own is slower to call.
    __slots__ = ("_entries", "find", "size")

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[Any, ...]] = {}
        self.find = self._entries.get
        self.size = 0

    def learn(self, data: bytes, stop: int, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Keep what `data[:stop]` holds: whole fields, each once and in order. Return the values."""
        if stop <= _LONGEST:
            make_room(self._entries)
            self._entries[data[:stop]] = values
            self.size = stop
        return values


def make_room(table: dict[Any, Any] | set[Any]) -> None:
    """Empty a table that has as many entries as it may have."""
    if len(table) >= _MOST_ENTRIES:
        table.clear()
