"""A command's tags: ``TAG...``, the same by ``--item`` and ``--items``, and more from files."""

from __future__ import annotations

import csv
import sys
from typing import Any, BinaryIO, Final, cast

import click

from mxgateway.system.files import bounded, read_input, refusal_text
from mxgateway_cli.completing.tags import tag_list_words, tag_words
from mxgateway_cli.declaring.vocabulary import TABLE, from_file, same_meaning
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import Decorator, changes_params, option
from mxgateway_cli.input.row_checks import Rejections, row_tag, size_limit
from mxgateway_cli.input.rows import BadRows, RowFormat, opened_rows, row_format_of, strict_json
from mxgateway_cli.input.tag_globs import PATTERN_HINT

TAG_FORM: Final = "Object.Attribute; Attribute[] is a whole array"
_SAME: Final = "The same as TAG."
ITEM: Final = option("--item", metavar="TAG", shell_complete=tag_words, help=_SAME)


def one_tag(described: str, *, required: bool = False) -> tuple[Decorator, ...]:
    """Return the arguments of a command with one tag, described in the help; its function gets it as `tag`."""

    def take_tag(params: dict[str, Any]) -> None:
        tag = merged_tag(params["tag"], params.pop("item"))
        params["tag"] = required_tag(tag) if required else tag

    return (
        argument("tag", described, metavar="[TAG]", required=False, shell_complete=tag_words),
        ITEM,
        changes_params(take_tag),
    )


def merged_tag(tag: str | None, item: str | None) -> str | None:
    """Return what ``TAG`` or ``--item`` names.

    Raises:
        click.UsageError: They name different tags.
    """
    if None not in (tag, item) and tag != item:
        raise same_meaning("TAG", "--item")
    return item if tag is None else tag


def required_tag(tag: str | None) -> str:
    """Return the tag of a command that needs one.

    Raises:
        click.UsageError: It is missing.
    """
    if tag is None:
        raise click.UsageError("Missing argument 'TAG'.")
    return tag


def many_tags(described: str) -> tuple[Decorator, ...]:
    """Return the arguments of a command with any number of tags; its function gets them as the tuple `tags`."""
    return (
        argument("tags", described, metavar="[TAG]...", nargs=-1, shell_complete=tag_words),
        option("--item", "item", metavar="TAG", multiple=True, shell_complete=tag_words, help=_SAME),
        option("--items", metavar="TAG,TAG,...", shell_complete=tag_list_words,
               help="The same as [TAG]..., as a line of CSV or a JSON array."),
        changes_params(_take_tags),
    )  # fmt: skip


def _take_tags(params: dict[str, Any]) -> None:
    item, items = params.pop("item"), params.pop("items")
    listed = () if items is None else tuple(_tag(each) for each in listed_values("--items", items))
    given = {name: tags for name, tags in (("TAG", params["tags"]), ("--item", item), ("--items", listed)) if tags}
    if len(set(given.values())) > 1:
        raise same_meaning(*given)
    params["tags"] = next(iter(given.values()), ())


def _tag(element: Any) -> str:
    if not isinstance(element, str):
        raise BadRows(f"--items has the element {element!r:.80}, which is not a string")
    if not element.strip():
        raise BadRows("--items has an empty element")
    return element.strip()


def listed_values(name: str, text: str) -> list[Any]:
    """Return the elements of an option's value that is written as a line of CSV or as a JSON array.

    Raises:
        BadRows: It is empty, or neither.
    """
    if not text.strip():
        raise BadRows(f"{name} is empty; give at least one entry")
    try:
        if not text.lstrip().startswith("["):
            return next(csv.reader([text], strict=True))
        found = strict_json(text)
    except (csv.Error, ValueError) as error:
        raise BadRows(f"{name} is not a list: {error}") from None
    if not found:
        raise BadRows(f"{name} is empty; give at least one entry")
    return cast("list[Any]", found)


# --------------------------------------------------------------------------------------------------------------------
# Tags of files

_STDIN: Final = "-"
_MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a list of tags; enough for more than a million."""


def tag_options(described: str, *, required: bool = True) -> tuple[Decorator, ...]:
    """Return the options of a command whose function gets its tags as the list `tags`; `required` refuses an empty one."""

    def take_listed(params: dict[str, Any]) -> None:
        """Read the tags before the command runs, so that a slow pipe does not block the event loop."""
        params["tags"] = [*params["tags"], *(tag for path in params.pop("tag_files") for tag in _listed(path))]
        if required and not params["tags"]:
            raise click.UsageError("Name a TAG, or a file with one tag per line with --from FILE.")

    return *many_tags(described), _LISTED, changes_params(take_listed)


_LISTED: Final = from_file(
    "tag_files", f"one tag on a line, # begins a comment; or, by its suffix, {TABLE}, with a column tag"
)
TAG_OPTIONS: Final = tag_options(f"The tags: {TAG_FORM}; {PATTERN_HINT}")


def _listed(path: str) -> list[str]:
    form = row_format_of(path)
    return _lines(path) if form is None else _column(path, form)


def _column(path: str, form: RowFormat) -> list[str]:
    """Return the column ``tag`` of a table."""
    tags, limit = list[str](), size_limit()
    with opened_rows(path, form) as rows:
        Rejections(path, form).use(rows, lambda row: tags.append(row_tag(row.fields, limit)))
    return tags


def _lines(path: str) -> list[str]:
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
