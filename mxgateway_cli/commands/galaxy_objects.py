"""The commands that show the objects of the galaxy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

import mxgateway
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.galaxy_options import COUNT, FILTER_OPTIONS, browse_options, hierarchy_options, start_options
from mxgateway_cli.output.galaxy import Guides, ObjectWriter, TreeWriter
from mxgateway_cli.terminal.count_progress import count_progress

if TYPE_CHECKING:
    from mxgateway import HierarchyOptions, HierarchyPages, LazyBrowseNode
    from mxgateway.proto import GalaxyObject

_Sibling = TypeVar("_Sibling")

_DEEPEST: Final = 200
"""Objects that one is drawn below; a galaxy has some ten. A line is as long as its object lies deep, and a gateway may list a chain of a million."""
_REMEDY: Final = "give --on-redeploy restart to begin again by itself"


@gateway_command(
    "galaxy-discover",
    *start_options("root", "Start at this object, which is shown as well"),
    option("--max-depth", type=COUNT, metavar="N", help="Levels below the start; 0 is the start alone.  [default: all]"),
    *FILTER_OPTIONS,
    option("--tree", is_flag=True, help="Show a tree, drawn when all objects have come; it is held in memory."),
    option("--on-redeploy", type=click.Choice(("raise", "restart")), default="raise", show_default=True,
           help="When the galaxy is deployed between two pages: fail, or begin again with the first object."),
)  # fmt: skip
async def discover(call: Call, tree: bool, page_size: int, on_redeploy: Any, **params: Any) -> None:
    """Show the objects of the galaxy.

    They are written as they come, a page at a time, parents before their children; -o jsonl holds no more than a page. With
    --attributes the tree has them as leaves, and -o value is the list of their references.
    """
    if tree and call.output.form != "table":
        raise click.UsageError(
            f"--tree and -o {call.output.form} contradict each other: the objects tell their parents."
        )
    writer = ObjectWriter(call.output, references=params["include_attributes"] is True)
    options = hierarchy_options(params, call.output)
    paging = {"page_size": page_size, "on_redeploy": on_redeploy}
    if tree:
        await _draw(call, options, paging)
    else:
        await _list(call, options, paging, writer)


async def _list(call: Call, options: HierarchyOptions, paging: dict[str, Any], writer: ObjectWriter) -> None:
    writer.start()
    results_come_there = call.output.form != "json" and sys.stdout.isatty()
    with count_progress("galaxy-discover", shown=not results_come_there) as advance:

        def take(obj: GalaxyObject, pages: HierarchyPages) -> None:
            if call.output.form == "json":  # one document, whose texts are kept until the end
                pages.check_kept()
            writer.add(obj)
            advance(writer.count, pages.total_count)

        restarts = await _each(call, options, paging, take, writer.restart)
    writer.finish(operation="galaxy-discover", restarts=restarts, correlationId=call.correlation_id)


async def _draw(call: Call, options: HierarchyOptions, paging: dict[str, Any]) -> None:
    objects: list[GalaxyObject] = []
    with count_progress("galaxy-discover", shown=True) as advance:

        def take(obj: GalaxyObject, pages: HierarchyPages) -> None:
            pages.check_kept()
            objects.append(obj)
            advance(len(objects), pages.total_count)

        await _each(call, options, paging, take, lambda _: objects.clear())
    tree, writer = mxgateway.GalaxyTree(objects), TreeWriter(call.output)
    waiting: list[tuple[GalaxyObject, Guides]] = [(root, ()) for root in reversed(tree.roots)]
    shown = 0
    while waiting:
        obj, guides = waiting.pop()
        children = tree.children(obj)
        writer.write(obj, guides, is_leaf=not children)
        shown += 1
        if len(guides) < _DEEPEST:
            waiting += [(child, (*guides, is_last)) for child, is_last in reversed([*_marked(children)])]
    if shown < len(tree):
        why = f"the gateway says that they contain each other, or lie below {_DEEPEST} others"
        call.app.warn(f"{len(tree) - shown} objects are not shown: {why}")


async def _each(
    call: Call,
    options: HierarchyOptions,
    paging: dict[str, Any],
    take: Callable[[GalaxyObject, HierarchyPages], None],
    restart: Callable[[int], None],
) -> int:
    """Hand over every object as it comes, and tell when they come again from the first; return how often they did."""
    restarts = 0
    async with call.client() as client:
        try:
            async with client.galaxy.iter_hierarchy(options, correlation_id=call.correlation_id, **paging) as pages:
                async for obj in pages:
                    if pages.restarts != restarts:
                        restarts = pages.restarts
                        call.app.warn("the galaxy was deployed meanwhile: its objects come again from the first")
                        restart(restarts)
                    take(obj, pages)
        except mxgateway.MxGatewayRedeployError as error:
            error.hint = _REMEDY
            raise
    return restarts


@gateway_command(
    "galaxy-browse",
    argument("path", "The object below which to look, by contained names joined with /.", metavar="[PATH]", required=False),
    *start_options("parent", "The object below which to look"),
    option("--depth", type=click.IntRange(1, _DEEPEST), metavar="N", default=1, show_default=True, help="Levels to show."),
    *FILTER_OPTIONS,
)  # fmt: skip
async def browse(call: Call, depth: int, page_size: int, **params: Any) -> None:
    """Show what is directly below an object of the galaxy.

    Without an object it is the top level. Each level is asked for only where it is shown. An object that is filtered out hides what
    is below it; galaxy-discover looks everywhere.
    """
    writer = ObjectWriter(call.output, references=params["include_attributes"] is True)
    options = browse_options(params, call.output)
    async with call.client() as client:
        nodes = await client.galaxy.browse(options, page_size=page_size, correlation_id=call.correlation_id)
        await _unfold(nodes, depth, _node_writer(call, writer))
    writer.finish(operation="galaxy-browse", correlationId=call.correlation_id)


def _node_writer(call: Call, writer: ObjectWriter) -> Callable[[LazyBrowseNode, Guides], None]:
    """Return what writes one object that was browsed; what has more below it than is shown says so."""
    tree = TreeWriter(call.output)

    def write(node: LazyBrowseNode, guides: Guides) -> None:
        if call.output.form == "table":
            hides = node.has_children_hint and not node.is_expanded
            tree.write(node.object, guides, is_leaf=not node.children, has_more=hides)
            return
        record = {"path": node.path, "level": len(guides) + 1, "hasChildren": node.has_children_hint}
        writer.add_record(record | {"object": mxgateway.to_json_dict(node.object)}, node.object)

    return write


async def _unfold(nodes: Sequence[LazyBrowseNode], depth: int, write: Callable[[LazyBrowseNode, Guides], None]) -> None:
    """Write nodes and what is below them, each expanded just before it is written, so that what is there is seen at once."""
    waiting: list[tuple[LazyBrowseNode, Guides]] = [(node, ()) for node in reversed(nodes)]
    while waiting:
        node, guides = waiting.pop()
        children: Sequence[LazyBrowseNode] = ()
        if node.has_children_hint and len(guides) + 1 < depth:
            children = await node.expand()
        write(node, guides)
        waiting += [(child, (*guides, is_last)) for child, is_last in reversed([*_marked(children)])]


def _marked(siblings: Sequence[_Sibling]) -> Iterator[tuple[_Sibling, bool]]:
    """Yield siblings, each with whether it is the last one."""
    last = len(siblings) - 1
    for index, sibling in enumerate(siblings):
        yield sibling, index == last
