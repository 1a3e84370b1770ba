"""Arguments that appear among a command's own options in its help, in every version of click."""

from __future__ import annotations

import re
from typing import Any

import click

from mxgateway_cli.help.sections import CheckedParameter, Decorator


class DescribedArgument(CheckedParameter, click.Argument):
    """An argument with its own line in the help."""

    def __init__(self, *args: Any, described: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._described = described

    def _shown_name(self) -> str:
        return re.sub(r"[\[\].]", "", self.metavar or "")

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the argument's row in the help."""
        return self.metavar or self.name or "", self._described


def argument(name: str, described: str, *, metavar: str, **attributes: Any) -> Decorator:
    """Return an argument decorator like click's; `described` is its line in the help."""
    return click.argument(name, cls=DescribedArgument, described=described, metavar=metavar, **attributes)
