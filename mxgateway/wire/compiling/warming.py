"""Decides which message types are worth a compiled function.

Compiling a type's function takes as long as the reference code needs for a few dozen short messages. A program that
ends after its first replies, as most command lines do, would never recover that. So the reference code handles each
type until an allowance is used up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

Function = Callable[..., Any]

ALLOWANCE: Final = 4096
"""Bytes per type that the reference code reads or writes before a function is compiled."""
_PER_MESSAGE: Final = 64
"""Bytes that a message counts as, in addition to its size."""


class Warming:
    """Counts the work of the reference code for each message type."""

    def __init__(self) -> None:
        self._done: dict[type[Any], int] = {}

    def allows(self, message_type: type[Any], size: int = 0) -> bool:
        """Count a message, and return whether it is within the allowance of its type.

        Args:
            message_type: The type.
            size: The message's size in bytes; a rough estimate will do.
        """
        done = self._done.get(message_type, 0) + size + _PER_MESSAGE
        if done > ALLOWANCE:
            return False
        self._done[message_type] = done
        return True


class WarmingFunctions(dict[type[Any], Function]):
    """The functions of message types: the reference code until a type's allowance is used up, then compiled ones.

    Args:
        compiled: The compiled functions.
        reference: Called with the type and the arguments of a compiled function.
        size: Called with the same arguments; returns the bytes to count.
    """

    def __init__(self, compiled: Mapping[type[Any], Function], reference: Function, size: Callable[..., int]) -> None:
        super().__init__()
        self._compiled = compiled
        self._reference = reference
        self._size = size
        self._warming = Warming()

    def __missing__(self, message_type: type[Any]) -> Function:
        return partial(self._call, message_type)

    def _call(self, message_type: type[Any], *arguments: Any) -> Any:
        if self._warming.allows(message_type, self._size(message_type, *arguments)):
            return self._reference(message_type, *arguments)
        function = self[message_type] = self._compiled[message_type]
        return function(*arguments)
