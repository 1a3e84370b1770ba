"""The options that select objects of the galaxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

import mxgateway
from mxgateway_cli.help.sections import Decorator, option

if TYPE_CHECKING:
    from mxgateway_cli.terminal.stdout import Output

_LARGEST_PAGE: Final = 5_000
_GROUPS: Final = ("gobject_id", "tag_name", "contained_path")
_FILTERS: Final = ("category_ids", "template_chain_contains", "tag_name_glob", "alarm_bearing_only", "historized_only")

COUNT: Final = click.IntRange(min=0)
"""Ids, codes and depths; the library checks their maximum."""

FILTER_OPTIONS: Final[tuple[Decorator, ...]] = (
    option("--category-id", "category_ids", type=COUNT, metavar="N", multiple=True,
           help="Only objects of this category: 1 platform, 3 engine, 10 user-defined object, 13 area; if repeated, of any of them."),
    option("--template-chain-contains", metavar="TEXT", multiple=True,
           help="Only objects with this text in the name of one of their templates; if repeated, with any of the texts."),
    option("--tag-name-glob", metavar="GLOB",
           help="Only objects whose whole tag name matches this, ignoring case; * is any text, ? any character."),
    option("--alarm-bearing-only", is_flag=True, help="Only objects with an alarm attribute."),
    option("--historized-only", is_flag=True, help="Only objects with a historized attribute."),
    option("--attributes/--no-attributes", "include_attributes", default=None,
           help="Include the objects' attributes.  [default: only in JSON]"),
    option("--page-size", type=click.IntRange(1, _LARGEST_PAGE), metavar="N", default=500, show_default=True,
           help="Objects per call."),
)  # fmt: skip


def start_options(group: str, what: str) -> tuple[Decorator, ...]:
    """Return the options that name the object to start at, the ``root`` or the ``parent``; `what` is its role."""
    return (
        option(f"--{group}-gobject-id", type=COUNT, metavar="N", help=f"{what}, by its id; 0 is the top level."),
        option(f"--{group}-tag-name", metavar="NAME", help=f"{what}, by its tag name."),
        option(f"--{group}-contained-path", metavar="PATH", help=f"{what}, by contained names separated by /."),
    )


def take_options(group: str, params: dict[str, Any], output: Output) -> dict[str, Any]:
    """Take the start object and the filters out of a command's parameters, named as in the library's options.

    Raises:
        click.UsageError: More than one start object is named.
    """
    names = [f"{group}_{name}" for name in _GROUPS]
    given = {name: found for name in names if (found := params.pop(name)) is not None}
    if len(given) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{options} contradict each other: name one {group}.")
    filters = {name: params.pop(name) for name in _FILTERS}
    asked = params.pop("include_attributes")
    with_attributes = output.form in ("json", "jsonl") if asked is None else asked
    return given | filters | {"include_attributes": with_attributes}


def hierarchy_options(params: dict[str, Any], output: Output) -> mxgateway.HierarchyOptions:
    """Take the options of `galaxy-discover` out of its parameters.

    Raises:
        click.UsageError: Options contradict each other.
        MxGatewayInvalidRequestError: One of them cannot be sent.
    """
    max_depth = params.pop("max_depth")
    return mxgateway.HierarchyOptions(max_depth=max_depth, **take_options("root", params, output))


def browse_options(params: dict[str, Any], output: Output) -> mxgateway.BrowseOptions:
    """Take the options of `galaxy-browse` out of its parameters.

    Raises:
        click.UsageError: Options contradict each other.
        MxGatewayInvalidRequestError: One of them cannot be sent.
    """
    path = params.pop("path")
    if path is not None:
        if params["parent_contained_path"] is not None:
            raise click.UsageError("PATH and --parent-contained-path mean the same: give one of them.")
        params["parent_contained_path"] = path
    return mxgateway.BrowseOptions(**take_options("parent", params, output))
