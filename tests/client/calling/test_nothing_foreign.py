"""Whatever the gateway or the network does, the public API raises what is below MxGatewayError and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mxgateway import GatewayClient, MxGatewayError, Session, proto
from mxgateway.options import RetryOptions
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import PATIENCE, TAG, advised, kinds, until
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import answers, in_turn, on_request, per_connection
from tests.peers.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.rows import each_row
from tests.transport.rig import REPLY

BOUND = 0.3
"""Seconds that each call has where nobody may answer it."""
AT_ONCE = RetryOptions(max_attempts=3, initial_backoff=0.001, max_backoff=0.002)
FEW = 1000
"""Frames of a flood: here it is the calls beside it that matter."""
REQUEST = proto.MxCommandRequest(session_id="session-1")


async def read_all(events: Any) -> int:
    """Read an event stream to its end."""
    async with events:
        return len([event async for event in events])


HANG_UP = ["goaway_then_hang_up", "too_many_pings", "lost_before_trailers"]
"""Nothing can be sent behind these."""

Call = Callable[[GatewayClient, Session], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "invoke_raw": lambda client, _: client.invoke_raw(REQUEST, timeout=BOUND),
    "invoke": lambda client, _: client.invoke(REQUEST, timeout=BOUND),
    "register": lambda _, session: session.register("somebody", timeout=BOUND),
    "add_item": lambda _, session: session.add_item(1, "Tank.Level", timeout=BOUND),
    "write": lambda _, session: session.write(1, 2, 3.5, timeout=BOUND),
    "write_confirmed": lambda _, session: session.write_confirmed(1, 2, 3.5, timeout=BOUND),
    "ping": lambda _, session: session.ping(timeout=BOUND),
    "state": lambda _, session: session.state(timeout=BOUND),
    "stream_events_raw": lambda client, _: read_all(
        client.stream_events_raw(proto.StreamEventsRequest(session_id="session-1"), timeout=BOUND)
    ),
    "open_session": lambda client, _: client.open_session_raw(proto.OpenSessionRequest(), timeout=BOUND),
    "close_session": lambda client, _: client.close_session_raw("session-1", timeout=BOUND),
    "stream_alarms": lambda client, _: read_all(client.stream_alarms(timeout=BOUND)),
    "query_active_alarms": lambda client, _: client.query_active_alarms(timeout=BOUND),
    "acknowledge_alarm": lambda client, _: client.acknowledge_alarm("Galaxy!Area1.Tank01.HiHi", timeout=BOUND),
}


def assert_ours(outcomes: dict[str, Any]) -> None:
    """Check that every outcome is a result, or an error that tells what it is."""
    for name, outcome in outcomes.items():
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, MxGatewayError), f"{name}: {outcome!r}"
            assert "report it" not in str(outcome), f"{name}: {outcome!r}"
            assert str(outcome).isprintable()


@each_row("name", MISBEHAVIOURS)
async def test_a_misbehaving_gateway_raises_nothing_foreign_in_any_of_the_calls_that_it_meets(name: str) -> None:
    arguments: dict[str, Any] = {"count": FEW} if name.endswith("_flood") else {}
    first = on_request(MISBEHAVIOURS[name](**arguments))
    if name not in HANG_UP:
        first = in_turn(first, answers(REPLY))
    async with Http2Server(per_connection(first, answers(REPLY))) as server:
        async with GatewayClient.connect(server.endpoint, plaintext=True, retry=AT_ONCE) as client:
            session = client.attach_session("session-1")
            calls = [call(client, session) for call in CALLS.values()]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert_ours(dict(zip(CALLS, outcomes, strict=True)))
            if name != "no_streams":  # which allows no further call
                assert (await client.invoke_raw(REQUEST, timeout=PATIENCE)).diagnostic_message == "answered"
        await server.all_gone()


@each_row("fault", ["reset", "reset_receiver", "close", "half_close", "black_hole"])
async def test_a_network_that_fails_under_a_session_raises_nothing_foreign_and_the_session_goes_on(fault: str) -> None:
    keepalive: dict[str, Any] = {"keepalive_time": 0.2, "keepalive_timeout": 0.2}
    async with (
        SimulatedGateway() as gateway,
        FaultProxy(gateway.port) as proxy,
        GatewayClient.connect(proxy.endpoint, api_key=gateway.api_key, plaintext=True, **keepalive) as client,
        client.open_session() as session,
    ):
        item = await advised(session)
        gateway.hold_write_completions()
        calls = {"write_confirmed": start(session.write_confirmed(*item.pair, 7))}
        await until(lambda: kinds(gateway)[-1] == "WRITE")
        gateway.hold_commands()
        calls |= {
            "stream_events": start(read_all(session.stream_events())),
            "register": start(session.register("other")),
            "add_item": start(session.add_item(item.server, TAG)),
        }
        sent = len(kinds(gateway))
        await until(lambda: len(kinds(gateway)) == sent + 2)
        getattr(proxy.to_client, fault)(on="current")
        outcomes = dict(zip(calls, await asyncio.gather(*calls.values(), return_exceptions=True), strict=True))
        assert_ours(outcomes)
        assert {name for name, outcome in outcomes.items() if isinstance(outcome, MxGatewayError)} == set(calls)
        gateway.release_commands()
        gateway.release_write_completions()
        await session.ping(timeout=PATIENCE)


def start(call: Awaitable[Any]) -> asyncio.Future[Any]:
    """Let a call run by itself."""
    return asyncio.ensure_future(call)
