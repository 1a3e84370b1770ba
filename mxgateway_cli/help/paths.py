"""Files that a command writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Base = click.ParamType[str]
else:  # generic only since click 8.4
    _Base = click.ParamType


class NewFile(_Base):
    """A file to write; where it cannot be, the command line is refused before anything is sent."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the file's path.

        Raises:
            click.BadParameter: Its directory does not exist, or there is something else than a regular file.
        """
        path = str(value)
        folder = os.path.dirname(path) or os.curdir
        if not os.path.isdir(folder):
            self.fail(f"there is no directory {folder!r}.", param, ctx)
        if os.path.exists(path) and not os.path.isfile(path):
            self.fail(f"{path!r} is not a regular file.", param, ctx)
        return path

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete files."""
        return [click.shell_completion.CompletionItem(incomplete, "file")]
