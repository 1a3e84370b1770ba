"""Checks of option values that several options share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Final

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import Unusable

_METADATA_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_RESERVED_METADATA: Final = frozenset(
    {
        "authorization", "te", "content-type", "content-length", "user-agent", "host",
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",  # RFC 9113, section 8.2.2
    }
)  # fmt: skip


def check_timeout(name: str, value: float | None) -> None:
    """Refuse a timeout that is not a positive number of seconds; None and infinity mean no timeout."""
    if value is not None and not (is_number(value) and value > 0):
        raise refused(f"{name} is {value!r:.100}", "give a positive number of seconds, or None for no timeout")


def check_positive(name: str, value: float) -> None:
    """Refuse what is not a positive number of seconds."""
    if not (is_number(value) and value > 0):
        raise refused(f"{name} is {value!r:.100}", "give a positive number of seconds")


def is_number(value: object) -> bool:
    """Return whether a value is a real number, of numpy as well; True and False are none, nor is numpy's timedelta64, nor
    a number that no float can hold."""
    if isinstance(value, float):
        return True
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return getattr(getattr(value, "dtype", None), "kind", "") != "m"


def check_metadata(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield `pairs`, refusing names and values that HTTP/2 or gRPC reserves or cannot carry.

    Binary metadata (names that end in ``-bin``) is given as base64 text without padding, as it is sent.
    """
    for pair in pairs if isinstance(pairs, Iterable) else (pairs,):
        is_pair = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
        if not (is_pair and all(isinstance(each, str) for each in pair)):
            raise refused("metadata is not a list of pairs of str", "give (name, value) pairs")
        name, value = pair
        if not _METADATA_NAME.fullmatch(name):
            raise refused(f"the metadata name {name!r} is not a lower-case header name", "use a-z, 0-9, '-', '_', '.'")
        if name in _RESERVED_METADATA or name.startswith("grpc-"):
            raise refused(f"the metadata name {name!r} is reserved", "drop it; the API key has its own option")
        if not all(" " <= char <= "~" for char in value):
            raise refused(f"the metadata value of {name!r} is not printable ASCII", "encode it, for example as base64")
        if value != value.strip():
            raise refused(
                f"the metadata value of {name!r} begins or ends with a space", "HTTP/2 does not allow one there"
            )
        yield name, value


def check_switch(name: str, value: object) -> None:
    """Refuse what only looks like a boolean: the text ``"false"`` is true, and an empty one would turn a check off."""
    if not isinstance(value, bool):
        raise refused(f"{name} is {value!r:.100}", "give True or False")


def check_file(name: str, value: object) -> None:
    """Refuse what names no file, such as an empty text: an option that was meant to be set must not be ignored."""
    if value is None:
        return
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise refused(f"{name} is {value!r:.100}", "name a file, as a str or a path, or leave the option out")
    if not path.strip():
        raise refused(f"{name} is empty", "name a file, or leave the option out")


def is_whole(value: object, *, below: float = math.inf) -> bool:
    """Return whether a value is an int from 1 up to, but not including, `below`."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < below


def refuse_unusable(given: object) -> None:
    """Refuse what replaced a secret that cannot be used."""
    if isinstance(given, Unusable):
        raise refused(given.defect, given.hint)


def require(options: object, name: str, is_valid: bool, remedy: str) -> None:
    """Refuse the value of the option `name`, unless it is valid."""
    if not is_valid:
        raise refused(f"{name} is {getattr(options, name)!r:.100}", remedy)


def refused(what: str, remedy: str) -> MxGatewayInvalidRequestError:
    """Return the error for an option that is refused."""
    return MxGatewayInvalidRequestError(what, hint=remedy, phase="request")
