"""The options that mean the same in every command that has them, each defined once."""

from __future__ import annotations

from typing import Final

import click

from mxgateway_cli.connecting.shared_options import Seconds
from mxgateway_cli.declaring.aliases import AliasedOption
from mxgateway_cli.help.sections import Decorator, option

TABLE: Final = "CSV whose first line names the columns, JSON Lines, or a JSON array"


def count(
    records: str, *aliases: str, default: int | None = None, least: int = 1, most: int | None = None, more: str = ""
) -> Decorator:
    """Return ``--count``.

    Args:
        records: What is counted.
        aliases: Other names of the option.
        default: Its default; None does not stop.
        least: The lowest number.
        most: The highest number.
        more: A sentence to add to the help.
    """
    return option(
        "--count", *aliases, "count", cls=AliasedOption, type=click.IntRange(min=least, max=most), metavar="N", default=default,
        show_default=default is not None, help=" ".join(filter(None, (f"Stop after this many {records}.", more))),
    )  # fmt: skip


def duration(default: float | None = None, *aliases: str, more: str = "") -> Decorator:
    """Return ``--duration``.

    Args:
        default: Its default; None does not stop.
        aliases: Other names of the option.
        more: A sentence to add to the help.
    """
    return option(
        "--duration", *aliases, "duration", cls=AliasedOption, type=Seconds(), metavar="SECONDS", default=default,
        show_default=default is not None, help=" ".join(filter(None, ("Stop after this time.", more))),
    )  # fmt: skip


def from_file(parameter: str, content: str) -> Decorator:
    """Return ``--from`` for the function's parameter; `content` is what the file holds."""
    return option(
        "--from", parameter, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="FILE", multiple=True,
        help=f"Read more of the same from this file, - is stdin: {content}. May be repeated.",
    )  # fmt: skip
