"""The commands for the galaxy: its database, its deployments, its objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

import mxgateway
from mxgateway_cli.connecting.shared_options import whole_timeout
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.arguments import argument
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.galaxy_options import COUNT, FILTER_OPTIONS, browse_options, hierarchy_options, start_options
from mxgateway_cli.input.typed_text import parse_moment
from mxgateway_cli.output.deploys import DeployWriter, deploy_time
from mxgateway_cli.output.galaxy import Guides, ObjectWriter, TreeWriter
from mxgateway_cli.output.tags import json_time
from mxgateway_cli.running.waiting import Deadline
from mxgateway_cli.terminal import capabilities
from mxgateway_cli.terminal.exit_codes import CommandFailure, TimedOut, describe

if TYPE_CHECKING:
    from mxgateway import GatewayClient, HierarchyOptions, HierarchyPages, LazyBrowseNode
    from mxgateway.proto import GalaxyObject

_Sibling = TypeVar("_Sibling")

_MAX_DEPTH: Final = 200
"""Levels of a tree to draw; a galaxy has about ten.

Lines grow with the depth, and a hostile gateway may list a chain of a million.
"""
_NONE: Final = "No objects match."
_RESTART_HINT: Final = "--on-redeploy restart restarts the listing automatically"


# --------------------------------------------------------------------------------------------------------------------
# The database and the deployments


@gateway_command(
    "galaxy-test-connection", examples=("mxgw-py galaxy-test-connection", "mxgw-py galaxy-test-connection -o value")
)
async def test_connection(call: Call) -> None:
    """Check that the gateway reaches the galaxy's database.

    Exit code 1 if it does not, although the gateway itself has answered.
    """
    async with call.client() as client:
        ok = await client.galaxy.test_connection(correlation_id=call.correlation_id)
    call.report({"ok": ok}, value="ok")
    if not ok:
        raise CommandFailure(
            "the gateway does not reach the galaxy's database",
            hint="check the gateway's log, and that SQL Server is running there",
        )


@gateway_command("galaxy-last-deploy", examples=("mxgw-py galaxy-last-deploy", "mxgw-py galaxy-last-deploy -o value"))
async def last_deploy(call: Call) -> None:
    """Show when the galaxy was last deployed.

    The time is RFC 3339 in UTC with full precision; empty if no deployment is known.
    """
    async with call.client() as client:
        moment = await client.galaxy.get_last_deploy_time(correlation_id=call.correlation_id)
    call.report({"present": moment is not None, "timeOfLastDeploy": json_time(moment)}, value="timeOfLastDeploy")


@gateway_command(
    "galaxy-watch",
    vocabulary.count("deployments", more="The current one counts, unless --next leaves it out."),
    option("--next", "wants_next", is_flag=True, help="Leave out the current deployment, and stop after the next one."),
    vocabulary.duration(),
    option("--last-seen-deploy-time", metavar="TIME",
           help="Time of a known deployment: if it is still the current one, it is not shown."),
    examples=(
        "mxgw-py galaxy-watch --count 1",
        "mxgw-py galaxy-watch --count 1 --timeout 60 --json",
        "mxgw-py galaxy-watch --next --duration 0.2",
    ),
    timeout=whole_timeout(),
)  # fmt: skip
async def watch(
    call: Call, count: int | None, wants_next: bool, duration: float | None, last_seen_deploy_time: str | None
) -> None:
    """Show the galaxy's deployments as they happen.

    Starts with the current one. Reconnects when the gateway was unavailable and reports missed deployments as a gap.
    Stops after --count, --duration, --timeout (exit code 20 if deployments are still missing), or on Ctrl-C. With --json
    and --count up to 10,000 the result is one document, otherwise one JSON object per line. With --next it waits for the
    next deployment only.
    """
    last_seen = None
    if last_seen_deploy_time is not None:
        last_seen = parse_moment(last_seen_deploy_time, name="--last-seen-deploy-time")
    if wants_next:
        if count not in (None, 1) or last_seen is not None:
            raise click.UsageError(
                "--next waits for one deployment: it takes neither --count nor --last-seen-deploy-time."
            )
        count = 1
    deadline = Deadline(call.timeout)
    writer = DeployWriter(call.output, count)

    def on_timeout() -> Exception | None:
        text = f"{writer.count} of {count} deployments arrived within {deadline.seconds:g} s"
        return TimedOut(text) if count is not None else None

    try:
        async with call.client() as client, deadline.enforce(on_timeout), Deadline(duration).enforce(lambda: None):
            writer.start()
            if wants_next:
                last_seen = await client.galaxy.get_last_deploy_time(correlation_id=call.correlation_id)
            await _follow(call, client, writer, last_seen, only_deployed=wants_next)
    finally:
        writer.finish(correlationId=call.correlation_id)


async def _follow(
    call: Call, client: GatewayClient, writer: DeployWriter, last_seen: datetime | None, *, only_deployed: bool
) -> None:
    async with client.galaxy.watch_deploy_events(last_seen, correlation_id=call.correlation_id) as deployments:
        try:
            async for each in deployments:
                if isinstance(each, mxgateway.DeployGap):
                    writer.gap(each)
                    continue
                if only_deployed and deploy_time(each) is None:
                    continue
                writer.add(each)
                if writer.is_complete:
                    return
        except mxgateway.MxGatewayError as error:
            writer.disconnect(describe(error))
            raise


# --------------------------------------------------------------------------------------------------------------------
# The objects


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
