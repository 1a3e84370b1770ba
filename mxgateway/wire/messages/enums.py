"""The base class of the generated enums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

# At run time it is betterproto's own. Type checkers are shown another one: they cannot follow betterproto's, take its
# members for plain ints, and refuse every use of a member as an argument.
if TYPE_CHECKING:
    from enum import IntEnum

    class Enum(IntEnum):
        """A protobuf enum, whose values may lie outside of the known members."""

        name: str | None  # type: ignore[assignment]
        """The member's name; None for a number that the contract does not know."""

        @classmethod
        def try_value(cls, value: int = 0) -> Self:
            """Return the member of this number, or a nameless one."""
            ...

        @classmethod
        def from_string(cls, name: str) -> Self:
            """Return the member of this name, or raise ValueError."""
            ...

else:
    from .betterproto_seam import Enum as _Enum

    class Enum(_Enum):
        """betterproto's own, whose members can be sent to another process besides."""

        def __reduce__(self) -> tuple[Any, ...]:
            return type(self).try_value, (int(self),)
