"""The objects of the galaxy, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, TypeVar

from mxgateway import proto
from mxgateway.calling.arguments import check_correlation_id, check_range
from mxgateway.calling.requests import new_correlation_id
from mxgateway.calling.rpcs import DISCOVER_HIERARCHY
from mxgateway.errors import MxGatewayError, MxGatewayInvalidRequestError, MxGatewayRedeployError
from mxgateway.galaxy.options import HierarchyOptions
from mxgateway.galaxy.paging import Bound, PageWalk
from mxgateway.transport.channel import Channel

T = TypeVar("T")

OnRedeploy = Literal["raise", "restart"]
"""What happens when the galaxy is deployed between two pages: an error, or the walk begins again."""

MOST_RESTARTS: Final = 10
"""Deployments that one walk puts up with: a gateway that knows none of its own tokens would keep it going for ever."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that has come, and what the walk looks like with it."""

    objects: list[proto.GalaxyObject]
    total: int
    restarts: int


class HierarchyPages:
    """The objects of a part of the galaxy: an async iterator of them, or of whole pages by `pages`. Close it, or use it as a context manager.

    At most one page is held, and the next one is asked for when the last object of it was taken; with `prefetch` 1 it is asked for as soon as the
    page before has come. A read that is cancelled, or has failed, leaves its page to the next read. One task at a time reads.

    Args:
        channel: Where to ask.
        options: Which objects.
        page_size: Objects of a page.
        prefetch: Pages that are asked for ahead, 0 or 1.
        on_redeploy: What happens when the galaxy is deployed between two pages.
        bound: How long each page may take.
        correlation_id: For errors and tracers.

    Raises:
        MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
    """

    def __init__(
        self,
        channel: Channel,
        options: HierarchyOptions,
        *,
        page_size: int,
        prefetch: int,
        on_redeploy: OnRedeploy,
        bound: Bound,
        correlation_id: str,
    ) -> None:
        check_on_redeploy(on_redeploy)
        self._prefetch = check_range("prefetch", prefetch, 0, 1)
        self._restarting = on_redeploy == "restart"
        request = options.to_request(page_size)
        correlation_id = check_correlation_id(correlation_id) or new_correlation_id()
        self._walk = PageWalk(channel, DISCOVER_HIERARCHY, request, bound, correlation_id)
        self._begun = 0
        self._asking: asyncio.Task[_Page | MxGatewayError] | None = None
        self._page: list[proto.GalaxyObject] = []
        self._busy = False
        self._over = False
        self.total_count: int | None = None
        """Objects on all pages together, as the gateway counts them after filtering; None before the first page."""
        self.restarts = 0
        """How often the walk has begun again, because the galaxy was deployed meanwhile; every object of before comes again then, as far as it is still there."""

    def pages(self) -> PagesIterator:
        """Return an async iterator of whole pages, as lists; of a page that was begun by object, it brings the rest."""
        return PagesIterator(self)

    def __aiter__(self) -> HierarchyPages:
        return self

    async def __anext__(self) -> proto.GalaxyObject:
        if not self._page:
            self._page = await self.next_page()
            self._page.reverse()
            if not self._page:
                raise StopAsyncIteration
        return self._page.pop()

    async def __aenter__(self) -> HierarchyPages:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ask for no more pages, and give up the one that is asked for; the iterator ends. Idempotent."""
        self._over = True
        self._page.clear()
        if (asking := self._asking) is not None:
            asking.cancel()
            await asyncio.wait([asking])
            self._asking = None

    def check_kept(self) -> None:
        """Refuse to keep all pages; raises MxGatewayLimitError when there are further ones and those that have come exceed `max_listed_bytes`."""
        if not self._over:
            self._walk.check_kept()

    async def next_page(self) -> list[proto.GalaxyObject]:
        """Return what is left of the page that was begun, else the next page; an empty list at the end.

        Raises:
            MxGatewayRedeployError: The galaxy was deployed since the page before.
            MxGatewayError: The page did not come; the next read asks for it again.
        """
        if self._page:
            rest, self._page = self._page[::-1], []
            return rest
        if self._busy:
            raise MxGatewayInvalidRequestError(
                "another task reads these pages already",
                hint="let one task read, or begin another walk",
                phase="request",
            )
        self._busy = True
        try:
            return await self._next()
        finally:
            self._busy = False

    # -- asking

    async def _next(self) -> list[proto.GalaxyObject]:
        while not self._over:
            asking = self._asking = self._asking or asyncio.create_task(self._ask())
            try:
                await asyncio.wait([asking])
            except asyncio.CancelledError:
                asking.cancel()  # without effect on a page that has just come: it stays for the next read
                await asyncio.wait([asking])
                if asking.cancelled():
                    self._asking = None
                raise
            self._asking = None
            outcome = [] if asking.cancelled() else [asking.result()]
            del asking
            if outcome and not self._over:  # closed meanwhile
                return self._take(outcome)
        return []

    async def _ask(self) -> _Page | MxGatewayError:
        """Return the next page or why there is none: a task that nobody looks at any more keeps no exception."""
        try:
            while True:
                try:
                    reply = await self._walk.next_page()
                    return _Page(reply.objects, reply.total_object_count, self._begun)
                except MxGatewayRedeployError:
                    if not self._restarting or self._begun == MOST_RESTARTS:
                        raise
                    self._begun += 1
                    self._walk.restart()
        except MxGatewayError as error:
            return error.with_traceback(None)

    def _take(self, outcome: list[_Page | MxGatewayError]) -> list[proto.GalaxyObject]:
        """Take an outcome out of its list: an error that a frame of its own traceback holds is left to the garbage collector."""
        page = outcome.pop()
        if isinstance(page, MxGatewayError):
            try:
                raise page
            finally:
                del page
        self.total_count, self.restarts = page.total, page.restarts
        self._over = self._walk.over
        if self._prefetch and not self._over:
            self._asking = asyncio.create_task(self._ask())
        return page.objects


class PagesIterator:
    """The pages of a walk over the hierarchy, as lists. It holds nothing of its own: close the walk."""

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
    """Return what `pick` finds on every page, all of one deployment and of `max_listed_bytes` at the most, and close the walk.

    Args:
        walk: The pages.
        pick: Returns what a page has.
        most: Reading ends as soon as more was found than this; None reads all.
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
    """Refuse what says not what happens when the galaxy is deployed."""
    if value not in ("raise", "restart"):
        raise MxGatewayInvalidRequestError(
            f"on_redeploy is {value!r:.100}", hint="give 'raise' or 'restart'; nothing was sent", phase="request"
        )
