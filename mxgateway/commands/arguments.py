"""Arguments of commands, checked before anything is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

from mxgateway.credentials import Secret
from mxgateway.errors import MxGatewayInvalidRequestError

T = TypeVar("T")

UINT32_MAX: Final = 2**32 - 1


def check_int32(name: str, value: int) -> int:
    """Return `value`, refusing what is no 32-bit integer."""
    if not _is_int(value) or not -(2**31) <= value < 2**31:
        _refuse(f"{name} is {value!r}", "give an integer of 32 bits")
    return value


def check_uint32(name: str, value: int) -> int:
    """Return `value`, refusing what is no unsigned 32-bit integer."""
    if not _is_int(value) or not 0 <= value <= UINT32_MAX:
        _refuse(f"{name} is {value!r}", f"give an integer from 0 to {UINT32_MAX}")
    return value


def check_interval(name: str, milliseconds: int) -> int:
    """Return an interval in milliseconds, refusing a negative one and what is no 32-bit integer."""
    if not _is_int(milliseconds) or not 0 <= milliseconds < 2**31:
        _refuse(f"{name} is {milliseconds!r}", f"give milliseconds from 0 to {2**31 - 1}")
    return milliseconds


def check_handle(name: str, value: int) -> int:
    """Return a handle, refusing what MXAccess never gives out: it numbers handles from 1, in 32 bits."""
    if not _is_int(value) or not 0 < value < 2**31:
        _refuse(f"{name} is {value!r}", f"give a handle that the gateway gave, from 1 to {2**31 - 1}")
    return value


def check_user_id(name: str, value: int) -> int:
    """Return a user id, refusing what MXAccess never gives out: 0 stands for a user who was not authenticated."""
    if not _is_int(value) or not 0 < value < 2**31:
        _refuse(f"{name} is {value!r}", "give the id that authenticate_user returned")
    return value


def check_sequence(value: int) -> int:
    """Return a worker sequence, refusing what is no unsigned 64-bit integer."""
    if not _is_int(value) or not 0 <= value < 2**64:
        _refuse(f"after_worker_sequence is {value!r}", "give the worker_sequence of an event, or 0")
    return value


def check_text(name: str, value: str) -> str:
    """Return `value`, refusing what cannot be carried: no str, a NUL character, a lone surrogate."""
    if not _is_text(value):
        _refuse(f"{name} is {value!r:.200}", _TEXT_HINT)
    return value


def check_secret(name: str, value: Secret) -> Secret:
    """Return a secret, refusing one that cannot be carried; the refusal does not show it."""
    if not _is_text(value.reveal()):
        _refuse(f"{name} cannot be sent", _TEXT_HINT)
    return value


def check_time(name: str, value: datetime) -> datetime:
    """Return `value`, refusing what is no datetime with a time zone."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        _refuse(f"{name} is {value!r}", "give a datetime with a time zone")
    return value


def check_guid(name: str, value: uuid.UUID | str) -> str:
    """Return a GUID as text, refusing what is none."""
    if isinstance(value, uuid.UUID):
        return str(value)
    try:
        uuid.UUID(check_text(name, value))
    except ValueError:
        _refuse(f"{name} is {value!r}", "give a GUID such as 01234567-89ab-cdef-0123-456789abcdef")
    return value


# -- lists


def check_handles(name: str, values: Iterable[int]) -> list[int]:
    """Return handles as a list, refusing none at all, any that MXAccess never gives out, and one that stands twice."""
    handles = [check_handle(f"{name}[{index}]", value) for index, value in enumerate(check_list(name, values))]
    first: dict[int, int] = {}
    for index, handle in enumerate(handles):
        if (before := first.setdefault(handle, index)) != index:
            _refuse(f"{name}[{index}] is {handle}, as {name}[{before}] is", "give each handle once")
    return handles


def check_list(name: str, values: Iterable[T]) -> list[T]:
    """Return what an iterable yields, refusing a text, which is one value, and nothing at all."""
    if isinstance(values, str | bytes):
        _refuse(f"{name} is the one {type(values).__name__} {values!r:.80}", "give a list of them")
    try:
        found = list(values)
    except TypeError:
        _refuse(f"{name} is {values!r:.80}", "give a list")
    if not found:
        _refuse(f"{name} is empty", "give one entry or more")
    return found


def check_mapping(name: str, values: Mapping[str, T]) -> Mapping[str, T]:
    """Return a mapping, refusing what is none and an empty one."""
    if not isinstance(values, Mapping):
        _refuse(f"{name} is {values!r:.80}", "give a mapping, such as {tag: value}")
    if not values:
        _refuse(f"{name} is empty", "give one entry or more")
    return values


def check_each(
    name: str, values: T | Iterable[T], count: int, check: Callable[[str, T], T], single: type | tuple[type, ...]
) -> list[T]:
    """Return one value for each of `count` entries: the one value that is given for all of them, or one of its own for each.

    Args:
        name: What messages call it.
        values: A value of type `single`, or an iterable of them.
        count: How many entries there are.
        check: Takes the name and one value, and returns it or refuses it.
        single: The type of one value.
    """
    if isinstance(values, single):
        return [check(name, values)] * count  # type: ignore[arg-type]  # mypy does not tell T from Iterable[T] here
    found: list[Any] = check_list(name, values)  # type: ignore[arg-type]
    check_length(name, found, count)
    return [check(f"{name}[{index}]", value) for index, value in enumerate(found)]


def check_length(name: str, values: list[T], count: int) -> None:
    """Refuse a list that is not as long as the list of entries that it goes with."""
    if len(values) != count:
        _refuse(f"{name} holds {len(values)} values for {count} entries", "give one for each")


_TEXT_HINT: Final = "give a str without NUL characters and lone surrogates"


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return (value.isascii() and "\0" not in value) or not any(
        char == "\0" or "\ud800" <= char <= "\udfff" for char in value
    )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse(what: str, hint: str) -> NoReturn:
    raise MxGatewayInvalidRequestError(what, hint=f"{hint}; nothing was sent", phase="request")
