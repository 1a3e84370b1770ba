"""The galaxy as a tree that is loaded branch by branch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from mxgateway import proto
from mxgateway.calling.argument_checks import check_correlation_id, check_flag
from mxgateway.calling.rpcs import BROWSE_CHILDREN
from mxgateway.calling.time_budget import Budget
from mxgateway.errors import CallSite, MxGatewayError, MxGatewayRedeployError
from mxgateway.errors.faults import copy_of
from mxgateway.galaxy.options import BrowseOptions
from mxgateway.galaxy.paging import PageWalk
from mxgateway.galaxy.tree import name_of
from mxgateway.options import check_timeout
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.channel import Channel

MOST_RESTARTS: Final = 3
"""Most retries of one listing after deployments between two pages. No caller has seen the earlier pages."""


class Branches:
    """How branches are listed: what all nodes of one tree share.

    Args:
        channel: The channel to call on.
        options: Which children to list.
        page_size: Objects per page.
    """

    def __init__(self, channel: Channel, options: BrowseOptions, page_size: int) -> None:
        self._channel = channel
        self.guard = channel.guard
        self._options = options
        self._page_size = page_size
        self._kept = 0  # bytes of all pages whose objects are nodes now
        options.to_request(page_size)  # refuses what is wrong

    async def children(
        self, parent: LazyBrowseNode | None, timeout: float | None, correlation_id: str
    ) -> list[LazyBrowseNode]:
        """Return the children of a node, or of the start of browsing, in the gateway's order.

        Raises:
            MxGatewayNotFoundError: The parent is not there.
            MxGatewayRedeployError: The galaxy was deployed again and again meanwhile.
            MxGatewayLimitError: The nodes of this browsing take more than `max_listed_bytes` of pages.
            MxGatewayError: The call failed.
        """
        check_timeout("timeout", timeout)
        budget = Budget(timeout, self._site, correlation_id)
        request = self._options.to_request(self._page_size)
        if parent is not None:
            request.parent_gobject_id = parent.object.gobject_id
        walk = PageWalk(self._channel, BROWSE_CHILDREN, request, budget.left, budget.correlation_id)
        for _ in range(MOST_RESTARTS):
            with contextlib.suppress(MxGatewayRedeployError):
                return await self._pages(walk, parent)
            walk.restart()
        return await self._pages(walk, parent)

    async def _pages(
        self, walk: PageWalk[proto.BrowseChildrenRequest, proto.BrowseChildrenReply], parent: LazyBrowseNode | None
    ) -> list[LazyBrowseNode]:
        found: list[LazyBrowseNode] = []
        replaced = 0 if parent is None else parent._kept_below()
        taken = 0
        try:
            while not walk.over:
                walk.check_kept(self._kept - replaced)
                reply = await walk.next_page()
                self._kept += walk.bytes - taken
                taken = walk.bytes
                if len(reply.child_has_children) != len(reply.children):
                    flags, count = len(reply.child_has_children), len(reply.children)
                    raise walk.malformed(
                        f"child_has_children has {flags} entries for {count} children, in a reply", reply
                    )
                found += [
                    LazyBrowseNode(self, child, hint, parent)
                    for child, hint in zip(reply.children, reply.child_has_children, strict=True)
                ]
        except BaseException:
            self._kept -= taken
            raise
        self._kept -= replaced
        if parent is not None:
            parent._pages_size = taken
        return found

    def base_path(self) -> str:
        """Return the path where browsing started, as far as it is known."""
        return (self._options.parent_contained_path or "").strip("/")

    def _site(self, correlation_id: str) -> CallSite:
        return call_site(self._channel, BROWSE_CHILDREN, CallOptions(correlation_id=correlation_id))


class LazyBrowseNode:
    """An object of the galaxy whose children are loaded on demand. Made by `GalaxyRepositoryClient.browse`."""

    __slots__ = ("_branches", "_children", "_expansion", "_pages_size", "has_children_hint", "object", "parent")

    def __init__(
        self, branches: Branches, galaxy_object: proto.GalaxyObject, has_children: bool, parent: LazyBrowseNode | None
    ) -> None:
        self._branches = branches
        self._children: tuple[LazyBrowseNode, ...] | None = None
        self._expansion: _Expansion | None = None
        self._pages_size = 0
        self.object = galaxy_object
        """The galaxy's data about the object."""
        self.has_children_hint = has_children
        """Whether the object had children when it was listed, ignoring filters."""
        self.parent = parent
        """The node that it was expanded from; None where browsing started."""

    def __repr__(self) -> str:
        state = f"{len(self.children)} children" if self.is_expanded else "not expanded"
        return f"<LazyBrowseNode {self.path!r}, {state}>"

    @property
    def children(self) -> tuple[LazyBrowseNode, ...]:
        """The children as of the last expansion: areas first, then by name. Empty before the first one."""
        return self._children or ()

    @property
    def is_expanded(self) -> bool:
        """True once the children have been loaded."""
        return self._children is not None

    @property
    def path(self) -> str:
        """The names joined with ``/``, from the top level.

        If browsing started at a parent given by id or tag name, the path starts below that parent."""
        names = [name_of(self.object)]
        node = self.parent
        while node is not None:
            names.append(name_of(node.object))
            node = node.parent
        if base := self._branches.base_path():
            names.append(base)
        return "/".join(reversed(names))

    async def expand(
        self, refresh: bool = False, *, timeout: float | None = None, correlation_id: str = ""
    ) -> tuple[LazyBrowseNode, ...]:
        """Return the children, all pages of them; they are requested on the first call only.

        Concurrent callers share one expansion and its outcome; it is cancelled when the last of them is cancelled. A
        failed expansion can be retried. The filters of `browse` apply here too.

        Args:
            refresh: Request the children again even if they are loaded: the galaxy may have been redeployed. This
                creates new nodes.
            timeout: Timeout for all pages in seconds; of concurrent callers, the first one's applies.
            correlation_id: For errors and tracers.

        Raises:
            MxGatewayNotFoundError: The object is not there any more: the galaxy was deployed.
            MxGatewayRedeployError: The galaxy was deployed again and again meanwhile.
            MxGatewayLimitError: The pages of all nodes of this browsing together take more than `max_listed_bytes`.
            MxGatewayError: The call failed.
        """
        check_flag("refresh", refresh)
        check_timeout("timeout", timeout)
        check_correlation_id(correlation_id)
        self._branches.guard.check()
        while self._children is None or refresh:
            shared = self._expansion = self._expansion or _Expansion(self._expand(timeout, correlation_id))
            outcome = await self._wait_for(shared)
            if isinstance(outcome, MxGatewayError):
                raise copy_of(outcome)  # a copy for each caller
            if outcome is not None:
                return outcome
        return self._children

    async def _expand(self, timeout: float | None, correlation_id: str) -> Outcome:
        """Load the children. Errors are returned: a task that nobody awaits must not keep an exception."""
        try:
            self._children = children = tuple(await self._branches.children(self, timeout, correlation_id))
        except MxGatewayError as error:
            return error.with_traceback(None)
        return children

    async def _wait_for(self, shared: _Expansion) -> Outcome | None:
        """Return the outcome of an expansion, None if cancelled. Cancelling the last waiting caller cancels it."""
        shared.waiters += 1
        try:
            await asyncio.wait([shared.task])
        except asyncio.CancelledError:
            if shared.waiters == 1:
                self._forget(shared)
                shared.task.cancel()
                await asyncio.wait([shared.task])
            raise
        finally:
            shared.waiters -= 1
        self._forget(shared)
        return None if shared.task.cancelled() else shared.task.result()

    def _kept_below(self) -> int:
        """Return what the pages take whose objects are below this node."""
        size, nodes = 0, [self]
        while nodes:
            node = nodes.pop()
            size += node._pages_size
            nodes += node.children
        return size

    def _forget(self, shared: _Expansion) -> None:
        if self._expansion is shared:
            self._expansion = None


Outcome = tuple[LazyBrowseNode, ...] | MxGatewayError
"""The outcome of an expansion."""


class _Expansion:
    """A running expansion, and the number of callers that wait for it."""

    def __init__(self, work: Coroutine[Any, Any, Outcome]) -> None:
        self.task = asyncio.create_task(work)
        self.waiters = 0
