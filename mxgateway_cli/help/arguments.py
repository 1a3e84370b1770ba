"""Arguments that appear among a command's own options in its help, in every version of click."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from mxgateway_cli.help.numbers import strict
from mxgateway_cli.help.sections import Decorator, refuse_empty


class DescribedArgument(click.Argument):
    """An argument with its own line in the help.

    Args:
        described: That line.
        may_be_empty: Whether an empty text is a value.
    """

    section = ""

    def __init__(self, *args: Any, described: str, may_be_empty: bool = False, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.type = strict(self.type)
        self._described = described
        self._may_be_empty = may_be_empty

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value and where it comes from.

        Raises:
            click.UsageError: It is empty.
        """
        value, source = super().consume_value(ctx, opts)
        if not self._may_be_empty:
            refuse_empty(ctx, re.sub(r"[\[\].]", "", self.metavar or ""), value, required=self.required)
        return value, source

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the argument's row in the help."""
        return self.metavar or self.name or "", self._described


def argument(name: str, described: str, *, metavar: str, **attributes: Any) -> Decorator:
    """Return an argument decorator like click's.

    Args:
        name: The parameter of the command's function.
        described: The line in the help.
        metavar: Its name in usage and help.
        attributes: Passed to click.
    """
    return click.argument(name, cls=DescribedArgument, described=described, metavar=metavar, **attributes)
