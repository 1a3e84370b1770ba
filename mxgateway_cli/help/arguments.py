"""Arguments that stand among a command's own options in its help, whatever click's version makes of them."""

from __future__ import annotations

from typing import Any

import click

from mxgateway_cli.help.sections import Decorator


class DescribedArgument(click.Argument):
    """An argument with a line of its own in the help.

    Args:
        described: What it is.
    """

    section = ""

    def __init__(self, *args: Any, described: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._described = described

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the row of the help."""
        return self.metavar or self.name or "", self._described


def argument(name: str, described: str, *, metavar: str, **attributes: Any) -> Decorator:
    """Return an argument decorator like click's.

    Args:
        name: The parameter of the command's function.
        described: The line in the help.
        metavar: How usage and help show it.
        attributes: As click has them.
    """
    return click.argument(name, cls=DescribedArgument, described=described, metavar=metavar, **attributes)
