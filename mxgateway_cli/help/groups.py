"""A group of commands with examples, such as ``mxgw-py profile``."""

from __future__ import annotations

from typing import Any

import click

from mxgateway_cli.help.sections import Examples, write_examples
from mxgateway_cli.help.suggestions import unknown_command, unknown_option


class CommandGroup(click.Group):
    """A group of commands.

    Args:
        examples: Its examples.
    """

    def __init__(self, *args: Any, examples: Examples = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command; suggest what a wrong one may mean."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise unknown_option(error, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Reject an unknown name and suggest similar ones."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown_command(args[0], self.commands, ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)
