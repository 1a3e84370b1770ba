from __future__ import annotations

import asyncio
import re

import grpc

from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, Peer, PeerSession, ok

CLOSED = CONTRACT.number("SESSION_STATE_CLOSED")


async def test_open_session_tells_everything_that_a_client_checks(gateway: SimulatedGateway, peer: Peer) -> None:
    reply = ok(await peer.call("OpenSession", client_session_name="svc", client_correlation_id="c1"))
    assert re.fullmatch(r"session-[0-9a-f]{32}", reply.session_id)
    assert reply.backend_name == "mxaccess-worker"
    assert reply.gateway_protocol_version == 3
    assert reply.worker_protocol_version == 1
    assert reply.worker_process_id > 0
    assert list(reply.capabilities) == ["unary-acknowledge-alarm", "server-stream-active-alarms"]
    assert reply.default_command_timeout.ToNanoseconds() == 30 * 10**9
    assert gateway.sessions[reply.session_id].name == "svc"


async def test_each_session_has_its_own_id_and_worker(peer: Peer) -> None:
    replies = [await peer.call("OpenSession") for _ in range(3)]
    assert len({reply.session_id for reply in replies}) == 3
    assert len({reply.worker_process_id for reply in replies}) == 3


async def test_the_command_timeout_of_the_request_is_told_back(peer: Peer) -> None:
    reply = await peer.call("OpenSession", command_timeout={"seconds": 7, "nanos": 500_000_000})
    assert reply.default_command_timeout.ToMilliseconds() == 7500


async def test_an_unknown_backend_and_a_negative_timeout_are_refused(peer: Peer) -> None:
    assert (await peer.fails("OpenSession", requested_backend="x")).code() is grpc.StatusCode.INVALID_ARGUMENT
    failure = await peer.fails("OpenSession", command_timeout={"seconds": -1})
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_another_protocol_version_can_be_told() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(gateway_protocol_version=4)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        assert (await peer.call("OpenSession")).gateway_protocol_version == 4


async def test_closing_is_idempotent_and_always_answers_closed(peer: Peer, session: PeerSession) -> None:
    for _ in range(3):
        reply = ok(await peer.call("CloseSession", session_id=session.session_id))
        assert reply.final_state == CLOSED
        assert reply.session_id == session.session_id


async def test_an_unknown_session_is_not_found_by_every_call(peer: Peer) -> None:
    unknown = f"session-{'0' * 32}"
    assert (await peer.fails("CloseSession", session_id=unknown)).code() is grpc.StatusCode.NOT_FOUND
    assert (await peer.invoke_fails(unknown, "ping")).code() is grpc.StatusCode.NOT_FOUND
    stream = peer.stream("StreamEvents", session_id=unknown)
    assert await stream.code() is grpc.StatusCode.NOT_FOUND


async def test_a_closed_session_takes_no_commands_and_no_streams_but_tells_its_state(
    peer: Peer, session: PeerSession
) -> None:
    await peer.call("CloseSession", session_id=session.session_id)
    failure = await peer.invoke_fails(session.session_id, "ping")
    assert failure.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert session.session_id in failure.details()
    assert await session.events().code() is grpc.StatusCode.FAILED_PRECONDITION
    state = (await session.invoke("get_session_state")).session_state
    assert state.state == CLOSED


async def test_a_session_too_many_is_refused_until_another_one_closes() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(session_limit=2)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        first = await peer.open()
        await peer.open()
        assert (await peer.fails("OpenSession")).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await peer.call("CloseSession", session_id=first.session_id)
        await peer.open()


async def test_the_lease_ends_an_idle_session_and_any_unary_call_extends_it(
    clock: ManualClock, peer: Peer, session: PeerSession
) -> None:
    clock.advance(1700)
    ok(await session.invoke("ping"))
    clock.advance(1700)
    ok(await session.invoke("ping"))
    clock.advance(1830)
    assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "lease" in (await session.invoke("get_session_state")).session_state.fault_message


async def test_an_attached_event_stream_holds_the_session(clock: ManualClock, session: PeerSession) -> None:
    stream = await session.attach()
    clock.advance(10_000)
    ok(await session.invoke("ping"))
    stream.cancel()


async def test_a_session_is_closed_when_its_stream_does_not_come_back_within_the_grace(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer, session: PeerSession, until: Until
) -> None:
    events = gateway.sessions[session.session_id].events
    for is_back in (True, False):
        stream = await session.attach()
        stream.cancel()
        await until(lambda: not events.is_attached)
        clock.advance(29)
        ok(await session.invoke("ping"))
        if is_back:
            stream = await session.attach()
            clock.advance(60)
            ok(await session.invoke("ping"))
            stream.cancel()
            await until(lambda: not events.is_attached)
    clock.advance(2)
    assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_workers_start_one_after_another_and_one_that_is_late_fails_its_session(until: Until) -> None:
    clock = ManualClock()
    options = SimulatorOptions(worker_start_time=12.0)
    async with (
        SimulatedGateway(options=options, clock=clock) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        idle = clock.pending
        openings = [asyncio.create_task(peer.call("OpenSession")) for _ in range(3)]
        await until(lambda: len(gateway.sessions) == 3)
        for _ in range(3):
            await until(lambda: clock.pending == idle + 1)
            clock.advance(12)
        results = await asyncio.gather(*openings, return_exceptions=True)
        failures = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
        assert [failure.code() for failure in failures] == [grpc.StatusCode.UNAVAILABLE]
        assert len(gateway.sessions) == 2


async def test_a_session_whose_opener_has_gone_starts_all_the_same(until: Until) -> None:
    clock = ManualClock()
    async with (
        SimulatedGateway(options=SimulatorOptions(worker_start_time=1.0), clock=clock) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        idle = clock.pending
        opening = asyncio.create_task(peer.call("OpenSession"))
        await until(lambda: clock.pending == idle + 1)
        opening.cancel()
        await asyncio.wait([opening])
        clock.advance(1)
        [session] = gateway.sessions.values()
        await until(lambda: session.state.name == "READY")


async def test_a_gateway_that_stops_while_a_session_starts_leaves_nothing(until: Until) -> None:
    clock = ManualClock()
    async with SimulatedGateway(options=SimulatorOptions(worker_start_time=1.0), clock=clock) as gateway:
        peer = Peer(gateway.endpoint, gateway.api_key)
        idle = clock.pending
        opening = asyncio.create_task(peer.fails("OpenSession"))
        await until(lambda: clock.pending == idle + 1)
    assert (await opening).code() is grpc.StatusCode.UNAVAILABLE
    await peer.channel.close()


async def test_a_restart_of_the_gateway_ends_every_session(gateway: SimulatedGateway, session: PeerSession) -> None:
    port = gateway.port
    await gateway.restart()
    assert gateway.port == port
    async with Peer(gateway.endpoint, gateway.api_key) as peer:
        failure = await peer.invoke_fails(session.session_id, "ping")
        assert failure.code() is grpc.StatusCode.NOT_FOUND


async def test_a_crashed_worker_faults_its_session_for_good(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession
) -> None:
    stream = await session.attach()
    gateway.crash_worker(session.session_id)
    assert await stream.code() is grpc.StatusCode.UNAVAILABLE
    assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION
    state = (await session.invoke("get_session_state")).session_state
    assert state.state == CONTRACT.number("SESSION_STATE_FAULTED")
    assert "exited unexpectedly" in state.fault_message
    assert (await peer.call("CloseSession", session_id=session.session_id)).final_state == CLOSED
