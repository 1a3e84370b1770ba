"""Redacts hpack's DEBUG logs of decoded headers: a gateway's headers may repeat a key or a password in any form."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


def _without_headers(record: logging.LogRecord) -> bool:
    """Pass every record on with its numbers, but without names, values and bytes: any of them may be a secret."""
    args = record.args if isinstance(record.args, tuple) else ()
    record.args = tuple(each if isinstance(each, int) else "..." for each in args)
    return True


def redact_headers() -> None:
    """Keep secrets out of hpack's logs in this process, whatever levels are set now or later. Idempotent."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_without_headers)
