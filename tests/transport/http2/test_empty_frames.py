"""DATA frames without data cost the peer nothing; they must not cost memory here."""

import tracemalloc

from mxgateway import proto
from mxgateway.transport.streams.reply_stream import ReplyLimits, ReplyStream
from mxgateway.wire import BUILTIN


def test_a_million_empty_frames_are_not_kept() -> None:
    reply: ReplyStream[proto.MxEvent] = ReplyStream(
        BUILTIN.decoder_of(proto.MxEvent), ReplyLimits(1024, 1024), BUILTIN.steps_of(proto.MxEvent)
    )
    empty = [b""] * 1000
    tracemalloc.start()
    try:
        for _ in range(1000):
            reply.receive_data(list(empty), 0)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 64 * 1024
