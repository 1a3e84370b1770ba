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
from mxgateway_cli.terminal import capabilities

if TYPE_CHECKING:
    from mxgateway import HierarchyOptions, HierarchyPages, LazyBrowseNode
    from mxgateway.proto import GalaxyObject

_Sibling = TypeVar("_Sibling")

_MAX_DEPTH: Final = 200
"""Levels of a tree to draw; a galaxy has about ten.

Lines grow with the depth, and a hostile gateway may list a chain of a million.
"""
_NONE: Final = "No objects match."
_RESTART_HINT: Final = "--on-redeploy restart restarts the listing automatically"


@gateway_command(
    "galaxy-discover",
    *start_options("root", "Start at this object, which is shown as well"),
    option("--max-depth", type=COUNT, metavar="N", help="Levels below the start; 0 is the start alone.  [default: all]"),
    *FILTER_OPTIONS,
    option("--tree", is_flag=True, help="Show a tree once all objects have arrived; it is held in memory."),
    option("--on-redeploy", type=click.Choice(("raise", "restart")), default="raise", show_default=True,
           help="If the galaxy is deployed between two pages: fail, or restart with the first object."),
    examples=(
        "mxgw-py galaxy-discover --tree",
        "mxgw-py galaxy-discover --tag-name-glob 'Tank*' --attributes -o value",
        "mxgw-py galaxy-discover --alarm-bearing-only -o jsonl",
    ),
)  # fmt: skip
async def discover(call: Call, tree: bool, page_size: int, on_redeploy: Any, **params: Any) -> None:
    """Show the objects of the galaxy.

    They are written page by page as they arrive, parents before children; -o jsonl holds at most one page in memory.
    With --attributes, --tree shows attributes as leaves and -o value lists their references.
    """
    if tree and call.output.form != "table":
        raise click.UsageError(
            f"--tree and -o {call.output.form} contradict each other: each object already names its parent."
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
    results_on_terminal = call.output.form != "json" and capabilities.is_terminal(sys.stdout)
    with call.app.progress.count("galaxy-discover", beside_results=results_on_terminal) as advance:

        def take(obj: GalaxyObject, pages: HierarchyPages) -> None:
            if call.output.form == "json":  # one document, held in memory until the end
                pages.check_kept()
            writer.add(obj)
            advance(writer.count, pages.total_count)

        restarts = await _list_objects(call, options, paging, take, writer.restart)
    if not writer.count:
        call.output.nothing(_NONE)
    writer.finish(operation="galaxy-discover", restarts=restarts, correlationId=call.correlation_id)


async def _draw(call: Call, options: HierarchyOptions, paging: dict[str, Any]) -> None:
    objects: list[GalaxyObject] = []
    with call.app.progress.count("galaxy-discover") as advance:

        def take(obj: GalaxyObject, pages: HierarchyPages) -> None:
            pages.check_kept()
            objects.append(obj)
            advance(len(objects), pages.total_count)

        await _list_objects(call, options, paging, take, lambda _: objects.clear())
    if not objects:
        call.output.nothing(_NONE)
    tree, writer = mxgateway.GalaxyTree(objects), TreeWriter(call.output)
    pending: list[tuple[GalaxyObject, Guides]] = [(root, ()) for root in reversed(tree.roots)]
    shown = 0
    while pending:
        obj, guides = pending.pop()
        children = tree.children(obj)
        writer.write(obj, guides, is_leaf=not children)
        shown += 1
        if len(guides) < _MAX_DEPTH:
            pending += [(child, (*guides, is_last)) for child, is_last in reversed([*_with_is_last(children)])]
    if shown < len(tree):
        why = f"they contain each other, or are nested deeper than {_MAX_DEPTH} levels"
        call.app.warn(f"{len(tree) - shown} objects are not shown: according to the gateway {why}")


async def _list_objects(
    call: Call,
    options: HierarchyOptions,
    paging: dict[str, Any],
    take: Callable[[GalaxyObject, HierarchyPages], None],
    restart: Callable[[int], None],
) -> int:
    """Call `take` with each object as it arrives, and `restart` when the listing restarts; return the restarts."""
    restarts = 0
    async with call.client() as client:
        try:
            async with client.galaxy.iter_hierarchy(options, correlation_id=call.correlation_id, **paging) as pages:
                async for obj in pages:
                    if pages.restarts != restarts:
                        restarts = pages.restarts
                        call.app.warn("the galaxy was deployed meanwhile: restarting with the first object")
                        restart(restarts)
                    take(obj, pages)
        except mxgateway.MxGatewayRedeployError as error:
            error.hint = _RESTART_HINT
            raise
    return restarts


@gateway_command(
    "galaxy-browse",
    argument("path", "The parent object, by contained names separated by /.", metavar="[PATH]", required=False),
    *start_options("parent", "The parent object"),
    option("--depth", type=click.IntRange(1, _MAX_DEPTH), metavar="N", default=1, show_default=True, help="Levels to show."),
    *FILTER_OPTIONS,
    examples=(
        "mxgw-py galaxy-browse",
        "mxgw-py galaxy-browse Area1/TestMachine_001 --depth 2 --attributes",
        "mxgw-py galaxy-browse --parent-tag-name Area1 -o jsonl",
    ),
)  # fmt: skip
async def browse(call: Call, depth: int, page_size: int, **params: Any) -> None:
    """Show the objects directly below an object of the galaxy.

    Without a parent it shows the top level. Only the levels shown are requested. An object that is filtered out hides
    the objects below it; galaxy-discover searches all levels.
    """
    writer = ObjectWriter(call.output, references=params["include_attributes"] is True)
    options = browse_options(params, call.output)
    async with call.client() as client:
        nodes = await client.galaxy.browse(options, page_size=page_size, correlation_id=call.correlation_id)
        await _write_nodes(nodes, depth, _node_writer(call, writer))
    if not nodes:
        call.output.nothing(_NONE)
    writer.finish(operation="galaxy-browse", correlationId=call.correlation_id)


def _node_writer(call: Call, writer: ObjectWriter) -> Callable[[LazyBrowseNode, Guides], None]:
    """Return a function that writes one browsed object, and marks it if objects below it are not shown."""
    tree = TreeWriter(call.output)

    def write(node: LazyBrowseNode, guides: Guides) -> None:
        if call.output.form == "table":
            has_more = node.has_children_hint and not node.is_expanded
            tree.write(node.object, guides, is_leaf=not node.children, has_more=has_more)
            return
        record = {"path": node.path, "level": len(guides) + 1, "hasChildren": node.has_children_hint}
        writer.add_record(record | {"object": mxgateway.to_json_dict(node.object)}, node.object)

    return write


async def _write_nodes(
    nodes: Sequence[LazyBrowseNode], depth: int, write: Callable[[LazyBrowseNode, Guides], None]
) -> None:
    """Write nodes and their descendants; each is expanded just before it is written, so that output appears at once."""
    pending: list[tuple[LazyBrowseNode, Guides]] = [(node, ()) for node in reversed(nodes)]
    while pending:
        node, guides = pending.pop()
        children: Sequence[LazyBrowseNode] = ()
        if node.has_children_hint and len(guides) + 1 < depth:
            children = await node.expand()
        write(node, guides)
        pending += [(child, (*guides, is_last)) for child, is_last in reversed([*_with_is_last(children)])]


def _with_is_last(siblings: Sequence[_Sibling]) -> Iterator[tuple[_Sibling, bool]]:
    """Yield each sibling, and whether it is the last one."""
    last = len(siblings) - 1
    for index, sibling in enumerate(siblings):
        yield sibling, index == last
