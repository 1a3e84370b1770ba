"""Reads listings page by page, with the page tokens in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from mxgateway import proto
from mxgateway.calling.replies import malformed
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayContractError,
    MxGatewayInvalidRequestError,
    MxGatewayLimitError,
    MxGatewayMalformedReplyError,
    MxGatewayRedeployError,
)
from mxgateway.errors.faults import CallSite
from mxgateway.transport.calls.method import CallOptions, Method, Progress, call_site
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel

Request = TypeVar("Request", bound=proto.DiscoverHierarchyRequest | proto.BrowseChildrenRequest)
Reply = TypeVar("Reply", bound=proto.DiscoverHierarchyReply | proto.BrowseChildrenReply)

NextTimeout = Callable[[], float | None]
"""Returns the timeout of the next call in seconds, None for the client's own."""


class PageWalk(Generic[Request, Reply]):
    """A walk over the pages of one listing. A page that failed, or whose reader was cancelled, can be requested again.

    Args:
        channel: The channel to call on.
        method: The method to call.
        request: The request for the first page; from now on owned by the walk.
        next_timeout: Returns the timeout of each page.
        correlation_id: For errors and tracers.
    """

    def __init__(
        self,
        channel: Channel,
        method: Method[Request, Reply],
        request: Request,
        next_timeout: NextTimeout,
        correlation_id: str,
    ) -> None:
        self._channel = channel
        self._method = method
        self._request = request
        self._next_timeout = next_timeout
        self._correlation_id = correlation_id
        self.restart()

    def restart(self) -> None:
        """Restart at the first page."""
        self.over = False
        """True after the last page."""
        self._token = ""
        self._tokens = _TokenCheck()
        self._listed = 0
        self._sequence = 0
        self.bytes = 0
        """What the pages that have come take."""

    async def next_page(self) -> Reply:
        """Return the next page.

        Raises:
            MxGatewayRedeployError: The galaxy was deployed since the last page.
            MxGatewayMalformedReplyError: The reply cannot be the next page.
            MxGatewayError: The call failed.
        """
        progress = Progress()
        options = CallOptions(timeout=self._next_timeout(), correlation_id=self._correlation_id, progress=progress)
        self._request.page_token = self._token
        try:
            reply = await unary(self._channel, self._method, self._request, options)
        except MxGatewayInvalidRequestError as error:
            if self._token and error.grpc_status is GrpcStatus.INVALID_ARGUMENT:
                text = (
                    f"the galaxy was deployed between two pages, so the page token is no longer valid: {error.message}"
                )
                raise self._redeployed(text) from error
            raise
        self._check(reply)
        self.bytes += progress.received
        return reply

    def check_kept(self, kept: int | None = None) -> None:
        """Refuse to keep so many bytes of pages, all that have come since the first one if None.

        Raises:
            MxGatewayLimitError: They exceed `max_listed_bytes`.
        """
        limit = self._channel.options.max_listed_bytes
        if (self.bytes if kept is None else kept) > limit:
            raise MxGatewayLimitError(
                f"the pages of {self._method} take more than {limit} bytes, and more follow",
                hint="narrow the query, read page by page with iter_hierarchy, or raise max_listed_bytes",
                site=self._site(), phase="stream", grpc_status=GrpcStatus.RESOURCE_EXHAUSTED,
            )  # fmt: skip

    def _check(self, reply: Reply) -> None:
        """Record the position after a page; raise if the walk would be endless or the page does not follow the last."""
        listed, total, sequence = _read(reply)
        token, listed = reply.next_page_token, listed + self._listed
        if self._sequence and sequence and sequence != self._sequence:
            raise self._redeployed("the galaxy was reloaded between two pages")
        if token and listed == self._listed:
            raise self.malformed(f"an empty page of {self._method} names a next page, in a reply", reply)
        if total and listed > total:
            raise self.malformed(f"{self._method} lists {listed} objects although it counts {total}, in a reply", reply)
        if token and self._tokens.repeats(token):
            raise self.malformed(f"{self._method} goes in a circle: it repeats a page token, in a reply", reply)
        self._token, self._listed, self._sequence, self.over = token, listed, sequence, not token

    def malformed(self, text: str, reply: Reply) -> MxGatewayMalformedReplyError | MxGatewayContractError:
        """Return the error for an invalid reply."""
        return malformed(text, self._site(), reply)

    def _redeployed(self, text: str) -> MxGatewayRedeployError:
        return MxGatewayRedeployError(
            text,
            hint="start again at the first page",
            site=self._site(),
            phase="stream",
            grpc_status=GrpcStatus.INVALID_ARGUMENT,
        )

    def _site(self) -> CallSite:
        return call_site(self._channel, self._method, CallOptions(correlation_id=self._correlation_id))


def _read(reply: proto.DiscoverHierarchyReply | proto.BrowseChildrenReply) -> tuple[int, int, int]:
    """Return the objects on this page, the objects on all pages, and the cache's load sequence; 0 if not reported."""
    if isinstance(reply, proto.BrowseChildrenReply):
        return len(reply.children), reply.total_child_count, reply.cache_sequence
    return len(reply.objects), reply.total_object_count, 0


class _TokenCheck:
    """Detects repeated tokens while keeping only one: it keeps a later token each time twice as many have passed.

    Whatever the length of a cycle, the kept token is eventually one of the cycle, and recurs.
    """

    def __init__(self) -> None:
        self._kept = ""
        self._since = 0
        self._patience = 1

    def repeats(self, token: str) -> bool:
        """Record the next token; return True if it repeats an earlier one."""
        if token == self._kept:
            return True
        self._since += 1
        if self._since == self._patience:
            self._kept, self._since, self._patience = token, 0, self._patience * 2
        return False
