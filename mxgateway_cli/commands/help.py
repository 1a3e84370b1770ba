"""The `help` command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import click

import mxgateway
from mxgateway_cli.controlling.options import control_parameters
from mxgateway_cli.declaring.leading import shared_parameters
from mxgateway_cli.declaring.local_command import local_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.pages import command_page, topic_text
from mxgateway_cli.help.sections import CONNECTION_SECTION, CONTROL_SECTION, OUTPUT_SECTION, option, section_of
from mxgateway_cli.help.suggestions import unknown_command
from mxgateway_cli.help.topics import BY_NAME
from mxgateway_cli.running.app import App

_SECTIONS: Final = {"connection": CONNECTION_SECTION, "control": CONTROL_SECTION, "output": OUTPUT_SECTION}
"""The options that a topic describes."""


def _names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the commands and topics that start with `incomplete`, for shell completion."""
    if ctx.params.get("words"):
        return []
    root = ctx.find_root()
    known = [*root.command.list_commands(root), *BY_NAME] if isinstance(root.command, click.Group) else []
    return [name for name in known if name.startswith(incomplete)]


@local_command(
    "help",
    argument("words", "A command, or one of the topics that mxgw-py help lists.", metavar="[COMMAND|TOPIC]...", nargs=-1,
             shell_complete=_names),
    option("--man", metavar="DIR", type=click.Path(exists=True, file_okay=False),
           help="Write the manual pages into this directory: mxgw-py.1, and one for each command."),
    examples=("mxgw-py help connection", "mxgw-py help profile set", "mkdir -p man1 && mxgw-py help --man man1"),
    logs=False,
)  # fmt: skip
def help_command(app: App, words: tuple[str, ...], man: str | None) -> None:
    """Show the help of a command or of a topic.

    Without one it lists the commands and the topics.
    """
    ctx = click.get_current_context().find_root()
    if man is not None:
        if words:
            raise click.UsageError("--man writes the pages of all commands: it takes no command.")
        _write_manual(app, ctx, man)
        return
    app.output.text(_page(ctx, words))


def _page(root: click.Context, words: Sequence[str]) -> str:
    if len(words) == 1 and words[0] in BY_NAME:
        return topic_text(root, BY_NAME[words[0]], _described(words[0]))
    ctx = root
    if words and words[0] in BY_NAME:
        raise click.UsageError(f"{words[0]!r} is a topic: it takes no other word.")
    for word in words:
        found = command_page(ctx, word)
        if found is None:
            group = ctx.command
            known = group.list_commands(ctx) if isinstance(group, click.Group) else []
            raise unknown_command(word, [*known, *(BY_NAME if ctx is root else ())], ctx, "command or topic")
        ctx = found.ctx
    return ctx.get_help()


def _described(topic: str) -> list[click.Parameter]:
    """Return the options that a topic describes."""
    section = _SECTIONS.get(topic)
    return [each for each in (*shared_parameters(), *control_parameters()) if section_of(each) == section]


def _write_manual(app: App, root: click.Context, directory: str) -> None:
    from mxgateway.system.files import export, refusal_text
    from mxgateway_cli.help.manual import manual_pages

    options = {topic: _described(topic) for topic in _SECTIONS}
    names = []
    for name, text in manual_pages(root, mxgateway.__version__, options):
        path = os.path.join(directory, name)
        try:
            export(path, text.encode())
        except OSError as error:
            raise click.UsageError(f"The manual page {path!r} cannot be written: {refusal_text(error)}.") from None
        names.append(name)
    app.output.document({"operation": "help", "directory": directory, "pages": names}, value="directory")
