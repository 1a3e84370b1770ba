"""The API key: held once, shown never.

A gateway key reads ``mxgw_<key-id>_<secret>``. The id is no secret and helps to find the key in the gateway's
configuration, so it stays visible; the secret part is replaced wherever text is made for people.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn, Self

_KEY_IN_TEXT: Final = re.compile(r"(?i)(mxgw_[^_\s\"']+_)[^\s\"',;)\]}]+")
_BEARER_IN_TEXT: Final = re.compile(r"(?i)\b(bearer\s+)(?!mxgw_)[^\s\"',;)\]}]+")
_USER_IN_URL: Final = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)(?!user:password@)[^\s\"']{1,512}@"
)  # bounded: the text may be a peer's
_REDACTED: Final = "***"


def redact(text: str) -> str:
    """Return `text` with the secret part of every API key and bearer token, and user and password in a URL, replaced by ``***``."""
    for secret in (_KEY_IN_TEXT, _BEARER_IN_TEXT):
        text = secret.sub(rf"\1{_REDACTED}", text)
    return _USER_IN_URL.sub(rf"\1{_REDACTED}@", text)


class Secret:
    """A text that no repr, log line, traceback or pickle shows.

    Args:
        value: The text to hide.
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
        return _REDACTED

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

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class ApiKey(Secret):
    """An MXAccess Gateway API key.

    Args:
        value: The key as the gateway issued it, ``mxgw_<key-id>_<secret>``; white space around it (a key file's last
            newline) is dropped.

    Raises:
        ValueError: The key is empty or holds a character that cannot stand in an HTTP header. The text of the error
            does not show the key.
    """

    __slots__ = ()

    def __init__(self, value: str | ApiKey) -> None:
        super().__init__(value.reveal() if isinstance(value, ApiKey) else value.strip())
        del value  # a traceback may show local variables
        if defect := _defect(self._value):
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
        return f"mxgw_{self.key_id}_{_REDACTED}" if self.key_id else _REDACTED


def _defect(key: str) -> str:
    """Return what is wrong with a key, in words that do not show it; empty when nothing is."""
    if not key:
        return "the API key is empty"
    position = next((i for i, char in enumerate(key) if not "!" <= char <= "~"), None)
    if position is not None:
        return f"the API key holds a character at position {position} that an HTTP header cannot carry"
    return ""
