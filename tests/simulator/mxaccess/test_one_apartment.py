"""Commands run one after another on the session's apartment, whoever still waits."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, Peer, PeerSession, command, ok


async def test_the_command_after_the_last_allowed_pending_one_fails_at_once(until: Until) -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(pending_command_limit=3)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        gateway.hold_commands()
        pending = [asyncio.create_task(session.invoke("ping")) for _ in range(3)]
        apartment = gateway.sessions[session.session_id].worker.apartment
        await until(lambda: len(apartment) == 3)
        info = ok(await session.invoke("get_worker_info")).worker_info
        assert info.pending_commands == 3
        failure = await peer.invoke_fails(session.session_id, "ping")
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        other = await peer.open()
        held = asyncio.create_task(other.invoke("ping"))
        gateway.release_commands()
        for reply in [*await asyncio.gather(*pending), await held, await session.invoke("ping")]:
            ok(reply)


async def test_the_default_limit_is_128_pending_commands(gateway: SimulatedGateway, peer: Peer, until: Until) -> None:
    session = await peer.open()
    gateway.hold_commands()
    pending = [asyncio.create_task(session.invoke("ping")) for _ in range(128)]
    # One connection carries 100 streams: a second one carries the rest.
    async with Peer(gateway.endpoint, gateway.api_key) as second:
        apartment = gateway.sessions[session.session_id].worker.apartment
        pending += [asyncio.create_task(second.invoke(session.session_id, "ping")) for _ in range(28)]
        await until(lambda: len(apartment) == 128)
        failure = await second.invoke_fails(session.session_id, "ping")
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        gateway.release_commands()
        results = await asyncio.gather(*pending, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) >= 128


async def test_a_command_that_takes_too_long_is_deadline_exceeded_and_still_runs(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    calling = asyncio.create_task(peer.invoke_fails(session.session_id, "register", client_name="late"))
    apartment = gateway.sessions[session.session_id].worker.apartment
    await until(lambda: len(apartment) == 1)
    clock.advance(30)
    assert (await calling).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    gateway.release_commands()
    ok(await session.invoke("ping"))
    assert [server.client_name for server in gateway.sessions[session.session_id].worker.servers.values()] == ["late"]


async def test_a_cancelled_call_leaves_its_command_running(
    gateway: SimulatedGateway, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    calling = asyncio.create_task(session.invoke("register", client_name="cancelled"))
    worker = gateway.sessions[session.session_id].worker
    await until(lambda: len(worker.apartment) == 1)
    calling.cancel()
    await asyncio.wait([calling])
    gateway.release_commands()
    ok(await session.invoke("ping"))
    assert [server.client_name for server in worker.servers.values()] == ["cancelled"]


async def test_the_clients_deadline_ends_the_call_and_not_the_command(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    rpc = CONTRACT.rpcs["Invoke"]
    invoke = peer.channel.unary_unary(rpc.path)
    request = rpc.request(**command(session.session_id, "register", client_name="slow")).SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await invoke(request, metadata=peer.metadata, timeout=0.5)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: len(gateway.sessions[session.session_id].worker.apartment) == 1)
    gateway.release_commands()
    ok(await session.invoke("ping"))
    assert len(gateway.sessions[session.session_id].worker.servers) == 1


async def test_closing_the_session_fails_its_pending_commands(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    pending = [asyncio.create_task(peer.invoke_fails(session.session_id, "ping")) for _ in range(2)]
    apartment = gateway.sessions[session.session_id].worker.apartment
    await until(lambda: len(apartment) == 2)
    await peer.call("CloseSession", session_id=session.session_id)
    assert {(await call).code() for call in pending} == {grpc.StatusCode.FAILED_PRECONDITION}


async def test_a_crash_of_the_worker_fails_its_pending_commands(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    pending = [asyncio.create_task(peer.invoke_fails(session.session_id, "ping")) for _ in range(2)]
    apartment = gateway.sessions[session.session_id].worker.apartment
    await until(lambda: len(apartment) == 2)
    gateway.crash_worker(session.session_id)
    assert {(await call).code() for call in pending} == {grpc.StatusCode.UNAVAILABLE}
