"""Connected means greeted: an address counts when it has answered HTTP/2, and `connect` can wait for one."""

from __future__ import annotations

import asyncio

from mxgateway import ConnectionChange, GatewayClient, SubscriptionState
from mxgateway.errors import GrpcStatus
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import TAG, until
from tests.field.behaviours import Behaviour
from tests.peers.http2.raw_peers import RawServer, closes_at_once
from tests.subscription.rig import QUICK

BEHAVIOURS = [
    Behaviour(
        "of several addresses the first that answers the greeting wins, not the first that accepts TCP",
        "transport/connecting/test_greeted_first.py::test_the_addresses_are_raced_to_the_answered_greeting",
        (
            "transport/connecting/test_greeted_first.py::test_when_no_address_greets_the_one_that_came_farthest_is_told",
            "transport/connecting/test_greeted_first.py::test_cancelling_the_race_closes_every_attempt",
        ),
    ),
    Behaviour(
        "the race includes the TLS handshake",
        "transport/connecting/test_greeted_first.py::test_the_race_includes_the_tls_handshake",
        (
            "transport/connecting/test_greeted_first.py::test_an_address_with_a_refused_certificate_leaves_the_race_to_the_others",
            "transport/connecting/test_greeted_first.py::test_a_certificate_without_http2_behind_it_is_never_written_down",
        ),
    ),
    Behaviour(
        "a peer that closes without a byte is UNAVAILABLE and retryable",
        "transport/connecting/test_waiting_for_a_gateway.py::test_without_wait_there_is_one_attempt",
        ("field/test_greeted.py::test_a_subscription_survives_a_forwarder_whose_gateway_restarts",),
    ),
    Behaviour(
        "connect(wait=SECONDS) and connect(wait=None) wait for a gateway that is not up yet",
        "transport/connecting/test_waiting_for_a_gateway.py::test_a_gateway_that_starts_later_is_waited_for",
        (
            "transport/connecting/test_waiting_for_a_gateway.py::test_a_forwarder_and_a_silent_host_are_waited_for_as_well",
            "transport/connecting/test_waiting_for_a_gateway.py::test_what_waiting_does_not_mend_ends_it_at_once",
            "transport/connecting/test_waiting_for_a_gateway.py::test_waiting_can_be_cancelled",
            "transport/connecting/test_waiting_for_a_gateway.py::test_a_wait_that_is_no_time_is_refused",
        ),
    ),
    Behaviour(
        "a command line waits for a gateway that is not up yet",
        "cli/connecting/test_wait_for_gateway.py::test_a_command_waits_for_a_gateway_that_starts_later",
        (
            "cli/connecting/test_wait_for_gateway.py::test_it_ends_when_its_time_is_up_and_at_once_for_what_waiting_does_not_mend",
            "cli/connecting/test_wait_for_gateway.py::test_the_timeout_of_the_whole_command_bounds_the_waiting",
        ),
    ),
]


async def test_a_subscription_survives_a_forwarder_whose_gateway_restarts() -> None:
    changes: list[ConnectionChange] = []
    async with (
        SimulatedGateway() as gateway,
        FaultProxy(gateway.port) as forwarder,
        RawServer(closes_at_once) as nothing,
    ):
        async with GatewayClient.connect(forwarder.endpoint, api_key=gateway.api_key, plaintext=True) as client:
            async with client.subscribe([TAG], recovery=QUICK) as updates:

                async def consume() -> None:
                    async for update in updates:
                        if isinstance(update, ConnectionChange):
                            changes.append(update)

                consuming = asyncio.create_task(consume())
                await until(lambda: updates.state is SubscriptionState.CONNECTED)
                forwarder.target_port = nothing.port
                forwarder.reset_all()
                await until(lambda: nothing.connections >= 3)
                assert updates.state is SubscriptionState.RECOVERING
                forwarder.target_port = gateway.port
                await until(lambda: updates.state is SubscriptionState.CONNECTED and changes[-1].cause is None)
                consuming.cancel()
                await asyncio.wait([consuming])
        await nothing.all_gone()
    causes = [change.cause for change in changes if change.cause is not None]
    assert causes
    assert all(cause.retryable and cause.grpc_status is GrpcStatus.UNAVAILABLE for cause in causes)
