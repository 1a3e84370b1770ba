"""The API key in a file, which is read again when the gateway refuses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mxgateway_cli.terminal.text import hide_from_now_on

if TYPE_CHECKING:
    from mxgateway import ApiKey


class KeyFile:
    """Returns the key of a file: at first the one that was read already, then what the file holds at that time.

    Two of the same file are equal, so that the lines of a batch share a connection.

    Args:
        path: The file.
        first: Its key.
        read: Reads it; raises what is wrong with it.
    """

    def __init__(self, path: str, first: ApiKey, read: Callable[[str], ApiKey]) -> None:
        self._path = path
        self._first = first
        self._read = read
        self._was_asked = False

    async def __call__(self) -> ApiKey:
        """Return the key."""
        if not self._was_asked:
            self._was_asked = True
            return self._first
        import asyncio  # shells that complete words load this module, and no event loop

        key = await asyncio.to_thread(self._read, self._path)
        hide_from_now_on(key)
        return key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and other._path == self._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __str__(self) -> str:
        return str(self._first)
