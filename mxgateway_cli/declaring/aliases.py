"""An option with several names that mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mxgateway_cli.help.sections import SectionOption


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
