"""Secret texts that code can use as a str, but that no repr, pickle or copy shows."""

from __future__ import annotations

from typing import Any, Final, NoReturn

REDACTED: Final = "***"


class HiddenText(str):
    """A key or a password: no repr, pickle or `dataclasses.asdict` shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: it would leave the process in clear text")

    def __deepcopy__(self, memo: Any) -> str:
        return REDACTED  # asdict copies fields with deepcopy
