"""The text of the help pages: of commands and of topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from mxgateway_cli.help.sections import SectionedCommand, help_records
from mxgateway_cli.help.topics import Topic


class Page(NamedTuple):
    """A command, the words that call it, and its context."""

    words: tuple[str, ...]
    command: click.Command
    ctx: click.Context

    @property
    def examples(self) -> tuple[str, ...]:
        """The command's examples."""
        return getattr(self.command, "examples", ())


def all_pages(root: click.Context) -> Iterator[Page]:
    """Yield the page of each command, groups before the commands in them."""
    if isinstance(root.command, click.Group):
        for name in root.command.list_commands(root):
            page = command_page(root, name)
            if page is not None:
                yield page
                yield from all_pages(page.ctx)


def command_page(parent: click.Context, name: str) -> Page | None:
    """Return the page of a group's command; None if there is none."""
    group = parent.command
    command = group.get_command(parent, name) if isinstance(group, click.Group) else None
    if command is None:
        return None
    ctx = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    return Page((*ctx.command_path.split()[1:],), command, ctx)


def topic_text(ctx: click.Context, topic: Topic, options: Sequence[click.Parameter]) -> str:
    """Return the page of a topic, with the options that it describes; `ctx` is for its width."""
    formatter = ctx.make_formatter()
    formatter.write_text(topic.summary)
    for paragraph in topic.text.split("\n\n"):
        formatter.write_paragraph()
        if paragraph.startswith(" "):
            formatter.write(paragraph + "\n")
        else:
            formatter.write_text(paragraph)
    records = help_records(ctx, options)
    if records:
        with formatter.section("Options"):
            formatter.write_dl(records)
    return formatter.getvalue().rstrip("\n")


def own_records(page: Page) -> list[tuple[str, str]]:
    """Return the rows of the command's own options."""
    command = page.command
    shown = command.own_parameters(page.ctx) if isinstance(command, SectionedCommand) else command.get_params(page.ctx)
    return help_records(page.ctx, shown)
