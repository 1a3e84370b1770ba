"""A client that takes a stream's bytes and throws them away: what a server can send at most."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

from mxgateway.transport import frames
from tests.benchmarks import worker

ADDRESS: Final = ("127.0.0.1", int(sys.argv[1]))
WINDOW: Final = 2**30
DEFAULT_WINDOW: Final = 65_535
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS: Final = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/mxaccess_gateway.v1.MxAccessGateway/StreamEvents"),
    (b":authority", b"localhost"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)
SETTINGS_INITIAL_WINDOW_SIZE: Final = 4
PING: Final = 0x6
ACK: Final = 0x1
STREAM: Final = 1


def stream(events: int) -> dict[str, float]:
    """Take a whole stream; a window of 1 GiB never holds the server back."""
    with socket.create_connection(ADDRESS) as sock:
        settings = struct.pack("!HL", SETTINGS_INITIAL_WINDOW_SIZE, WINDOW)
        sock.sendall(PREFACE + _frame(frames.SETTINGS, 0, 0, settings) + _frame(frames.SETTINGS, ACK, 0, b""))
        sock.sendall(frames.window_update(0, WINDOW - DEFAULT_WINDOW))
        headers = b"".join(_literal(*header) for header in HEADERS)
        watch = worker.Stopwatch()
        sock.sendall(_frame(frames.HEADERS, frames.END_HEADERS, STREAM, headers))
        sock.sendall(_frame(frames.DATA, frames.END_STREAM, STREAM, bytes(5)))
        _discard(sock)
        return watch.stop(events, events)


def _discard(sock: socket.socket) -> None:
    buffer = b""
    while data := sock.recv(1 << 20):
        buffer += data
        position = 0
        while len(buffer) - position >= frames.HEADER_SIZE:
            length, kind, flags, _ = frames.parse_header(buffer, position)
            end = position + frames.HEADER_SIZE + length
            if end > len(buffer):
                break
            if kind == PING and not flags & ACK:
                sock.sendall(_frame(PING, ACK, 0, buffer[end - length : end]))
            if kind == frames.HEADERS and flags & frames.END_STREAM:
                return
            position = end
        buffer = buffer[position:]
    raise ConnectionError("the server closed the connection")


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack("!HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream_id) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header for the block, neither indexed nor compressed (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


if __name__ == "__main__":
    worker.serve({"stream": stream})
