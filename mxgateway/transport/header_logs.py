"""hpack logs every header that it decodes, at DEBUG level; what a gateway says in one may repeat a key."""

from __future__ import annotations

import logging
from typing import Final

from mxgateway.credentials import redact

_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


class _Redacting(logging.Filter):
    """Passes every record on, without the secrets in its text."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_FILTER: Final = _Redacting()


def redact_headers() -> None:
    """Let hpack log no secret in this process, whatever levels are set now or later. May be called again."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
