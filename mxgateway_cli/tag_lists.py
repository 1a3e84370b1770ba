"""The tags that a command works on: named on the command line, or listed in a file."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from mxgateway_cli.arguments import argument
from mxgateway_cli.sections import Decorator, option
from mxgateway_cli.tag_globs import PATTERN_HINT

_STDIN: Final = "-"


def _taking_tags(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Replace what the options say by the tags, before the command runs: a slow pipe then holds up no event loop."""

    @functools.wraps(callback)
    def taken(*arguments: Any, **params: Any) -> Any:
        tags = [*params["tags"], *(tag for path in params.pop("tag_files") for tag in _listed(path))]
        if not tags:
            raise click.UsageError("Name a tag, TAG, or a file with one tag in each line, --from FILE.")
        return callback(*arguments, **(params | {"tags": tags}))

    return taken


TAG_OPTIONS: Final[tuple[Decorator, ...]] = (
    argument("tags", f"The tags: Object.Attribute, Attribute[] is a whole array; {PATTERN_HINT}", metavar="[TAG]...", nargs=-1),
    option(
        "--from", "tag_files", metavar="FILE", multiple=True,
        help="Take further tags from this file, one in each line; - is stdin. Empty lines and lines that begin with # do not count.",
    ),
    _taking_tags,
)  # fmt: skip
"""One tag or more: the command's function is called with them as the list `tags`."""


def _listed(path: str) -> list[str]:
    text = _from_stdin() if path == _STDIN else _from_file(path)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise click.UsageError(f"The file of tags {path!r} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"The file of tags {path!r} is no UTF-8 text.") from None


def _from_stdin() -> str:
    if sys.stdin is None:
        raise click.UsageError("There is no stdin to take tags from.")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError("The tags on stdin are no UTF-8 text.") from None
