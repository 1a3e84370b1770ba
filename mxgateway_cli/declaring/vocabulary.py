"""The options that mean the same in every command that has them, each defined once, also under several names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from mxgateway_cli.connecting.shared_options import Seconds
from mxgateway_cli.help.sections import Decorator, SectionOption, option

TABLE: Final = "CSV whose first line names the columns, JSON Lines, or a JSON array"


class AliasedOption(SectionOption):
    """An option with aliases. Two of its names with different values are refused."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser keep the value of each name by itself."""
        for name in self.opts:
            parser.add_option(obj=self, opts=[name], dest=self._place(name), action="store", nargs=self.nargs)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Return the value that the names given have in common.

        Raises:
            click.UsageError: They have different values.
        """
        given = {name: opts[self._place(name)] for name in self.opts if self._place(name) in opts}
        values = [self.type_cast_value(ctx, text) for text in given.values()]
        if any(value != values[0] for value in values):
            raise same_meaning(*given)
        found = {self.name: next(iter(given.values()))} if given else {}
        return super().handle_parse_result(ctx, {**opts, **found}, args)

    def _place(self, name: str) -> str:
        return f"{self.name} {name}"


def same_meaning(*names: str) -> click.UsageError:
    """Return the error for names that mean the same and have different values."""
    return click.UsageError(f"{' and '.join(names)} mean the same, and their values differ: give one of them.")


def count(
    records: str, *aliases: str, default: int | None = None, least: int = 1, most: int | None = None, more: str = ""
) -> Decorator:
    """Return ``--count`` of `records`, with its other names; without a default the command does not stop."""
    return option(
        "--count", *aliases, "count", cls=AliasedOption, type=click.IntRange(min=least, max=most), metavar="N", default=default,
        show_default=default is not None, help=" ".join(filter(None, (f"Stop after this many {records}.", more))),
    )  # fmt: skip


def duration(default: float | None = None, *aliases: str, more: str = "") -> Decorator:
    """Return ``--duration`` in seconds, with its other names; without a default the command does not stop."""
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
