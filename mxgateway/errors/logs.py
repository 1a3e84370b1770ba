"""The library's loggers: each of their records is one clean line, whatever it was made of."""

from __future__ import annotations

import logging
from typing import Final

from mxgateway.errors.redaction import OPEN_GATE


class _Lines(logging.Filter):
    """Lets no record forge a line, or reach a terminal as an escape."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record on; one that is no clean line becomes one."""
        text = record.getMessage()
        if (shown := OPEN_GATE.line(text)) != text:
            record.msg, record.args = shown, ()
        return True


_LINES: Final = _Lines()


def logger(name: str) -> logging.Logger:
    """Return the logger of that name."""
    found = logging.getLogger(name)
    found.addFilter(_LINES)
    return found
