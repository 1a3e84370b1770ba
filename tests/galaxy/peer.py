"""A peer that answers the calls of the galaxy as a test says, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mxgateway import GalaxyRepositoryClient, GrpcStatus, proto
from mxgateway.wire import decode, encode
from tests.peers.http2.http2_peer import Http2Peer, Request
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import trailers_only

Answer = Callable[[Any], Awaitable[Any]]
"""Takes a request and returns the reply: a message, its bytes, or a status that the call fails with."""

REQUESTS: dict[str, type[proto.DiscoverHierarchyRequest] | type[proto.BrowseChildrenRequest]] = {
    "DiscoverHierarchy": proto.DiscoverHierarchyRequest,
    "BrowseChildren": proto.BrowseChildrenRequest,
}


class GalaxyPeer:
    """Notes what it is asked, and answers each request by itself, so that one that is held holds no other.

    Args:
        answer: Answers every request.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Any] = []
        """The requests, oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def tokens(self) -> list[str]:
        """The page tokens of the requests, oldest first."""
        return [request.page_token for request in self.asked]

    async def play(self, peer: Http2Peer) -> None:
        """Answer one connection."""
        while True:
            task = asyncio.create_task(self._reply(peer, await peer.request()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reply(self, peer: Http2Peer, request: Request) -> None:
        rpc = (request.header(b":path") or b"").decode().rpartition("/")[2]
        asked = decode(REQUESTS[rpc], request.message)
        self.asked.append(asked)
        reply = await self._answer(asked)
        if request.stream_id in peer.resets:
            return
        if isinstance(reply, GrpcStatus):
            await trailers_only(reply)(peer, request)
        else:
            await peer.reply(request, reply if isinstance(reply, bytes) else encode(reply))

    def stop(self) -> None:
        """Leave the requests that are held unanswered."""
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def peer_galaxy(answer: Answer, **options: Any) -> AsyncIterator[tuple[GalaxyPeer, GalaxyRepositoryClient]]:
    """A peer, and a client of it."""
    peer = GalaxyPeer(answer)
    async with (
        Http2Server(peer.play, credits=True) as server,
        GalaxyRepositoryClient.connect(server.endpoint, plaintext=True, **options) as galaxy,
    ):
        try:
            yield peer, galaxy
        finally:
            peer.stop()


def page(first: int, count: int, token: str = "", total: int = 0, *, parent: int = 0) -> proto.DiscoverHierarchyReply:
    """Return a page of objects that are numbered from `first`."""
    return proto.DiscoverHierarchyReply([an_object(n, parent) for n in range(first, first + count)], token, total)


def branch(first: int, count: int, token: str = "", *, sequence: int = 1) -> proto.BrowseChildrenReply:
    """Return a page of children that are numbered from `first` and have children themselves."""
    children = [an_object(number) for number in range(first, first + count)]
    return proto.BrowseChildrenReply(children, token, 0, [True] * count, sequence)


def an_object(number: int, parent: int = 0) -> proto.GalaxyObject:
    """Return an object of a number."""
    name = f"Object_{number}"
    return proto.GalaxyObject(gobject_id=number, tag_name=name, browse_name=name, parent_gobject_id=parent)


def in_pages(count: int, size: int) -> Answer:
    """Return what lists `count` objects in pages of a size; a token is the number of the next object."""

    async def answer(request: proto.DiscoverHierarchyRequest) -> proto.DiscoverHierarchyReply:
        first = int(request.page_token or 1)
        end = min(first + size, count + 1)
        return page(first, end - first, str(end) if end <= count else "", count)

    return answer
