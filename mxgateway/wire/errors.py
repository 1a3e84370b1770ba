"""What can go wrong between bytes, text and messages."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that are no valid message, or a message that has no valid bytes.

    Attributes:
        message_name: The message type that was read or written, such as `MxEvent`.
        field: The field in it, empty when the fault lies between fields.
        offset: Where in the data, counted in bytes from its start; None when a message was written.
        reason: What is wrong, without the place.
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

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore_wire_error, (self.reason, self.message_name, self.field, self.offset))


class LackingError(WireError):
    """A message that says what the peer's contract has no place for."""


class ElementLimitError(WireError):
    """A message that has more elements than are accepted.

    Attributes:
        limit: The most that are accepted.
    """

    def __init__(self, message_name: str, limit: int) -> None:
        super().__init__(f"it has more than {limit} elements", message_name=message_name)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message_name, self.limit))


class MisfitError(WireError):
    """A message that was made by another contract than the one that it is read by."""


class JsonError(WireError):
    """A JSON document that is no valid form of a message, or a message without a JSON form.

    Attributes:
        path: The place in the document, such as `value.arrayValue.dimensions[3]`; empty for the document itself.
    """

    def __init__(self, reason: str, *, message_name: str = "", path: str = "") -> None:
        super().__init__(reason, message_name=message_name)
        self.path = path
        place = ": ".join(part for part in (message_name, path) if part)
        self.args = (f"{place}: {reason}" if place else reason,)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore_json_error, (self.reason, self.message_name, self.path))


class IrregularError(Exception):
    """What a compiled function leaves to the reference reader or writer; it never reaches a caller.

    The compiled functions know the shapes that real peers produce. Everything else, be it a fault or merely
    unusual, is done again by the reference code, which takes every valid shape and names every fault.
    """


class JsonFaultError(Exception):
    """What is wrong in a JSON document and the path to it, which grows on its way out; it never reaches a caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def under(self, step: str) -> JsonFaultError:
        """Put a step before the path: a field's name, or an index in brackets."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        self.path = f"{step}{joint}{self.path}"
        return self

    def public(self, message_name: str) -> JsonError:
        """Return the error that a caller sees."""
        return JsonError(self.reason, message_name=message_name, path=self.path)


def _restore_wire_error(reason: str, message_name: str, field: str, offset: int | None) -> WireError:
    return WireError(reason, message_name=message_name, field=field, offset=offset)


def _restore_json_error(reason: str, message_name: str, path: str) -> JsonError:
    return JsonError(reason, message_name=message_name, path=path)
