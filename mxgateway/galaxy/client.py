"""The client for the galaxy repository: its areas, objects and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Unpack

from mxgateway import proto
from mxgateway.calling.argument_checks import check_correlation_id, check_message, check_range
from mxgateway.calling.bound_channel import speaking_channel
from mxgateway.calling.replies import malformed
from mxgateway.calling.rpcs import BROWSE_CHILDREN, DISCOVER_HIERARCHY, GET_LAST_DEPLOY_TIME, TEST_CONNECTION
from mxgateway.calling.time_budget import Budget
from mxgateway.errors import CallSite
from mxgateway.galaxy import tag_search
from mxgateway.galaxy.browse import Branches, LazyBrowseNode
from mxgateway.galaxy.deploys import DeployWatch
from mxgateway.galaxy.hierarchy import HierarchyPages, OnRedeploy, collect
from mxgateway.galaxy.options import DEFAULT_PAGE, BrowseFields, BrowseOptions, HierarchyFields, HierarchyOptions
from mxgateway.galaxy.tree import GalaxyTree
from mxgateway.options import DEFAULT_ENDPOINT, ClientOptions, check_timeout, merge_options
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.blocks import ChannelClient
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given, Opening
from mxgateway.transport.stats import ClientStats
from mxgateway.wire import Timestamp, has_field

LARGEST_LIMIT = 1_000_000
"""Highest `limit` of `find`: more tags than any galaxy has."""


class GalaxyRepositoryClient(ChannelClient):
    """Reads a galaxy's metadata from a gateway, never values. Make one with `connect`, or use `GatewayClient.galaxy`.

    All calls are reads, so each is retried while the gateway is unavailable, as set by `ClientOptions.retry`. They need
    the scope ``metadata:read``.

    `timeout` is in seconds (None: the client's `call_timeout`), `correlation_id` is for errors and tracers (empty: a
    generated one).
    """

    def __init__(self, channel: Channel, *, owned: bool = False) -> None:
        super().__init__(channel)
        self._owned = owned

    @staticmethod
    def connect(
        endpoint: str | Sequence[str] = DEFAULT_ENDPOINT,
        options: ClientOptions | None = None,
        **fields: Unpack[ClientOptionFields],
    ) -> Opening[GalaxyRepositoryClient]:
        """Connect to a gateway for its galaxy only: ``await`` the result, or use it with ``async with``.

        Args:
            endpoint: ``host:port``, ``[ipv6]:port``, or either after ``http://`` (which requires `plaintext`) or
                ``https://``; of several, the first that can be reached is used.
            options: Connection options.
            fields: Fields of `ClientOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayInvalidRequestError: The endpoint or an option is invalid; nothing was sent.
            MxGatewayTransportError: The connection failed.
        """

        given = Given(endpoint, options, fields)

        async def open_it() -> GalaxyRepositoryClient:
            return GalaxyRepositoryClient(await speaking_channel(given), owned=True)

        return Opening(open_it)

    def __repr__(self) -> str:
        return f"<GalaxyRepositoryClient of {self.endpoint}>"

    def stats(self) -> ClientStats:
        """Return a snapshot of the connection's counters."""
        return self._channel.stats()

    # -- the repository

    async def test_connection(self, *, timeout: float | None = None, correlation_id: str = "") -> bool:
        """Return whether the repository's database answers the gateway.

        Raises:
            MxGatewayError: The gateway itself does not answer.
        """
        options = _options(timeout, correlation_id)
        reply = await unary(self._channel, TEST_CONNECTION, proto.TestConnectionRequest(), options)
        return reply.ok

    async def get_last_deploy_time(self, *, timeout: float | None = None, correlation_id: str = "") -> Timestamp | None:
        """Return when the galaxy was last deployed, in UTC; None if no deployment is known.

        Waits until the gateway has loaded its cache.

        Raises:
            MxGatewayMalformedReplyError: The gateway reports a deployment without its time.
            MxGatewayError: The call failed.
        """
        options = _options(timeout, correlation_id)
        reply = await unary(self._channel, GET_LAST_DEPLOY_TIME, proto.GetLastDeployTimeRequest(), options)
        if not reply.present:
            return None
        if not has_field(reply, "time_of_last_deploy"):
            site = call_site(self._channel, GET_LAST_DEPLOY_TIME, options)
            raise malformed("the reply reports a deployment without its time", site, reply)
        return Timestamp.from_datetime(reply.time_of_last_deploy)

    def watch_deploy_events(
        self,
        last_seen_deploy_time: datetime | None = None,
        *,
        recovery: RecoveryOptions | None = None,
        correlation_id: str = "",
    ) -> DeployWatch:
        """Return the deployments as they happen: an async iterator and context manager.

        Nothing is sent before the first read.

        Args:
            last_seen_deploy_time: The last deployment known to the caller; the current one is reported at once if it
                differs.
            recovery: How to recover from interruptions; None for the defaults of `RecoveryOptions`.

        Raises:
            MxGatewayInvalidRequestError: The time has no time zone.
        """
        return DeployWatch(self._channel, last_seen_deploy_time, recovery, correlation_id)

    # -- the whole hierarchy

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
        """Return the objects below a root, parents before children: an async iterator and context manager.

        Nothing is sent before the first read.

        It holds one page, so it has no bound of its own: a gateway that names further pages for ever is ended by the caller's loop.

        Args:
            options: Which objects to list.
            page_size: Objects per page, 1 to 5000.
            prefetch: 1 requests the next page as soon as a page arrives; 0 when its last object is taken.
            on_redeploy: What to do if the galaxy is deployed between two pages. ``"raise"`` raises
                MxGatewayRedeployError; ``"restart"`` restarts at the first page, so objects repeat, and
                `HierarchyPages.restarts` counts it.
            timeout: Timeout of each page in seconds.
            fields: Fields of `HierarchyOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
        """
        check_timeout("timeout", timeout)
        return HierarchyPages(
            self._channel, merge_options(HierarchyOptions, options, fields), page_size=page_size, prefetch=prefetch,
            on_redeploy=on_redeploy, next_timeout=lambda: timeout, correlation_id=correlation_id,
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
        """Return the objects below a root, all pages, parents before children.

        Args:
            options: Which objects to list.
            page_size: Objects per page, 1 to 5000.
            on_redeploy: What to do if the galaxy is deployed between two pages: ``"raise"``, or ``"restart"`` at the
                first page.
            timeout: Timeout for all pages in seconds; None leaves the client's timeout for each page.
            fields: Fields of `HierarchyOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
            MxGatewayRedeployError: The galaxy was deployed between two pages.
            MxGatewayNotFoundError: There is no such root.
            MxGatewayError: A call failed.
        """
        merged = merge_options(HierarchyOptions, options, fields)
        return await collect(self._walk(merged, page_size, on_redeploy, timeout, correlation_id), lambda page: page)

    async def discover_hierarchy_raw(
        self, request: proto.DiscoverHierarchyRequest, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.DiscoverHierarchyReply:
        """Send DiscoverHierarchy as given and return its one page."""
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
        """Return the objects below a root as a tree in memory, all from one deployment.

        Restarts at the first page if the galaxy is redeployed.

        Args:
            options: Which objects to list.
            page_size: Objects per page, 1 to 5000.
            timeout: Timeout for all pages in seconds; None leaves the client's timeout for each page.
            fields: Fields of `HierarchyOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
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
        """Return the tags whose reference matches a pattern such as ``Tank*.Level``, in hierarchy order.

        The references are in the form that `Session.add_item` takes.

        Args:
            pattern: ``*`` matches any text, ``?`` one character. The case-insensitive match covers the whole of
                ``Object.Attribute``, for arrays with or without their brackets. A pattern without a dot matches and
                returns tag names of objects.
            limit: Most tags that may match.
            timeout: Timeout for all pages in seconds; None leaves the client's timeout for each page.

        Raises:
            MxGatewayInvalidRequestError: The pattern is invalid, or matches more than `limit` tags.
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
        """Return a walk with one timeout for all pages and a prefetch of one page."""
        check_timeout("timeout", timeout)
        budget = Budget(timeout, self._discovery, correlation_id)
        return HierarchyPages(
            self._channel, options, page_size=page_size, prefetch=1, on_redeploy=on_redeploy, next_timeout=budget.left,
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
        """Return all children of a parent, or the top level: areas first, then by name. Each of them can be expanded.

        Args:
            options: Whose children to list, and which.
            page_size: Objects per page, 1 to 5000; also for the expansions.
            timeout: Timeout for all pages in seconds; None leaves the client's timeout for each page.
            fields: Fields of `BrowseOptions`, instead of `options` or overriding it.

        Raises:
            MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
            MxGatewayNotFoundError: There is no such parent.
            MxGatewayRedeployError: The galaxy was redeployed too often during the listing.
            MxGatewayError: A call failed.
        """
        branches = Branches(self._channel, merge_options(BrowseOptions, options, fields), page_size)
        return await branches.children(None, timeout, correlation_id)

    async def browse_children_raw(
        self, request: proto.BrowseChildrenRequest, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.BrowseChildrenReply:
        """Send BrowseChildren as given and return its one page."""
        check_message("request", request, proto.BrowseChildrenRequest)
        return await unary(self._channel, BROWSE_CHILDREN, request, _options(timeout, correlation_id))

    # -- closing

    async def close(self) -> None:
        """Close every call and the connection. Idempotent.

        Does nothing for `GatewayClient.galaxy`, whose connection belongs to the gateway client."""
        self._channel.guard.check()
        if self._owned:
            await self._channel.aclose()


def _options(timeout: float | None, correlation_id: str) -> CallOptions:
    return CallOptions(timeout=timeout, correlation_id=check_correlation_id(correlation_id))
