"""hpack logs every header that it decodes, at DEBUG level; what a gateway says in one may repeat a key or a password of any form."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


class _WithoutHeaders(logging.Filter):
    """Passes every record on, with its numbers and without names, values and bytes: what is a secret in them is not known here."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(each if isinstance(each, int) else "..." for each in args)
        return True


_FILTER: Final = _WithoutHeaders()


def redact_headers() -> None:
    """Let hpack log no secret in this process, whatever levels are set now or later. May be called again."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
