"""Messages that come again and again: the status of a good value, byte for byte the same in every event.

The fields of such a message are kept by its bytes, and a message with the same bytes gets a copy of them instead of
being decoded. Only types whose values are immutable qualify, since every message must stay its receiver's own.
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


def remembering(message_type: type[Any], decode: Decode, give_up: Callable[[], None]) -> Decode:
    """Return a decode function that knows the messages that it has seen.

    Args:
        message_type: The class of the messages.
        decode: The function that decodes one.
        give_up: Called once when too few messages repeat, to put `decode` in the place of the new function.
    """
    seen: dict[bytes, dict[str, Any]] = {}
    find = seen.get
    new = object.__new__
    hits = 0

    def decode_repeated(data: bytes, pos: int, end: int, depth: int) -> Any:
        nonlocal hits
        state = find(data[pos:end])
        if state is not None:
            hits += 1
            message = new(message_type)
            message.__dict__.update(state)
            return message
        message = decode(data, pos, end, depth)
        # A length that points behind the data is only refused by the caller: such a message must not be kept, since
        # what there is of its bytes would be taken for all of them later.
        if end - pos <= _LONGEST and end <= len(data):
            if len(seen) >= _MOST_ENTRIES:
                seen.clear()
                if hits < 4 * _MOST_ENTRIES:
                    give_up()
                hits = 0
            seen[data[pos:end]] = dict(message.__dict__.items())  # such a dict is the quickest to copy
        return message

    return decode_repeated


class Repeats:
    """The fields of messages by their bytes, for code that looks them up itself and fills a message of its own.

    Args:
        decode: The function that decodes one.

    Attributes:
        find: Returns the fields that were kept for some bytes, or None.
    """

    # `find` belongs to a dict proper: a subclass's own is slower to call.
    __slots__ = ("_decode", "_entries", "find")

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._entries: dict[bytes, dict[str, Any]] = {}
        self.find = self._entries.get

    def learn(self, data: bytes, pos: int, end: int, depth: int) -> Any:
        """Return a message that is not among these, and keep its fields."""
        message = self._decode(data, pos, end, depth)
        if end - pos <= _LONGEST and end <= len(data):
            if len(self._entries) >= _MOST_ENTRIES:
                self._entries.clear()
            self._entries[data[pos:end]] = dict(message.__dict__.items())  # such a dict is the quickest to copy
        return message
