"""The objects of the galaxy, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeVar

from mxgateway import proto
from mxgateway.calling.argument_checks import check_correlation_id, check_range
from mxgateway.calling.rpcs import DISCOVER_HIERARCHY
from mxgateway.errors import MxGatewayError, MxGatewayInvalidRequestError, MxGatewayRedeployError
from mxgateway.galaxy.options import HierarchyOptions
from mxgateway.galaxy.paging import NextTimeout, PageWalk
from mxgateway.transport.blocks import ClientReader
from mxgateway.transport.channel import Channel

T = TypeVar("T")

OnRedeploy = Literal["raise", "restart"]
"""What to do if the galaxy is deployed between two pages: raise an error, or restart the walk."""

MOST_RESTARTS: Final = 10
"""Most restarts of one walk: a gateway that rejects its own tokens would keep it going forever."""


_Page = tuple[proto.DiscoverHierarchyReply, int]
"""A page, and how often the walk had restarted before it."""


class HierarchyPages(ClientReader):
    """The objects of a part of the galaxy: an async iterator of objects, or of whole pages with `pages`.

    Close it, or use it as a context manager. At most one page is held; the next one is requested when its last object
    is taken, or with `prefetch` 1 as soon as the page arrives. A read that is cancelled or fails leaves its page to the
    next read. Only one task may read at a time.

    Args:
        channel: The channel to call on.
        options: Which objects to list.
        page_size: Objects per page.
        prefetch: Pages requested ahead, 0 or 1.
        on_redeploy: What to do if the galaxy is deployed between two pages.
        next_timeout: Returns the timeout of each page.
        correlation_id: For errors and tracers.

    Raises:
        MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
    """

    def __init__(
        self,
        channel: Channel,
        options: HierarchyOptions,
        *,
        page_size: int,
        prefetch: int,
        on_redeploy: OnRedeploy,
        next_timeout: NextTimeout,
        correlation_id: str,
    ) -> None:
        check_on_redeploy(on_redeploy)
        self._prefetch = check_range("prefetch", prefetch, 0, 1)
        self._restarting = on_redeploy == "restart"
        request = options.to_request(page_size)
        correlation_id = check_correlation_id(correlation_id)
        self._walk = PageWalk(channel, DISCOVER_HIERARCHY, request, next_timeout, correlation_id)
        self._guard = channel.guard
        self._begun = 0
        self._request: asyncio.Task[_Page | MxGatewayError] | None = None
        self._page: list[proto.GalaxyObject] = []
        self._busy = False
        self._over = False
        self.total_count: int | None = None
        """The number of objects on all pages, as counted by the gateway after filtering; None before the first page."""
        self.restarts = 0
        """How often the walk restarted because the galaxy was redeployed; all objects are yielded again each time."""

    def pages(self) -> PagesIterator:
        """Return an async iterator of whole pages, as lists; it starts with the rest of a partly read page."""
        return PagesIterator(self)

    async def __anext__(self) -> proto.GalaxyObject:
        self._guard.check()
        if not self._page:
            self._page = await self.next_page()
            self._page.reverse()
            if not self._page:
                raise StopAsyncIteration
        return self._page.pop()

    async def aclose(self) -> None:
        """Request no more pages and cancel the pending request; the iterator ends. Idempotent."""
        self._guard.check()
        self._over = True
        self._page.clear()
        if (request := self._request) is not None:
            request.cancel()
            await asyncio.wait([request])
            self._request = None

    def check_kept(self) -> None:
        """Raise MxGatewayLimitError if more pages follow and those received exceed `max_listed_bytes`."""
        if not self._over:
            self._walk.check_kept()

    async def next_page(self) -> list[proto.GalaxyObject]:
        """Return the rest of a partly read page, else the next page; an empty list at the end.

        Raises:
            MxGatewayRedeployError: The galaxy was deployed since the last page.
            MxGatewayError: The request failed; the next read requests the page again.
        """
        self._guard.check()
        if self._page:
            rest, self._page = self._page[::-1], []
            return rest
        if self._busy:
            raise MxGatewayInvalidRequestError(
                "another task is already reading these pages",
                hint="let one task read, or start another walk",
                phase="request",
            )
        self._busy = True
        try:
            return await self._next()
        finally:
            self._busy = False

    # -- requests

    async def _next(self) -> list[proto.GalaxyObject]:
        while not self._over:
            request = self._request = self._request or asyncio.create_task(self._request_page())
            try:
                await asyncio.wait([request])
            except asyncio.CancelledError:
                request.cancel()  # no effect on a page that has just arrived: it stays for the next read
                await asyncio.wait([request])
                if request.cancelled():
                    self._request = None
                raise
            self._request = None
            outcome = [] if request.cancelled() else [request.result()]
            del request
            if outcome and not self._over:  # closed meanwhile
                return self._take(outcome)
        return []

    async def _request_page(self) -> _Page | MxGatewayError:
        """Return the next page or the error: a task that nobody awaits must not keep an exception."""
        try:
            while True:
                try:
                    return await self._walk.next_page(), self._begun
                except MxGatewayRedeployError:
                    if not self._restarting or self._begun == MOST_RESTARTS:
                        raise
                    self._begun += 1
                    self._walk.restart()
        except MxGatewayError as error:
            return error.with_traceback(None)

    def _take(self, outcome: list[_Page | MxGatewayError]) -> list[proto.GalaxyObject]:
        """Pop the outcome. An error held by a frame of its own traceback would need the garbage collector."""
        page = outcome.pop()
        if isinstance(page, MxGatewayError):
            try:
                raise page
            finally:
                del page
        reply, self.restarts = page
        self.total_count = reply.total_object_count
        self._over = self._walk.over
        if self._prefetch and not self._over:
            self._request = asyncio.create_task(self._request_page())
        return reply.objects


class PagesIterator:
    """The pages of a walk over the hierarchy, as lists. It owns nothing: close the walk."""

    def __init__(self, walk: HierarchyPages) -> None:
        self._walk = walk

    def __aiter__(self) -> PagesIterator:
        return self

    async def __anext__(self) -> list[proto.GalaxyObject]:
        if page := await self._walk.next_page():
            return page
        raise StopAsyncIteration


async def collect(
    walk: HierarchyPages, pick: Callable[[list[proto.GalaxyObject]], Iterable[T]], most: int | None = None
) -> list[T]:
    """Return what `pick` finds on all pages of one deployment, and close the walk. `max_listed_bytes` applies.

    Args:
        walk: The pages.
        pick: Returns the results of one page.
        most: Stop as soon as more than this is found; None reads all.
    """
    found: list[T] = []
    restarts = 0
    async with walk:
        while page := await walk.next_page():
            if walk.restarts != restarts:
                restarts = walk.restarts
                found.clear()
            found.extend(pick(page))
            walk.check_kept()
            if most is not None and len(found) > most:
                break
    return found if walk.restarts == restarts else []


def check_on_redeploy(value: Any) -> None:
    """Raise for an invalid `on_redeploy`."""
    if value not in ("raise", "restart"):
        raise MxGatewayInvalidRequestError(
            f"on_redeploy is {value!r:.100}", hint="give 'raise' or 'restart'; nothing was sent", phase="request"
        )
