"""Caches messages that recur byte for byte, such as the status of a good value in every event.

The cache maps a message's bytes to its fields; equal bytes get a copy of the fields without decoding. Only types with
immutable values qualify, because every receiver owns its message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mxgateway.wire.schema import MAP, MESSAGE, MessageSchema, is_lean

Decode = Callable[[bytes, int, int, int], Any]

_MOST_ENTRIES: Final = 256
_LONGEST: Final = 64  # bytes


def may_repeat(schema: MessageSchema) -> bool:
    """Return whether messages of a type may share their values."""
    if not is_lean(schema.message_type) or not schema.fields:
        return False
    return not any(field.repeated or field.kind in (MESSAGE, MAP) for field in schema.fields)


def remembering(message_type: type[Any], decode: Decode, give_up: Callable[[], object]) -> Decode:
    """Return a caching decode function.

    Args:
        message_type: The class of the messages.
        decode: The decode function to wrap.
        give_up: Called if too few messages repeat, to restore `decode`.
    """
    hits = 0

    def look_back() -> None:
        nonlocal hits
        if hits < 4 * _MOST_ENTRIES:
            give_up()
        hits = 0

    repeats = Repeats(decode, look_back)
    find, learn, new = repeats.find, repeats.learn, object.__new__

    def decode_repeated(data: bytes, pos: int, end: int, depth: int) -> Any:
        nonlocal hits
        state = find(data[pos:end])
        if state is None:
            return learn(data, pos, end, depth)
        hits += 1
        message = new(message_type)
        message.__dict__.update(state)
        return message

    return decode_repeated


class Repeats:
    """A cache of message fields by bytes, for code that looks them up and fills messages itself.

    Args:
        decode: The decode function.
        full: Called when the cache is full and begins anew.

    Attributes:
        find: Returns the cached fields for some bytes, or None.
    """

    # `find` is a method of a real dict: a subclass's would be slower to call.
    __slots__ = ("_decode", "_entries", "_full", "find")

    def __init__(self, decode: Decode, full: Callable[[], object] = bool) -> None:
        self._decode = decode
        self._full = full
        self._entries: dict[bytes, dict[str, Any]] = {}
        self.find = self._entries.get

    def learn(self, data: bytes, pos: int, end: int, depth: int) -> Any:
        """Decode a message that is not cached, and cache its fields."""
        message = self._decode(data, pos, end, depth)
        # The caller rejects a length that exceeds the data only later: do not cache such a message, or its truncated
        # bytes would later pass for the whole.
        if end - pos <= _LONGEST and end <= len(data):
            if len(self._entries) >= _MOST_ENTRIES:
                self._entries.clear()
                self._full()
            self._entries[data[pos:end]] = dict(message.__dict__.items())  # a dict made this way is the fastest to copy
        return message
