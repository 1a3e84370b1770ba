"""Keeps API keys out of the logs: hpack logs every decoded header, including authorization."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


class _NoHeaders(logging.Filter):
    """Drops hpack's messages about headers: all of them are below WARNING."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_FILTER: Final = _NoHeaders()


def hide_headers() -> None:
    """Keep hpack from logging headers in this process, whatever levels are set now or later. Idempotent."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
