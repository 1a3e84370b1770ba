"""The library's loggers: each of their records is one clean line, whatever data it contains."""

from __future__ import annotations

import logging
from typing import Final

from mxgateway.errors.redaction import OPEN_GATE


class _OneLine(logging.Filter):
    """Stops records from forging log lines or sending escape sequences to a terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record on, rewritten as one clean line if needed."""
        text = record.getMessage()
        if (shown := OPEN_GATE.line(text)) != text:
            record.msg, record.args = shown, ()
        return True


_ONE_LINE: Final = _OneLine()


def logger(name: str) -> logging.Logger:
    """Return the logger of that name."""
    found = logging.getLogger(name)
    found.addFilter(_ONE_LINE)
    return found
