"""Errors of the conversions between bytes, JSON and messages."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that are not a valid message, or a message that cannot be encoded.

    Attributes:
        message_name: The message type that was being read or written, such as `MxEvent`.
        field: The field in it; empty for an error between fields.
        offset: The position in the data in bytes; None when writing.
        reason: The error without its place.
    """

    def __init__(self, reason: str, *, message_name: str = "", field: str = "", offset: int | None = None) -> None:
        self.reason = reason
        self.message_name = message_name
        self.field = field
        self.offset = offset
        place = ".".join(part for part in (message_name, field) if part)
        if offset is not None:
            place += f" at byte {offset}" if place else f"byte {offset}"
        super().__init__(f"{place}: {reason}" if place else reason)


class LackingError(WireError):
    """A message that uses something the peer's contract does not have."""


class ElementLimitError(WireError):
    """A message with too many elements.

    Attributes:
        limit: The most elements accepted.
    """

    def __init__(self, message_name: str, limit: int) -> None:
        super().__init__(f"it has more than {limit} elements", message_name=message_name)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message_name, self.limit))


class MisfitError(WireError):
    """A message that was encoded by another contract than the one used to decode it."""


class JsonError(WireError):
    """A JSON document that does not represent a message, or a message without a JSON form.

    Attributes:
        path: The place in the document, such as `value.arrayValue.dimensions[3]`; empty for the whole document.
    """

    def __init__(self, reason: str, *, message_name: str = "", path: str = "") -> None:
        super().__init__(reason, message_name=message_name)
        self.path = path
        place = ": ".join(part for part in (message_name, path) if part)
        self.args = (f"{place}: {reason}" if place else reason,)


class IrregularError(Exception):
    """Raised by compiled functions to hand over to the reference code; never reaches a caller.

    Compiled functions handle the forms that real peers produce. Everything else, invalid or merely unusual, goes to the
    reference code, which accepts every valid form and reports every error.
    """


class JsonFaultError(Exception):
    """An error in a JSON document, with a path that grows as it propagates; never reaches a caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def under(self, step: str) -> JsonFaultError:
        """Prepend a step to the path: a field name, or an index in brackets."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        self.path = f"{step}{joint}{self.path}"
        return self

    def public(self, message_name: str) -> JsonError:
        """Return the error for the caller."""
        return JsonError(self.reason, message_name=message_name, path=self.path)
