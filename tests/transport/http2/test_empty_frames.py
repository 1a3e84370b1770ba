"""DATA frames without data cost the peer nothing; they must not cost memory here."""

import tracemalloc

from mxgateway.transport.streams.reply_stream import ReplyLimits, ReplyStream


def test_a_million_empty_frames_are_not_kept() -> None:
    reply: ReplyStream[bytes] = ReplyStream(bytes, ReplyLimits(1024, 1024))
    empty = [b""] * 1000
    tracemalloc.start()
    try:
        for _ in range(1000):
            reply.receive_data(list(empty), 0)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 64 * 1024
