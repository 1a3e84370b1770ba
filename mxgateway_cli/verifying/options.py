"""The options that `verify` and `wait` share: rows of a file, and how they are read."""

from __future__ import annotations

from typing import Final

from mxgateway_cli.declaring.vocabulary import TABLE, from_file
from mxgateway_cli.help.sections import Decorator
from mxgateway_cli.input.rows import ROW_FORMAT

ROWS: Final[tuple[Decorator, ...]] = (
    from_file("sources", f"{TABLE}; columns tag, expected, tolerance, quality, comment"),
    ROW_FORMAT,
)  # fmt: skip
