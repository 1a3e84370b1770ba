"""What a pushed stream counts, tells a tracer and costs: few calls for an event, and no garbage."""

import asyncio
import gc
import sys

import pytest
from hyperframe.frame import RstStreamFrame

from mxgateway import proto
from mxgateway.errors import (
    MxGatewayError,
)
from mxgateway.options.tracing import CallInfo, CallTrace
from mxgateway.wire import encode
from tests.peers.http2.raw_peers import DEFAULT_WINDOW, grpc_message
from tests.transport.pushing import BROKEN, Taker, data, fed, messages, opened, pushed, to_event, turns
from tests.transport.rig import event
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- counts and traces


class Trace(CallTrace):
    def __init__(self) -> None:
        self.received, self.ends = 0, 0

    def message_sent(self, size: int) -> None:
        pass

    def messages_received(self, count: int) -> None:
        self.received += count

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        pass

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        self.ends += 1


class Tracer:
    def __init__(self) -> None:
        self.trace = Trace()

    def call_started(self, info: CallInfo) -> CallTrace:
        return self.trace


@pytest.mark.parametrize("traced", [False, True])
async def test_messages_are_counted_and_told_to_the_tracer_once(traced: bool) -> None:
    tracer = Tracer()
    async with fed(**({"tracer": tracer} if traced else {})) as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 5)))
        for number in range(6, 9):
            line.feed(data(1, messages(number, number)))
        line.feed(data(1, messages(9, 30)) + peer.trailers(1).serialize())
        assert taker.ends == [None]
        assert channel.stats().messages_received == 30
        assert (tracer.trace.received, tracer.trace.ends) == ((30, 1) if traced else (0, 0))


# -- what it costs


async def test_an_event_that_comes_alone_takes_few_calls_from_the_socket_to_the_receiver() -> None:
    raw = to_event(event(1))
    async with fed() as (channel, line, peer):
        taker = Taker()
        received: list[proto.MxEvent] = []
        taker.receive = lambda messages, /: received.extend(messages) or True  # type: ignore[method-assign, func-returns-value]
        await pushed(channel, taker, lambda _: raw).open()
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 1)))
        frames = [data(1, messages(number, number)) for number in range(2, 102)]
        calls = 0

        def count(frame: object, kind: str, argument: object) -> None:
            nonlocal calls
            calls += kind in ("call", "c_call")

        feed = line.protocol.data_received  # type: ignore[attr-defined]
        sys.setprofile(count)
        for frame in frames:
            feed(frame)
        sys.setprofile(None)
        assert len(received) == 101
        assert calls / len(frames) <= 12  # four of them are of the decoder and the receiver above, and of this test


async def test_a_long_run_of_single_events_keeps_nothing() -> None:
    async with fed() as (channel, line, peer):
        taker = Taker()
        taker.receive = lambda messages, /: True  # type: ignore[method-assign]
        stream = await opened(channel, taker)
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 1)))
        frame = data(1, messages(2, 2))
        for _ in range(1000):
            line.feed(frame)
        gc.collect()
        before = sys.getallocatedblocks()
        for number in range(20_000):
            line.feed(frame)
            if number % 1000 == 0:
                await asyncio.sleep(0)
        assert sys.getallocatedblocks() - before < 500
        stream.close()


@each_row("how", ["ended", "closed", "failed", "undecodable", "defect"])
async def test_a_stream_leaves_nothing_to_the_garbage_collector(how: str) -> None:
    async with fed() as (channel, line, peer):

        async def one() -> None:
            def receive(taker: Taker) -> None:
                if how == "defect":
                    raise ZeroDivisionError

            stream = await opened(channel, taker := Taker(receive))
            stream_id = line.stream_id
            line.feed(peer.headers(stream_id).serialize() + data(stream_id, messages(1, 3)))
            if how == "ended":
                line.feed(peer.trailers(stream_id).serialize())
            elif how == "failed":
                line.feed(RstStreamFrame(stream_id, error_code=2).serialize())
            elif how == "undecodable":
                line.feed(data(stream_id, BROKEN))
            await turns()
            assert len(taker.ends) == (how != "closed")
            taker.ends.clear()  # the traceback of a defect of its own leads back to the receiver
            stream.close()

        for _ in range(3):
            await one()
        await turns()
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await one()
            await turns()
            assert gc.collect() < 10
        finally:
            gc.enable()


async def test_the_collector_does_not_run_while_many_events_are_decoded() -> None:
    statuses = [proto.MxStatusProxy(detail=number) for number in range(100)]

    body = b"".join(
        grpc_message(encode(proto.MxEvent(worker_sequence=number, statuses=statuses))) for number in range(64)
    )
    runs: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        runs.append(phase)

    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(1).serialize())
        assert len(body) < DEFAULT_WINDOW * 4
        frames = data(1, *(body[at : at + 16_384] for at in range(0, len(body), 16_384)))
        gc.collect()
        gc.callbacks.append(note)
        try:
            line.feed(frames)
        finally:
            gc.callbacks.remove(note)
        assert len(taker.taken) == 64
        assert len(runs) <= 2
