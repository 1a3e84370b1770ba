"""A client that discards a stream's bytes: shows the most that a server can send."""

from __future__ import annotations

import socket
import sys
from typing import Final

from mxgateway.transport.http2 import frames
from tests.benchmarks import http2, worker

ADDRESS: Final = ("127.0.0.1", int(sys.argv[1]))


def stream(events: int) -> dict[str, float]:
    """Read a whole stream; a window of 1 GiB never limits the server."""
    with socket.create_connection(ADDRESS) as sock:
        sock.sendall(http2.opening())
        watch = worker.Stopwatch()
        sock.sendall(http2.request())
        _discard(sock)
        return watch.stop(events, events)


def _discard(sock: socket.socket) -> None:
    splitter = http2.Splitter()
    while data := sock.recv(1 << 20):
        for kind, flags, payload in splitter.frames_of(data):
            if answer := http2.reply_due(kind, flags, payload):
                sock.sendall(answer)
            if kind == frames.HEADERS and flags & frames.END_STREAM:
                return
    raise ConnectionError("the server closed the connection")


if __name__ == "__main__":
    worker.serve({"stream": stream})
