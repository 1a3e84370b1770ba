"""Secrets: held once, shown never.

A gateway key reads ``mxgw_<key-id>_<secret>``. The id is no secret and helps to find the key in the gateway's
configuration, so it stays visible; the secret part is replaced wherever text is made for people.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn, Self

from mxgateway.errors.redaction import REDACTED, SHORTEST_SECRET
from mxgateway.errors.redaction import redact as redact


class Secret:
    """A text that no repr, log line, traceback or pickle shows.

    Args:
        value: The text to hide. What is none is hidden as well, and refused where it is used.
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

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return (
            self._value == other._value if isinstance(other, Secret) and type(other) is type(self) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled: it would leave the process in clear text")

    __getstate__ = __reduce__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class SecretText(str):
    """A text in a message that is about to be sent; the encoder reads it, and no repr, str or format shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: it would leave the process in clear text")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def wrapped(value: Secret | str) -> Secret:
    """Return what was given as a secret, unless it is one."""
    return value if isinstance(value, Secret) else Secret(value)


def _text(value: object) -> tuple[str, str]:
    """Return the text of a secret, and the name of its type when it is none."""
    held = value.reveal() if isinstance(value, Secret) else value
    return (held, "") if isinstance(held, str) else ("", type(held).__name__)


class ApiKey(Secret):
    """An MXAccess Gateway API key.

    Args:
        value: The key as the gateway issued it, ``mxgw_<key-id>_<secret>``, of 8 characters or more; white space around it (a
            key file's last newline) is dropped.

    Raises:
        TypeError: It is no text.
        ValueError: The key is empty, too short to be hidden in a text that repeats it, or holds a character that cannot stand in
            an HTTP header. The text of the error does not show the key.
    """

    __slots__ = ()

    def __init__(self, value: str | ApiKey) -> None:
        self._value, wrong = _text(value)
        del value  # a traceback may show local variables
        if wrong:
            raise TypeError(f"the API key is a str or an ApiKey, not {wrong}")
        self._value = self._value.strip()
        if defect := _defect(self._value):
            self._value = ""
            raise ValueError(f"{defect}; pass the key as the gateway issued it, mxgw_<key-id>_<secret>")

    @property
    def key_id(self) -> str:
        """The public part of the key, empty when the key does not have the gateway's form."""
        parts = self._value.split("_", 2)
        return parts[1] if len(parts) == 3 and parts[0].lower() == "mxgw" else ""

    def authorization(self) -> str:
        """Return the value of the ``authorization`` metadata entry."""
        return f"Bearer {self._value}"

    def __str__(self) -> str:
        return f"mxgw_{self.key_id}_{REDACTED}" if self.key_id else REDACTED


class Unusable(NamedTuple):
    """Stands where something was given that cannot be the secret that is asked for; it says why, and holds nothing of it."""

    defect: str
    hint: str = ""


def _defect(key: str) -> str:
    """Return what is wrong with a key, in words that do not show it; empty when nothing is."""
    if not key:
        return "the API key is empty"
    position = next((i for i, char in enumerate(key) if not "!" <= char <= "~"), None)
    if position is not None:
        return f"the API key holds a character at position {position} that an HTTP header cannot carry"
    if len(key) < SHORTEST_SECRET:
        return f"the API key has fewer than {SHORTEST_SECRET} characters"
    return ""
