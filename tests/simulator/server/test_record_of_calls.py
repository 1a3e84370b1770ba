"""`SimulatedGateway.received`: what the gateway remembers of the calls, and how much."""

from __future__ import annotations

from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.simulator.peer import Peer, ok


async def test_the_oldest_calls_are_forgotten() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(record_limit=3)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        for number in range(5):
            ok(await peer.call("OpenSession", client_session_name=f"svc{number}"))
        assert [call.request.client_session_name for call in gateway.received] == ["svc2", "svc3", "svc4"]
        assert len(gateway._record._kept) == 3


async def test_the_requests_that_are_kept_have_a_limit_in_bytes() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(record_bytes=10_000)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        for number in range(5):
            ok(await peer.call("OpenSession", client_session_name=f"{number}" * 4000))
        kept = [call.request and call.request.client_session_name[0] for call in gateway.received]
        assert kept == [None, None, None, "3", "4"]
        assert [call.method for call in gateway.received] == ["OpenSession"] * 5
        ok(await peer.call("OpenSession", client_session_name="x" * 20_000))
        assert [call.request for call in gateway.received] == [None] * 6
        ok(await peer.call("OpenSession", client_session_name="small"))
        assert gateway.received[-1].request.client_session_name == "small"


async def test_a_call_that_was_refused_unread_has_no_request(gateway: SimulatedGateway) -> None:
    async with Peer(gateway.endpoint, None) as stranger:
        await stranger.fails("OpenSession", client_session_name="svc")
    assert gateway.received[-1].request is None
