"""Checks of command arguments, before anything is sent."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import Secret
from mxgateway.values.kinds import shown_int
from mxgateway.wire.messages.betterproto_seam import Message

K = TypeVar("K")
M = TypeVar("M", bound=Message)
T = TypeVar("T")

INT32_MAX: Final = 2**31 - 1
UINT32_MAX: Final = 2**32 - 1


def check_int32(name: str, value: int) -> int:
    """Return `value` if it is a 32-bit integer."""
    return _check_whole(name, value, -(2**31), INT32_MAX, "give an integer of 32 bits")


def check_uint32(name: str, value: int) -> int:
    """Return `value` if it is an unsigned 32-bit integer."""
    return _check_whole(name, value, 0, UINT32_MAX, f"give an integer from 0 to {UINT32_MAX}")


def check_interval(name: str, milliseconds: int) -> int:
    """Return an interval in milliseconds if it is a 32-bit integer and not negative."""
    return _check_whole(name, milliseconds, 0, INT32_MAX, f"give milliseconds from 0 to {INT32_MAX}")


def check_handle(name: str, value: int) -> int:
    """Return a handle if MXAccess can have assigned it: it numbers handles from 1, in 32 bits."""
    return _check_whole(name, value, 1, INT32_MAX, f"give a handle that the gateway returned, from 1 to {INT32_MAX}")


def check_user_id(name: str, value: int) -> int:
    """Return a user id if MXAccess can have assigned it: 0 means a user who is not authenticated."""
    return _check_whole(name, value, 1, INT32_MAX, "give the id that authenticate_user returned")


def check_sequence(value: int) -> int:
    """Return a worker sequence if it is an unsigned 64-bit integer."""
    hint = "give the worker_sequence of an event, or 0"
    return _check_whole("after_worker_sequence", value, 0, 2**64 - 1, hint)


def check_range(name: str, value: int, least: int, most: int) -> int:
    """Return a whole number if it is within a range."""
    return _check_whole(name, value, least, most, f"give a whole number from {least} to {most}")


def check_flag(name: str, value: bool) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        _refuse(f"{name} is {_shown(value)}", "give True or False")
    return value


def _check_whole(name: str, value: int, least: int, most: int, hint: str) -> int:
    """Return a whole number as an int. Types with `__index__`, such as numpy's integers, are accepted; bool is not."""
    try:
        number = operator.index(value)
    except TypeError:
        _refuse(f"{name} is {_shown(value)}", hint)
    if isinstance(value, bool) or not least <= number <= most:
        _refuse(f"{name} is {_shown(value)}", hint)
    return number


def check_text(name: str, value: str) -> str:
    """Return `value` if it is a str that can be sent: without NUL characters and lone surrogates."""
    if not _is_text(value):
        _refuse(f"{name} is {_shown(value)}", _TEXT_HINT)
    return value


def check_some_text(name: str, value: str) -> str:
    """Return `value` if it is a str that can be sent and is not empty."""
    if not check_text(name, value):
        _refuse(f"{name} is empty", "give a text, or None for no such condition")
    return value


def check_correlation_id(value: str) -> str:
    """Return a correlation id if it can be sent and is not too long; a new one if it is empty."""
    if len(check_text("correlation_id", value)) > _LONGEST_ID:
        _refuse(f"correlation_id is {_shown(value)}, of {len(value)} characters", f"give at most {_LONGEST_ID}")
    return value or new_correlation_id()


def new_correlation_id() -> str:
    """Return an id that is unique across processes."""
    return uuid.uuid4().hex


_LONGEST_ID: Final = 1_000
"""Characters of a correlation id: the gateway writes it to every log line of its call."""


def check_secret(name: str, value: Secret) -> Secret:
    """Return a secret if it can be sent; the error does not show it."""
    if not _is_text(value.reveal()):
        _refuse(f"{name} cannot be sent", _TEXT_HINT)
    return value


def check_time(name: str, value: datetime) -> datetime:
    """Return `value` if it is a datetime with a time zone."""
    try:
        is_aware = isinstance(value, datetime) and value.utcoffset() is not None
    except Exception:  # noqa: BLE001 - a foreign subclass, such as pandas' NaT, may raise anything
        is_aware = False
    if not is_aware:
        _refuse(f"{name} is {_shown(value)}", "give a datetime with a time zone")
    return value


def check_guid(name: str, value: uuid.UUID | str) -> str:
    """Return a GUID as text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    try:
        uuid.UUID(check_text(name, value))
    except ValueError:
        _refuse(f"{name} is {_shown(value)}", "give a GUID such as 01234567-89ab-cdef-0123-456789abcdef")
    return value


def check_callback(name: str, value: T) -> T:
    """Return `value` if it can be called, or is None."""
    if value is not None and not callable(value):
        _refuse(f"{name} is {_shown(value)}", "give a function, or None")
    return value


def check_message(name: str, value: M, message_type: type[M]) -> M:
    """Return `value` if it is a message of the given type."""
    if not isinstance(value, message_type):
        _refuse(f"{name} is {_shown(value)}", f"give a proto.{message_type.__name__}")
    return value


# -- lists


def check_handles(name: str, values: Iterable[int]) -> list[int]:
    """Return handles as a list if it is not empty, all are possible handles, and none occurs twice."""
    found = check_list(name, values)
    if set(map(type, found)) == {int} and min(found) >= 1 and max(found) <= INT32_MAX and len(set(found)) == len(found):
        return found
    handles = [check_handle(f"{name}[{index}]", value) for index, value in enumerate(found)]
    first: dict[int, int] = {}
    for index, handle in enumerate(handles):
        if (before := first.setdefault(handle, index)) != index:
            _refuse(f"{name}[{index}] is {handle}, the same as {name}[{before}]", "give each handle once")
    return handles


def check_list(name: str, values: Iterable[T]) -> list[T]:
    """Return the items of an iterable if it is not empty, and not a single text."""
    if isinstance(values, _TEXTS):
        _refuse(f"{name} is the single {type(values).__name__} {_shown(values)}", "give a list")
    try:
        iterator = iter(values)
    except TypeError:
        _refuse(f"{name} is {_shown(values)}", "give a list")
    found = list(iterator)
    if not found:
        _refuse(f"{name} is empty", "give one entry or more")
    return found


def check_mapping(name: str, values: Mapping[K, T], example: str = "{tag: value}") -> Mapping[K, T]:
    """Return `values` if it is a mapping and not empty."""
    if not isinstance(values, Mapping):
        _refuse(f"{name} is {_shown(values)}", f"give a mapping, such as {example}")
    if not values:
        _refuse(f"{name} is empty", "give one entry or more")
    return values


def check_each(name: str, values: T | Iterable[T], count: int, check: Callable[[str, T], T], single: type) -> list[T]:
    """Return one value for each of `count` entries, from one value for all of them or one for each.

    Args:
        name: Its name in error texts.
        values: A value of type `single`, or an iterable of them.
        count: How many entries there are.
        check: Returns a value, given its name and the value, or refuses it.
        single: The type of one value.
    """
    several: Any = values
    if isinstance(several, (single, *_TEXTS)) or not hasattr(several, "__iter__"):
        return [check(name, several)] * count
    found = check_column(name, several, count)
    return [check(f"{name}[{index}]", value) for index, value in enumerate(found)]


def check_column(name: str, values: Iterable[T], count: int) -> list[T]:
    """Return the values for `count` entries, if there is one for each and they have an order."""
    if isinstance(values, set | frozenset | Mapping):
        kind = "mapping, whose keys would be used" if isinstance(values, Mapping) else "set, which has no order"
        _refuse(f"{name} is a {kind}", "give a list in the order of the entries")
    found = check_list(name, values)
    if len(found) != count:
        _refuse(f"{name} has {len(found)} values for {count} entries", "give one for each")
    return found


_TEXTS: Final = (str, bytes, bytearray, memoryview)
_TEXT_HINT: Final = "give a str without NUL characters or lone surrogates"


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _shown(value: object) -> str:
    """Return a value's repr for an error text, truncated; never raises, whatever the repr does."""
    if isinstance(value, int) and not isinstance(value, bool):
        return shown_int(int(value))
    try:
        text = repr(value[:_SHOWN] if isinstance(value, str | bytes | bytearray) else value)
    except Exception:  # noqa: BLE001 - the repr of a bad value may raise anything
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN: Final = 100
"""Characters of a value that an error text shows."""


def _refuse(what: str, hint: str) -> NoReturn:
    raise MxGatewayInvalidRequestError(what, hint=f"{hint}; nothing was sent", phase="request")
