"""The base class of the generated enums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

# At run time it is betterproto's own class. Type checkers see another one: they cannot follow betterproto's, take its
# members for plain ints, and reject every member as an argument.
if TYPE_CHECKING:
    from enum import IntEnum

    class Enum(IntEnum):
        """A protobuf enum, whose values may be outside the known members."""

        name: str | None  # type: ignore[assignment]
        """The member's name; None for a number unknown to the contract."""

        @classmethod
        def try_value(cls, value: int = 0) -> Self:
            """Return the member with this number, or a nameless one."""
            ...

        @classmethod
        def from_string(cls, name: str) -> Self:
            """Return the member with this name, or raise ValueError."""
            ...

else:
    from mxgateway.wire.pydantic_schema import instance_schema, json_form

    from .betterproto_seam import Enum as _Enum

    class Enum(_Enum):
        """betterproto's own enum, made picklable."""

        def __reduce__(self) -> tuple[Any, ...]:
            return type(self).try_value, (int(self),)

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
            return instance_schema(cls, json_form("enum_in_json"), "str", "int")
