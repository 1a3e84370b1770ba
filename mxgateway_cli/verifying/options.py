"""The options that `verify` and `wait` share: rows of a file, and how they are read."""

from __future__ import annotations

from typing import Final

import click

from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.rows import ROW_FORMATS

ROWS: Final[tuple[Decorator, ...]] = (
    option("--from", "sources", type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="FILE", multiple=True,
           help="Read rows from this file, - is stdin: CSV whose first line names the columns, JSON Lines, or a JSON array. "
                "Columns: tag, expected, tolerance, quality, comment."),
    option("--format", "source_format", type=click.Choice(ROW_FORMATS),
           help="Format of --from.  [default: by its suffix]"),
)  # fmt: skip
