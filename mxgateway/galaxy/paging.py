"""One page after another of what the gateway lists, with the tokens in between."""

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

Bound = Callable[[], float | None]
"""Returns the bound of the next call in seconds, None for the client's own."""


class PageWalk(Generic[Request, Reply]):
    """A walk over the pages of one question. A page that failed, or whose reader was cancelled, can be asked for again.

    Args:
        channel: Where to ask.
        method: What to call.
        request: The request for the first page; the walk's own from now on.
        bound: How long each page may take.
        correlation_id: For errors and tracers.
    """

    def __init__(
        self,
        channel: Channel,
        method: Method[Request, Reply],
        request: Request,
        bound: Bound,
        correlation_id: str,
    ) -> None:
        self._channel = channel
        self._method = method
        self._request = request
        self._bound = bound
        self._correlation_id = correlation_id
        self.restart()

    def restart(self) -> None:
        """Begin again with the first page."""
        self.over = False
        """True once the last page has come."""
        self._token = ""
        self._tokens = _TokenCheck()
        self._listed = 0
        self._sequence = 0
        self.bytes = 0
        """What the pages that have come take."""

    async def next_page(self) -> Reply:
        """Return the page after the last one.

        Raises:
            MxGatewayRedeployError: The galaxy was deployed since the page before.
            MxGatewayMalformedReplyError: The reply cannot be what comes next.
            MxGatewayError: The call failed.
        """
        progress = Progress()
        options = CallOptions(timeout=self._bound(), correlation_id=self._correlation_id, progress=progress)
        self._request.page_token = self._token
        try:
            reply = await unary(self._channel, self._method, self._request, options)
        except MxGatewayInvalidRequestError as error:
            if self._token and error.grpc_status is GrpcStatus.INVALID_ARGUMENT:
                text = f"the galaxy was deployed between two pages, so that the page token is dead: {error.message}"
                raise self._redeployed(text) from error
            raise
        self._check(reply)
        self.bytes += progress.received
        return reply

    def check_kept(self, kept: int | None = None) -> None:
        """Refuse to keep so many bytes of pages, all that have come since the first one if None.

        Raises:
            MxGatewayLimitError: They take more than `max_listed_bytes`.
        """
        limit = self._channel.options.max_listed_bytes
        if (self.bytes if kept is None else kept) > limit:
            raise MxGatewayLimitError(
                f"the pages of {self._method} take more than {limit} bytes, and there are further ones",
                hint="ask for a part, read page by page with iter_hierarchy, or allow more with max_listed_bytes",
                site=self._site(), phase="stream", grpc_status=GrpcStatus.RESOURCE_EXHAUSTED,
            )  # fmt: skip

    def _check(self, reply: Reply) -> None:
        """Take note of where a page ends; refuse what would never end, or does not belong to the page before."""
        listed, total, sequence = _read(reply)
        token, listed = reply.next_page_token, listed + self._listed
        if self._sequence and sequence and sequence != self._sequence:
            raise self._redeployed("the galaxy was loaded anew between two pages")
        if token and listed == self._listed:
            raise self.malformed(f"an empty page of {self._method} names a next one, in a reply", reply)
        if total and listed > total:
            raise self.malformed(f"{self._method} lists {listed} objects where it counts {total}, in a reply", reply)
        if token and self._tokens.repeats(token):
            raise self.malformed(
                f"{self._method} goes round in a circle: its page token came before, in a reply", reply
            )
        self._token, self._listed, self._sequence, self.over = token, listed, sequence, not token

    def malformed(self, text: str, reply: Reply) -> MxGatewayMalformedReplyError | MxGatewayContractError:
        """Return the error for a reply that cannot be meant so."""
        return malformed(text, self._site(), reply)

    def _redeployed(self, text: str) -> MxGatewayRedeployError:
        return MxGatewayRedeployError(
            text,
            hint="start again from the first page",
            site=self._site(),
            phase="stream",
            grpc_status=GrpcStatus.INVALID_ARGUMENT,
        )

    def _site(self) -> CallSite:
        return call_site(self._channel, self._method, CallOptions(correlation_id=self._correlation_id))


def _read(reply: proto.DiscoverHierarchyReply | proto.BrowseChildrenReply) -> tuple[int, int, int]:
    """Return the number of objects on a page, on all pages together, and of the cache's load that answered, 0 where it is not told."""
    if isinstance(reply, proto.BrowseChildrenReply):
        return len(reply.children), reply.total_child_count, reply.cache_sequence
    return len(reply.objects), reply.total_object_count, 0


class _TokenCheck:
    """Notices that tokens repeat without keeping all of them: one is kept, a later one each time that twice as many have gone by.

    However long the round is in which they go, the one that is kept lies in it sooner or later, and comes again.
    """

    def __init__(self) -> None:
        self._kept = ""
        self._since = 0
        self._patience = 1

    def repeats(self, token: str) -> bool:
        """Take the next token; return True when it is one that came before."""
        if token == self._kept:
            return True
        self._since += 1
        if self._since == self._patience:
            self._kept, self._since, self._patience = token, 0, self._patience * 2
        return False


def unbounded(seconds: float | None) -> Bound:
    """Return what gives each page the same bound."""
    return lambda: seconds
