"""Wraps the secrets among option fields before anything can fail."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import ApiKey, KeySource, Secret, Unusable
from mxgateway.options.endpoints import HttpProxy

_Hidden = TypeVar("_Hidden")


def wrap_secrets(fields: dict[str, Any]) -> None:
    """Wrap keys and passwords among option fields before anything can fail: a traceback may show local variables.

    An unusable value is replaced by an `Unusable`, which the options refuse.
    """
    for name, wrap in _SECRET_FIELDS.items():
        if fields.get(name) is not None and not isinstance(fields[name], Unusable):
            fields[name] = wrap(fields.pop(name))


def wrapped_key(given: Any) -> ApiKey | Unusable:
    """Return a key as an `ApiKey`, or what is wrong with it."""
    try:
        return given if isinstance(given, ApiKey) else ApiKey(given)
    except (TypeError, ValueError) as error:
        return Unusable(str(error))


def _wrapped_key_or_source(given: Any) -> ApiKey | KeySource | Unusable:
    return given if callable(given) else wrapped_key(given)


def _wrapped_proxy(given: Any) -> HttpProxy | Unusable:
    if isinstance(given, HttpProxy):
        return Unusable(f"the proxy is unusable: {why}") if (why := given.defect) else given
    try:
        return HttpProxy.parse(given)
    except MxGatewayInvalidRequestError as error:
        return Unusable(error.message, error.hint)


def _wrapped_password(given: Any) -> Secret | Unusable:
    held = given.reveal() if isinstance(given, Secret) else given
    try:
        text = held.decode() if isinstance(held, bytes) else held
    except UnicodeDecodeError:
        return Unusable("client_key_password is not UTF-8 text")
    kind = type(text).__name__
    return Secret(text) if isinstance(text, str) else Unusable(f"client_key_password is of type {kind}", "give a str")


_SECRET_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "api_key": _wrapped_key_or_source,
    "proxy": _wrapped_proxy,
    "client_key_password": _wrapped_password,
}


def hide_arguments(cls: type[_Hidden]) -> type[_Hidden]:
    """Keep the arguments of `cls` out of the frames of an error's traceback: one of them is a secret."""
    generated = cls.__init__

    @functools.wraps(generated)
    def __init__(self: Any, **fields: Any) -> None:
        wrap_secrets(fields)
        try:
            generated(self, **fields)
        except Exception as error:  # noqa: BLE001 - it is raised again
            fields.clear()
            del self
            raise error.with_traceback(None) from None

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls
