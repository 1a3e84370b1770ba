"""Secrets that no repr, log or pickle shows.

A gateway key has the form ``mxgw_<key-id>_<secret>``. The id is not secret and helps to find the key in the gateway's
configuration, so it stays visible; the secret part is replaced in every text for people.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, NoReturn, Self

from mxgateway.errors.partial_bulk import text_schema
from mxgateway.errors.redaction import REDACTED, SHORTEST_SECRET
from mxgateway.errors.redaction import redact as redact


class Guarded:
    """What shows itself by `str` only, is never pickled, and is its own copy."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled: it would leave the process in clear text")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class Secret(Guarded):
    """A text that no repr, log line, traceback or pickle shows.

    Args:
        value: The text to hide. A value that is not a str is hidden as well, and refused where it is used.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the hidden text; call it where the text is sent, and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __str__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return (
            self._value == other._value if isinstance(other, Secret) and type(other) is type(self) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    __getstate__ = Guarded.__reduce__

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return text_schema(cls)


class SecretText(Guarded, str):
    """A secret text in a message to be sent; the encoder reads it, but no repr, str or format shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)

    def __str__(self) -> str:
        return REDACTED


def wrapped(value: Secret | str) -> Secret:
    """Return what was given as a secret, unless it is one."""
    return value if isinstance(value, Secret) else Secret(value)


def _text(value: object) -> tuple[str, str]:
    """Return the text of a secret, or an empty text and the name of its type if it is not a str."""
    held = value.reveal() if isinstance(value, Secret) else value
    return (held, "") if isinstance(held, str) else ("", type(held).__name__)


class ApiKey(Secret):
    """An MXAccess Gateway API key.

    Args:
        value: The key as the gateway issued it, ``mxgw_<key-id>_<secret>``, of 8 characters or more; surrounding white
            space (such as a key file's last newline) is dropped.

    Raises:
        TypeError: It is not a str.
        ValueError: The key is empty, too short to be hidden in a text that repeats it, or contains a character that is
            not allowed in an HTTP header. The text of the error does not show the key.
    """

    __slots__ = ()

    def __init__(self, value: str | ApiKey) -> None:
        self._value, wrong = _text(value)
        del value  # a traceback may show local variables
        if wrong:
            raise TypeError(f"the API key must be a str or an ApiKey, not {wrong}")
        self._value = self._value.strip()
        if defect := _defect(self._value):
            self._value = ""
            raise ValueError(f"{defect}; pass the key as the gateway issued it, mxgw_<key-id>_<secret>")

    @property
    def key_id(self) -> str:
        """The public part of the key; empty if the key does not have the gateway's form."""
        parts = self._value.split("_", 2)
        return parts[1] if len(parts) == 3 and parts[0].lower() == "mxgw" else ""

    def authorization(self) -> str:
        """Return the value of the ``authorization`` metadata entry."""
        return f"Bearer {self._value}"

    def __str__(self) -> str:
        return f"mxgw_{self.key_id}_{REDACTED}" if self.key_id else REDACTED


KeySource = Callable[[], ApiKey | str | Awaitable[ApiKey | str]]
"""Returns the API key to send, now or when awaited."""


class Unusable(NamedTuple):
    """Replaces a value that cannot be used as the secret; it says why, and contains nothing of the value."""

    defect: str
    hint: str = ""


def _defect(key: str) -> str:
    """Return what is wrong with a key, in words that do not show it; empty if nothing is."""
    if not key:
        return "the API key is empty"
    position = next((i for i, char in enumerate(key) if not "!" <= char <= "~"), None)
    if position is not None:
        return f"the API key has a character at position {position} that is not allowed in an HTTP header"
    if len(key) < SHORTEST_SECRET:
        return f"the API key has fewer than {SHORTEST_SECRET} characters"
    return ""
