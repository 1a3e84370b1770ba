"""Keeps API keys out of the logs: hpack logs every header that it decodes, the authorization entry included."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


class _NoHeaders(logging.Filter):
    """Drops what hpack says about headers: all of it is below WARNING."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_FILTER: Final = _NoHeaders()


def hide_headers() -> None:
    """Let hpack log no headers in this process, whatever levels are set now or later. May be called again."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
