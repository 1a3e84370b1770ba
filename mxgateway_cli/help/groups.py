"""A group of commands with examples, such as ``mxgw-py profile``."""

from __future__ import annotations

import click

from mxgateway_cli.help.sections import CommandWithExamples
from mxgateway_cli.help.suggestions import unknown_command


class CommandGroup(CommandWithExamples, click.Group):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Reject an unknown name and suggest similar ones."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown_command(args[0], self.commands, ctx)
        return super().resolve_command(ctx, args)
