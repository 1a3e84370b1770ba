"""Turns generated source into functions: its namespace, and compilation on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from mxgateway.wire.schema import Schemas

Function = Callable[..., Any]

_KEPT: Final = 128
_LONGEST_KEPT: Final = 64 * 1024


class Linker(ABC):
    """The namespace shared by the compiled functions of one direction.

    Args:
        schemas: Returns the schema of a message type.
        names: The objects that every source refers to.

    Attributes:
        functions: The function of each message type, compiled on first use.
    """

    def __init__(self, schemas: Schemas, names: Mapping[str, Any]) -> None:
        self.schemas = schemas
        self.functions = Functions(self, self.source)
        self._names: dict[str, Any] = {**names, "functions": self.functions}
        self._numbers: dict[int, tuple[int, Any]] = {}

    @abstractmethod
    def source(self, message_type: type[Any]) -> str:
        """Return the source of a message type's function."""

    def function(self, message_type: type[Any]) -> str:
        """Return the name of a type's function; the function is compiled on its first call."""

        def compile_and_call(*arguments: Any) -> Any:
            self.link(name, message_type)
            return self._names[name](*arguments)

        name = f"function_{self._number_of(message_type)}"
        self._names.setdefault(name, compile_and_call)
        return name

    def link(self, name: str, message_type: type[Any]) -> None:
        """Bind the name of a type's function."""
        self._names[name] = self.functions[message_type]

    def value(self, value: Any) -> str:
        """Return a name for an object: a table, a class, a constant."""
        return self.named(f"value_{self._number_of(value)}", value)

    def named(self, name: str, value: Any) -> str:
        """Bind an object to a name of the caller's choice, and return the name."""
        self._names[name] = value
        return name

    def knows(self, name: str) -> bool:
        """Return whether a name is taken."""
        return name in self._names

    def compile(self, source: str) -> Function:
        """Return the single function defined by a source text."""
        made: dict[str, Any] = {}
        code = _code if len(source) <= _LONGEST_KEPT else _code.__wrapped__
        exec(code(source, f"<{type(self).__module__}>"), self._names, made)
        (function,) = made.values()
        return function  # type: ignore[no-any-return]

    def _number_of(self, thing: Any) -> int:
        # The table keeps the object alive, so its id stays unique.
        return self._numbers.setdefault(id(thing), (len(self._numbers), thing))[0]


@lru_cache(_KEPT)
def _code(source: str, file: str) -> CodeType:
    """Compile a source text once for all clients that load the same contract."""
    return compile(source, file, "exec")


class Functions(dict[type[Any], Function]):
    """Functions by message type, each compiled on first use.

    Args:
        linker: Compiles them.
        source: Returns the source of a message type's function.
    """

    def __init__(self, linker: Linker, source: Callable[[type[Any]], str]) -> None:
        super().__init__()
        self._linker = linker
        self._source = source

    def __missing__(self, message_type: type[Any]) -> Function:
        function = self[message_type] = self._linker.compile(self._source(message_type))
        return function
