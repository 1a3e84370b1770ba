from __future__ import annotations

import grpc
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.peer import Peer, PeerSession, ok, take


async def test_the_next_calls_of_a_method_fail_as_ordered(gateway: SimulatedGateway, peer: Peer) -> None:
    gateway.fail_next("OpenSession", Status.UNAVAILABLE, "the gateway is tired: 100 %, ünd so", times=2)
    for _ in range(2):
        failure = await peer.fails("OpenSession")
        assert failure.code() is grpc.StatusCode.UNAVAILABLE
        assert failure.details() == "the gateway is tired: 100 %, ünd so"
    ok(await peer.call("OpenSession"))


async def test_one_kind_of_command_fails_and_no_other(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession
) -> None:
    gateway.fail_next("Invoke.Register", Status.ABORTED, "no")
    ok(await session.invoke("ping"))
    assert (await peer.invoke_fails(session.session_id, "register")).code() is grpc.StatusCode.ABORTED
    ok(await session.invoke("register"))


async def test_a_stream_fails_as_ordered(gateway: SimulatedGateway, session: PeerSession) -> None:
    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "later")
    assert await session.events().code() is grpc.StatusCode.UNAVAILABLE
    await session.advise("TestChildObject.TestInt")
    await take(session.events(), 1)


async def test_a_reply_can_be_replaced_by_one_without_its_payload(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    gateway.reply_override("Invoke.Register", lambda reply: mx.MxCommandReply(protocol_status=reply.protocol_status))
    reply = ok(await session.invoke("register"))
    assert reply.WhichOneof("payload") is None
    assert ok(await session.invoke("register")).register.server_handle > 0


async def test_every_reply_can_be_changed_until_the_switches_are_cleared(gateway: SimulatedGateway, peer: Peer) -> None:
    def older(reply: mx.OpenSessionReply) -> mx.OpenSessionReply:
        reply.gateway_protocol_version = 2
        return reply

    gateway.reply_override("OpenSession", older, times=None)
    gateway.fail_next("CloseSession", Status.INTERNAL)
    assert [(await peer.call("OpenSession")).gateway_protocol_version for _ in range(2)] == [2, 2]
    gateway.switches.clear()
    reply = await peer.call("OpenSession")
    assert reply.gateway_protocol_version == 3
    ok(await peer.call("CloseSession", session_id=reply.session_id))


async def test_a_tag_takes_any_value_quality_and_time(gateway: SimulatedGateway, session: PeerSession) -> None:
    from datetime import UTC, datetime

    moment = datetime(2020, 1, 1, tzinfo=UTC)
    for name in ("TestInt", "TestTime", "TestIntArray"):
        await session.advise(f"TestChildObject.{name}")
    await session.drain()
    gateway.set_tag("TestChildObject.TestInt", 3, quality=64, source_time=moment)
    gateway.set_tag("TestChildObject.TestTime", moment)
    gateway.set_tag("TestChildObject.TestIntArray", (1, 2))
    gateway.set_tag("TestChildObject.TestInt", None, quality=0)
    number, time, array, nothing = await session.drain()
    assert (number.value.int32_value, number.quality) == (3, 64)
    assert number.source_timestamp.ToDatetime(UTC) == moment
    assert time.value.timestamp_value.ToDatetime(UTC) == moment
    assert list(array.value.array_value.int32_values.values) == [1, 2]
    assert (nothing.value.is_null, nothing.quality) == (True, 0)


async def test_a_driven_tag_keeps_a_set_value_until_its_next_tick(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    gateway.set_tag("TestMachine_001.TestChangingInt", 1000)
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(1)
    assert [event.value.int32_value for event in await session.drain()] == [1000, 2]


async def test_dropped_connections_leave_the_sessions(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    gateway.drop_connections()
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    async with Peer(gateway.endpoint, gateway.api_key) as peer:
        ok(await peer.invoke(session.session_id, "ping"))
