"""Peers that are not gateways: bare servers, and the scripted HTTP/2 server."""

from mxgateway.testing.network.sockets import PATIENCE
from tests.peers.http2.http2_frames import LEAST_FRAME_SIZE, grpc_message, header_frames, raw_frame, unknown_frame
from tests.peers.http2.http2_peer import DEFAULT_WINDOW, PREFACE, RESPONSE, Header, Http2Peer, Request
from tests.peers.http2.http2_server import Http2Server, Script
from tests.peers.http2.raw_server import (
    HALF_GREETING,
    ClientGone,
    RawServer,
    StreamScript,
    closes_at_once,
    drops_attempts,
    endless,
    full_backlog,
    http1,
    http1_status,
    resets_at_once,
    says,
    silent,
)

__all__ = [
    "DEFAULT_WINDOW",
    "HALF_GREETING",
    "LEAST_FRAME_SIZE",
    "PATIENCE",
    "PREFACE",
    "RESPONSE",
    "ClientGone",
    "Header",
    "Http2Peer",
    "Http2Server",
    "RawServer",
    "Request",
    "Script",
    "StreamScript",
    "closes_at_once",
    "drops_attempts",
    "endless",
    "full_backlog",
    "grpc_message",
    "header_frames",
    "http1",
    "http1_status",
    "raw_frame",
    "resets_at_once",
    "says",
    "silent",
    "unknown_frame",
]
