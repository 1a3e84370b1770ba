"""The tags of the item handles that this process has seen: of one command, or of all lines of a batch."""

from __future__ import annotations

from typing import Final

_MOST: Final = 100_000
"""Items whose tags are kept; the oldest are forgotten."""


class ItemNames:
    """Tags by session, server handle and item handle."""

    def __init__(self) -> None:
        self._tags: dict[tuple[str, int, int], str] = {}

    def add(self, session_id: str, server_handle: int, item_handle: int, tag: str) -> None:
        """Keep the tag of an item."""
        self._tags[session_id, server_handle, item_handle] = tag
        while len(self._tags) > _MOST:
            del self._tags[next(iter(self._tags))]

    def get(self, session_id: str, server_handle: int, item_handle: int) -> str | None:
        """Return the tag of an item; None if it is not known."""
        return self._tags.get((session_id, server_handle, item_handle))
