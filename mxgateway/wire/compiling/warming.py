"""Which message types are worth compiled functions.

To write and compile a type's function takes as long as the reference code needs for some dozens of short messages. A
program that ends after its first replies, as most command lines do, would never have that back; so the reference code
does what each type asks for until an allowance is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

Function = Callable[..., Any]

ALLOWANCE: Final = 4096
"""The bytes of each type that the reference code reads, or writes, before a function is compiled."""
_PER_MESSAGE: Final = 64
"""What a message counts beside its bytes."""


class Warming:
    """What the reference code has done for each message type."""

    def __init__(self) -> None:
        self._done: dict[type[Any], int] = {}

    def allows(self, message_type: type[Any], size: int = 0) -> bool:
        """Return whether a message is within the allowance of its type, and count it.

        Args:
            message_type: The type.
            size: The message's bytes, by a rough guess if need be.
        """
        done = self._done.get(message_type, 0) + size + _PER_MESSAGE
        if done > ALLOWANCE:
            return False
        self._done[message_type] = done
        return True


class WarmingFunctions(dict[type[Any], Function]):
    """The functions of message types: compiled ones, and while a type's allowance lasts one that calls the reference code.

    Args:
        compiled: Compiles what it does not have.
        reference: Called with the type and the arguments of a compiled function.
        size: Called with the same; returns the bytes that the message counts.
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
