"""The codec that grpclib's channels and servers use, over a real connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from betterproto.grpc.grpclib_client import ServiceStub
from grpclib.client import Channel
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server, Stream

from mxgateway import proto, wire

ROUTE = "/test.Echo/Ping"


class Echo:
    async def ping(self, stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        assert isinstance(request, proto.MxEvent)
        await stream.send_message(proto.MxEvent(value=request.value, raw_status="seen"))

    def __mapping__(self) -> dict[str, Handler]:
        return {ROUTE: Handler(self.ping, Cardinality.UNARY_UNARY, proto.MxEvent, proto.MxEvent)}


def test_it_is_a_codec_for_the_usual_content_type() -> None:
    codec = wire.WireCodec()
    assert isinstance(codec, CodecBase)
    assert codec.__content_subtype__ == "proto"


async def test_a_channel_and_a_server_speak_with_it() -> None:
    server = Server([Echo()], codec=wire.WireCodec())
    await server.start("127.0.0.1", 0)
    assert server._server is not None
    port = cast("asyncio.Server", server._server).sockets[0].getsockname()[1]
    try:
        async with Channel("127.0.0.1", port, codec=wire.WireCodec()) as channel:
            value = proto.MxValue(timestamp_value=wire.Timestamp.from_parts(1714972089, 123456700))
            reply = await ServiceStub(channel)._unary_unary(ROUTE, proto.MxEvent(value=value), proto.MxEvent)
    finally:
        server.close()
        await server.wait_closed()
    assert reply.raw_status == "seen"
    assert isinstance(reply.value.timestamp_value, wire.Timestamp)
    assert reply.value.timestamp_value.nanosecond == 700


def test_a_message_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a MxEvent, not a MxValue"):
        wire.WireCodec().encode(proto.MxValue(), proto.MxEvent)


def test_the_size_limit_counts_in_both_directions() -> None:
    codec = wire.WireCodec(size_limit=10)
    with pytest.raises(wire.WireError, match="more than the limit of 10"):
        codec.encode(proto.MxEvent(raw_status="x" * 10), proto.MxEvent)
    with pytest.raises(wire.WireError, match="more than the limit of 10"):
        codec.decode(b"\x6a\x0a" + b"x" * 10, proto.MxEvent)
    assert codec.decode(codec.encode(proto.MxEvent(quality=192), proto.MxEvent), proto.MxEvent).quality == 192
