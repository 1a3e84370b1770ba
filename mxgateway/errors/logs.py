"""The library's loggers: each of their records is one clean line, whatever data it contains."""

from __future__ import annotations

import logging

from mxgateway.errors.redaction import OPEN_GATE


def _in_one_line(record: logging.LogRecord) -> bool:
    """Pass every record on, as one clean line: none forges log lines or sends escape sequences to a terminal."""
    text = record.getMessage()
    if (shown := OPEN_GATE.line(text)) != text:
        record.msg, record.args = shown, ()
    return True


def logger(name: str) -> logging.Logger:
    """Return the logger of that name."""
    found = logging.getLogger(name)
    found.addFilter(_in_one_line)
    return found
