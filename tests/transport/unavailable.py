"""A gateway that is unavailable in one of several ways, and calls of every method to it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

from hyperframe.frame import GoAwayFrame, RstStreamFrame

from mxgateway import proto
from mxgateway.calling import requests
from mxgateway.calling import rpcs as methods
from mxgateway.options import RetryOptions
from mxgateway.transport.calls.method import CallOptions, Method
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, Request
from tests.transport.rig import REPLY
from tests.transport.rows import each_row

REPEATABLE = {
    "CloseSession", "QueryActiveAlarms",
    "TestConnection", "GetLastDeployTime", "DiscoverHierarchy", "BrowseChildren", "WatchDeployEvents",
}  # fmt: skip
"""The RPCs that may be carried out twice, whatever their request."""
STREAMS = {"StreamEvents", "StreamAlarms", "QueryActiveAlarms", "WatchDeployEvents"}
REPEATABLE_KINDS = {"PING", "GET_SESSION_STATE", "GET_WORKER_INFO"}
"""The commands that may be carried out twice."""

METHODS: list[Method[Any, Any]] = [each for each in vars(methods).values() if isinstance(each, Method)]
KINDS = [kind for kind in proto.MxCommandKind if kind.name != "UNSPECIFIED"]

QUICK = RetryOptions(max_attempts=4, initial_backoff=0.001, max_backoff=0.004)
UNAVAILABLE = 14

Fault = Callable[[Http2Peer, Request], Awaitable[None]]


# -- what a gateway that is unavailable does


async def says_unavailable(peer: Http2Peer, request: Request) -> None:
    await peer.send(peer.headers(request.stream_id), peer.trailers(request.stream_id, UNAVAILABLE))


async def says_unavailable_at_once(peer: Http2Peer, request: Request) -> None:
    trailers_only = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14")]
    await peer.send(peer.headers(request.stream_id, trailers_only, end=True))


async def says_503(peer: Http2Peer, request: Request) -> None:
    await peer.send(peer.headers(request.stream_id, [(b":status", b"503")], end=True))


async def refuses_the_stream(peer: Http2Peer, request: Request) -> None:
    await peer.send(RstStreamFrame(request.stream_id, error_code=0x7))


async def goes_away_before_it(peer: Http2Peer, request: Request) -> None:
    await peer.send(GoAwayFrame(0, last_stream_id=request.stream_id - 1))


async def is_lost(peer: Http2Peer, request: Request) -> None:
    peer.writer.transport.abort()


async def is_lost_within_the_reply(peer: Http2Peer, request: Request) -> None:
    await peer.send(peer.headers(request.stream_id))
    peer.writer.close()


def pushes_back(value: bytes, *, at_once: bool = False) -> Fault:
    """Return a fault that says when to come back."""

    async def fault(peer: Http2Peer, request: Request) -> None:
        if at_once:
            start = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14")]
            await peer.send(peer.headers(request.stream_id, [*start, (b"grpc-retry-pushback-ms", value)], end=True))
        else:
            await peer.send(
                peer.headers(request.stream_id),
                peer.trailers(request.stream_id, UNAVAILABLE, (b"grpc-retry-pushback-ms", value)),
            )

    return fault


FAULTS: list[Fault] = [
    says_unavailable, says_unavailable_at_once, says_503, refuses_the_stream, goes_away_before_it, is_lost,
    is_lost_within_the_reply,
]  # fmt: skip
UNPROCESSED: list[Fault] = [refuses_the_stream, goes_away_before_it]
"""What proves that the request was not processed."""


each_fault = each_row("fault", FAULTS)
each_proof = each_row("fault", UNPROCESSED)
each_doubt = each_row("fault", [fault for fault in FAULTS if fault not in UNPROCESSED])


class Gateway(Http2Server):
    """A gateway that is unavailable for the first requests, and then answers all.

    Args:
        fault: What it does to a request while it is unavailable.
        times: For how many requests.
        port: Where it listens; 0 takes a free port.
    """

    def __init__(self, fault: Fault, times: float = 1, port: int = 0) -> None:
        super().__init__(self._serve)
        self._fault = fault
        self.faults_left = times
        """To how many further requests it does it."""
        self.port = port
        self.seen: list[Request] = []
        """Every request, in order, over all connections."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, peer: Http2Peer) -> None:
        while True:
            request = await peer.request()
            self.seen.append(request)
            if self.faults_left > 0:
                self.faults_left -= 1
                await self._fault(peer, request)
            else:
                await peer.reply(request, REPLY if request.header(b":path") == methods.INVOKE.path.encode() else b"")


async def call(channel: Channel, method: Method[Any, Any], **options: Any) -> list[Any]:
    """Make a call of any method and return the messages of its reply."""
    request = method.request_type()
    if method.name not in STREAMS:
        return [await unary(channel, method, request, CallOptions(**options))]
    async with ServerStream(channel, method, request, CallOptions(**options)) as stream:
        return [message async for message in stream]


def wrapped(kind: proto.MxCommandKind) -> proto.MxCommandRequest:
    """Return a command of a kind with the payload that belongs to it."""
    (payload,) = [each for each, arm in requests._ARMS.items() if arm.upper() == kind.name]
    command: proto.MxCommand = requests.wrap(payload())
    assert command.kind == kind
    return proto.MxCommandRequest(session_id="session-1", command=command)
