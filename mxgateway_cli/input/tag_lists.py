"""A command's tags: named on the command line, or listed in a file."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final, cast

import click

from mxgateway.system.files import bounded, read_input, refusal_text
from mxgateway_cli.completing.tags import tag_words
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import Decorator, option
from mxgateway_cli.input.tag_globs import PATTERN_HINT

_STDIN: Final = "-"
_MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a list of tags; enough for more than a million."""


def _with_tags(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Read the tags before the command runs, so that a slow pipe does not block the event loop."""

    @functools.wraps(callback)
    def wrapper(*arguments: Any, **params: Any) -> Any:
        tags = [*params["tags"], *(tag for path in params.pop("tag_files") for tag in _listed(path))]
        return callback(*arguments, **(params | {"tags": tags}))

    return wrapper


def _with_some(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a command line without a tag."""

    @functools.wraps(callback)
    def wrapper(*arguments: Any, **params: Any) -> Any:
        if not params["tags"]:
            raise click.UsageError("Name a TAG, or a file with one tag per line with --from FILE.")
        return callback(*arguments, **params)

    return wrapper


OPTIONAL_TAG_OPTIONS: Final[tuple[Decorator, ...]] = (
    argument("tags", f"The tags: Object.Attribute, Attribute[] is a whole array; {PATTERN_HINT}", metavar="[TAG]...", nargs=-1, shell_complete=tag_words),
    option(
        "--from", "tag_files", metavar="FILE", multiple=True,
        help="Read more tags from this file, one per line; - is stdin. Empty lines and lines that start with # are ignored.",
    ),
    _with_tags,
)  # fmt: skip
"""Any number of tags; the command's function gets them as the list `tags`."""
TAG_OPTIONS: Final = (*OPTIONAL_TAG_OPTIONS, _with_some)
"""One or more tags; the command's function gets them as the list `tags`."""


def _listed(path: str) -> list[str]:
    what = "list of tags on stdin" if path == _STDIN else f"file of tags {path!r}"
    try:
        data = _from_stdin() if path == _STDIN else read_input(path, _MAX_BYTES)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"The {what} cannot be read: {refusal_text(error)}.") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"The {what} is not valid UTF-8.") from None
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _from_stdin() -> bytes:
    if sys.stdin is None:
        raise click.UsageError("There is no stdin to read tags from.")
    return bounded(cast("BinaryIO", sys.stdin.buffer), _MAX_BYTES)
