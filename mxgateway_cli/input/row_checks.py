"""What all commands check in the rows of a file: the errors are collected, and reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import mxgateway
from mxgateway_cli.input.rows import BadRows, Row, RowFormat, has_surrogate, row_place

_SHOWN_ERRORS: Final = 10
_FRAME_BYTES: Final = 2_048
"""An upper limit for the rest of a request with one entry, besides its tag or value."""


class InvalidRow(Exception):
    """An error in one row."""


class Rejections:
    """Checks the rows of a file or a command line: counts them, and keeps the first ten errors.

    Args:
        name: The file's name for messages; empty for a command line.
        form: The format of the file; None for a command line.
    """

    def __init__(self, name: str, form: RowFormat | None) -> None:
        self._name = name
        self._form = form
        self._rows = 0
        self._bad = 0
        self._errors: list[str] = []

    def use(self, rows: Iterable[Row], take: Callable[[Row], None]) -> None:
        """Call `take` with each row, which may raise what is wrong with it; then raise if there was an error.

        Raises:
            BadRows: A row was invalid, or there was none.
        """
        for row in rows:
            self._rows += 1
            try:
                if row.error:
                    raise InvalidRow(row.error)
                take(row)
            except InvalidRow as error:
                self._reject(row.number, str(error))
            except mxgateway.MxGatewayInvalidRequestError as error:
                self._reject(row.number, error.message)
        self._check()

    def _reject(self, number: int, text: str) -> None:
        self._bad += 1
        if len(self._errors) < _SHOWN_ERRORS:
            self._errors.append(f"{row_place(self._name, self._form, number)}: {text}")

    def _check(self) -> None:
        if self._bad:
            more = f"; and {self._bad - len(self._errors)} more" if self._bad > len(self._errors) else ""
            count = f"{self._bad} of {self._rows} entries are invalid: " if self._bad > 1 else ""
            raise BadRows(f"{count}{'; '.join(self._errors)}{more}")
        if not self._rows:
            raise BadRows(f"{self._name or 'the command line'} has no entries; give at least one")


def size_limit() -> int:
    """Return how many bytes a tag or a value may have."""
    return mxgateway.ClientOptions().max_send_bytes - _FRAME_BYTES


def row_tag(fields: dict[str, Any], limit: int) -> str:
    """Return the tag of a row; it has at most `limit` bytes.

    Raises:
        InvalidRow: There is none, or it cannot be sent.
    """
    tag = fields.get("tag")
    if not isinstance(tag, str):
        raise InvalidRow(f"tag is {tag!r:.80}, not a string" if "tag" in fields else "tag is missing")
    return checked_tag(tag.strip(), limit)


def checked_tag(tag: str, limit: int) -> str:
    """Return a tag that can be sent.

    Raises:
        InvalidRow: It cannot.
    """
    if not tag:
        raise InvalidRow("tag is empty")
    if "\0" in tag or has_surrogate(tag):
        raise InvalidRow(f"tag is {tag!r:.80}; NUL characters and lone surrogates cannot be sent")
    if len(tag.encode()) > limit:
        raise InvalidRow(f"tag has {len(tag.encode())} bytes, which exceeds the message limit")
    return tag
