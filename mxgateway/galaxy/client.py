"""The client of the galaxy: which areas, objects and attributes there are."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Unpack

from mxgateway import proto
from mxgateway.calling.arguments import check_correlation_id, check_message, check_range
from mxgateway.calling.bound_channel import speaking_channel
from mxgateway.calling.replies import malformed
from mxgateway.calling.requests import new_correlation_id
from mxgateway.calling.rpcs import BROWSE_CHILDREN, DISCOVER_HIERARCHY, GET_LAST_DEPLOY_TIME, TEST_CONNECTION
from mxgateway.calling.time_budget import Budget
from mxgateway.errors import CallSite
from mxgateway.galaxy import tag_search
from mxgateway.galaxy.browse import Branches, LazyBrowseNode
from mxgateway.galaxy.deploys import DeployWatch
from mxgateway.galaxy.hierarchy import HierarchyPages, OnRedeploy, collect
from mxgateway.galaxy.options import (
    DEFAULT_PAGE,
    BrowseFields,
    BrowseOptions,
    HierarchyFields,
    HierarchyOptions,
)
from mxgateway.galaxy.tree import GalaxyTree
from mxgateway.options import DEFAULT_ENDPOINT, ClientOptions, check_timeout, merge_options
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given, Opening
from mxgateway.transport.stats import ClientStats
from mxgateway.wire import Timestamp, has_field

LARGEST_LIMIT = 1_000_000
"""Tags that `find` may be asked for: more than a galaxy has."""


class GalaxyRepositoryClient:
    """Asks a gateway what the galaxy holds: metadata only, never a value. Make one with `connect`, or take `GatewayClient.galaxy`.

    Every call reads, so all of them are tried again while the gateway is unavailable, as `ClientOptions.retry` says. They need the scope
    ``metadata:read``.
    """

    def __init__(self, channel: Channel, *, owned: bool = False) -> None:
        self._channel = channel
        self._owned = owned

    @staticmethod
    def connect(
        endpoint: str = DEFAULT_ENDPOINT, options: ClientOptions | None = None, **fields: Unpack[ClientOptionFields]
    ) -> Opening[GalaxyRepositoryClient]:
        """Connect to a gateway for its galaxy alone: ``await`` the result, or use it with ``async with``.

        Args:
            endpoint: ``host:port``, ``[ipv6]:port``, or either behind ``http://`` (which goes with `plaintext`) or ``https://``.
            options: How to talk to the gateway.
            fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: The endpoint or an option is wrong; nothing was sent.
            MxGatewayTransportError: No connection came about.
        """

        given = Given(endpoint, options, fields)

        async def open_it() -> GalaxyRepositoryClient:
            return GalaxyRepositoryClient(await speaking_channel(given), owned=True)

        return Opening(open_it)

    @property
    def endpoint(self) -> str:
        """The gateway, as ``host:port``."""
        return str(self._channel.endpoint)

    def __repr__(self) -> str:
        return f"<GalaxyRepositoryClient of {self.endpoint}>"

    def stats(self) -> ClientStats:
        """Return what has been done so far over this connection, in numbers: a snapshot."""
        return self._channel.stats()

    # -- the repository

    async def test_connection(self, *, timeout: float | None = None, correlation_id: str = "") -> bool:
        """Tell whether the repository's database answers the gateway.

        Args:
            timeout: Bound in seconds.
            correlation_id: For errors and tracers; empty makes a fresh one.

        Raises:
            MxGatewayError: The gateway itself does not answer.
        """
        options = _options(timeout, correlation_id)
        reply = await unary(self._channel, TEST_CONNECTION, proto.TestConnectionRequest(), options)
        return reply.ok

    async def get_last_deploy_time(self, *, timeout: float | None = None, correlation_id: str = "") -> Timestamp | None:
        """Return when the galaxy was last deployed, in UTC; None when no deployment is known. Waits for the first load of the gateway's cache.

        Args:
            timeout: Bound in seconds.
            correlation_id: For errors and tracers; empty makes a fresh one.

        Raises:
            MxGatewayMalformedReplyError: The gateway knows of a deployment and does not say when.
            MxGatewayError: The call failed.
        """
        options = _options(timeout, correlation_id)
        reply = await unary(self._channel, GET_LAST_DEPLOY_TIME, proto.GetLastDeployTimeRequest(), options)
        if not reply.present:
            return None
        if not has_field(reply, "time_of_last_deploy"):
            site = call_site(self._channel, GET_LAST_DEPLOY_TIME, options)
            raise malformed("the reply knows of a deployment and carries no time of it", site, reply)
        return Timestamp.from_datetime(reply.time_of_last_deploy)

    def watch_deploy_events(
        self,
        last_seen_deploy_time: datetime | None = None,
        *,
        recovery: RecoveryOptions | None = None,
        correlation_id: str = "",
    ) -> DeployWatch:
        """Return the deployments of the galaxy as they happen: an async iterator and context manager. Nothing is sent before the first read.

        Args:
            last_seen_deploy_time: The deployment that the caller knows; the present state is told at once unless it is this one.
            recovery: How interruptions end; None takes the defaults of `RecoveryOptions`.
            correlation_id: For errors and tracers; empty makes a fresh one.

        Raises:
            MxGatewayInvalidRequestError: The time has no time zone.
        """
        return DeployWatch(self._channel, last_seen_deploy_time, recovery, correlation_id)

    # -- all of it

    def iter_hierarchy(
        self,
        options: HierarchyOptions | None = None,
        *,
        page_size: int = DEFAULT_PAGE,
        prefetch: int = 0,
        on_redeploy: OnRedeploy = "raise",
        timeout: float | None = None,
        correlation_id: str = "",
        **fields: Unpack[HierarchyFields],
    ) -> HierarchyPages:
        """Return the objects below a root, a parent before its children: an async iterator and context manager. Nothing is sent before the first read.

        It holds one page, so it has no bound of its own: a gateway that names further pages for ever is ended by the caller's loop.

        Args:
            options: Which objects.
            page_size: Objects of a page, 1 to 5000.
            prefetch: 1 asks for the next page as soon as one has come; 0 when its last object was taken.
            on_redeploy: ``"raise"`` raises MxGatewayRedeployError when the galaxy is deployed between two pages; ``"restart"`` begins again with
                the first page, so that objects come again, and `HierarchyPages.restarts` counts it.
            timeout: Bound of each page in seconds.
            correlation_id: For errors and tracers; empty makes a fresh one.
            fields: Fields of `HierarchyOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
        """
        check_timeout("timeout", timeout)
        return HierarchyPages(
            self._channel, merge_options(HierarchyOptions, options, fields), page_size=page_size, prefetch=prefetch,
            on_redeploy=on_redeploy, bound=lambda: timeout, correlation_id=correlation_id,
        )  # fmt: skip

    async def discover_hierarchy(
        self,
        options: HierarchyOptions | None = None,
        *,
        page_size: int = DEFAULT_PAGE,
        on_redeploy: OnRedeploy = "raise",
        timeout: float | None = None,
        correlation_id: str = "",
        **fields: Unpack[HierarchyFields],
    ) -> list[proto.GalaxyObject]:
        """Return the objects below a root, all pages of them, a parent before its children.

        Args:
            options: Which objects.
            page_size: Objects of a page, 1 to 5000.
            on_redeploy: What happens when the galaxy is deployed between two pages: ``"raise"``, or ``"restart"``, which asks for all of it anew.
            timeout: Bound of the whole in seconds; None leaves each page the client's own.
            correlation_id: For errors and tracers; empty makes a fresh one.
            fields: Fields of `HierarchyOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
            MxGatewayRedeployError: The galaxy was deployed between two pages.
            MxGatewayNotFoundError: There is no such root.
            MxGatewayError: A call failed.
        """
        merged = merge_options(HierarchyOptions, options, fields)
        return await collect(self._walk(merged, page_size, on_redeploy, timeout, correlation_id), lambda page: page)

    async def discover_hierarchy_raw(
        self, request: proto.DiscoverHierarchyRequest, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.DiscoverHierarchyReply:
        """Send DiscoverHierarchy as it is and return the one page that answers it."""
        check_message("request", request, proto.DiscoverHierarchyRequest)
        return await unary(self._channel, DISCOVER_HIERARCHY, request, _options(timeout, correlation_id))

    async def tree(
        self,
        options: HierarchyOptions | None = None,
        *,
        page_size: int = DEFAULT_PAGE,
        timeout: float | None = None,
        correlation_id: str = "",
        **fields: Unpack[HierarchyFields],
    ) -> GalaxyTree:
        """Return the objects below a root as a tree in memory, all from one deployment: one that happens meanwhile makes it begin again.

        Args:
            options: Which objects.
            page_size: Objects of a page, 1 to 5000.
            timeout: Bound of the whole in seconds; None leaves each page the client's own.
            correlation_id: For errors and tracers; empty makes a fresh one.
            fields: Fields of `HierarchyOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
            MxGatewayNotFoundError: There is no such root.
            MxGatewayError: A call failed.
        """
        merged = merge_options(HierarchyOptions, options, fields)
        walk = self._walk(merged, page_size, "restart", timeout, correlation_id)
        return GalaxyTree(await collect(walk, lambda page: page))

    async def find(
        self,
        pattern: str,
        *,
        limit: int = tag_search.DEFAULT_LIMIT,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[str]:
        """Return the tags whose reference matches a pattern, such as ``Tank*.Level``, in the order of the hierarchy, as `Session.add_item` takes them.

        Args:
            pattern: ``*`` stands for any text, ``?`` for one character; matched without case against the whole of ``Object.Attribute``, for arrays
                with or without their brackets. A pattern without a dot is matched against tag names of objects, and finds those.
            limit: Tags that may be found at most.
            timeout: Bound of the whole in seconds; None leaves each page the client's own.
            correlation_id: For errors and tracers; empty makes a fresh one.

        Raises:
            MxGatewayInvalidRequestError: The pattern is none, or finds more than `limit`.
            MxGatewayError: A call failed.
        """
        check_range("limit", limit, 1, LARGEST_LIMIT)
        options, pick = tag_search.search(pattern)
        found = await collect(self._walk(options, DEFAULT_PAGE, "restart", timeout, correlation_id), pick, limit)
        if len(found) > limit:
            raise tag_search.too_many(pattern, limit)
        return found

    def _walk(
        self,
        options: HierarchyOptions,
        page_size: int,
        on_redeploy: OnRedeploy,
        timeout: float | None,
        correlation_id: str,
    ) -> HierarchyPages:
        """Return a walk whose pages have one bound together; the gateway reads the next one while the one before is decoded here."""
        check_timeout("timeout", timeout)
        budget = Budget(timeout, self._discovery, correlation_id)
        return HierarchyPages(
            self._channel, options, page_size=page_size, prefetch=1, on_redeploy=on_redeploy, bound=budget.left,
            correlation_id=budget.correlation_id,
        )  # fmt: skip

    def _discovery(self, correlation_id: str) -> CallSite:
        return call_site(self._channel, DISCOVER_HIERARCHY, CallOptions(correlation_id=correlation_id))

    # -- branch by branch

    async def browse(
        self,
        options: BrowseOptions | None = None,
        *,
        page_size: int = DEFAULT_PAGE,
        timeout: float | None = None,
        correlation_id: str = "",
        **fields: Unpack[BrowseFields],
    ) -> list[LazyBrowseNode]:
        """Return the children of a parent, or the top level, all pages of them: areas first, then by name. Each can be expanded in its turn.

        Args:
            options: Whose children, and which.
            page_size: Objects of a page, 1 to 5000; also for the expansions.
            timeout: Bound of the whole in seconds; None leaves each page the client's own.
            correlation_id: For errors and tracers; empty makes a fresh one.
            fields: Fields of `BrowseOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
            MxGatewayNotFoundError: There is no such parent.
            MxGatewayRedeployError: The galaxy was deployed again and again between two pages.
            MxGatewayError: A call failed.
        """
        branches = Branches(self._channel, merge_options(BrowseOptions, options, fields), page_size)
        return await branches.children(None, timeout, correlation_id)

    async def browse_children_raw(
        self, request: proto.BrowseChildrenRequest, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.BrowseChildrenReply:
        """Send BrowseChildren as it is and return the one page that answers it."""
        check_message("request", request, proto.BrowseChildrenRequest)
        return await unary(self._channel, BROWSE_CHILDREN, request, _options(timeout, correlation_id))

    # -- the end

    async def close(self) -> None:
        """End every call and the connection; without effect on `GatewayClient.galaxy`, whose connection is the client's. Safe to call again."""
        if self._owned:
            await self._channel.aclose()

    async def __aenter__(self) -> GalaxyRepositoryClient:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _options(timeout: float | None, correlation_id: str) -> CallOptions:
    return CallOptions(timeout=timeout, correlation_id=check_correlation_id(correlation_id) or new_correlation_id())
