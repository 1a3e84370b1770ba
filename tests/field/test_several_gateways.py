"""Several gateways: the first that can be reached is used, and a subscription whose gateway is gone is rebuilt at another."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mxgateway import ConnectionChange, GatewayClient, SubscriptionState, TlsOptions
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.client.stage import ALARM
from tests.client.support import until
from tests.field.behaviours import Behaviour
from tests.peers.network.certificates import self_signed
from tests.subscription.rig import QUICK

BEHAVIOURS = [
    Behaviour(
        "a subscription is rebuilt at the other gateway, with an exact account: killed, hung, refusing, HTTP/1, another "
        "certificate, the key refused",
        "subscription/recovery/test_failover.py::test_a_subscription_is_rebuilt_at_the_other_gateway",
    ),
    Behaviour(
        "the client comes back to the first gateway after its failure has passed",
        "subscription/recovery/test_failover.py::test_it_comes_back_to_the_first_one_after_the_failure_has_passed",
        ("subscription/recovery/test_failover.py::test_an_endpoint_that_failed_a_moment_ago_is_still_the_last_resort",),
    ),
    Behaviour(
        "a session of the lost gateway is unknown at the other one, and the error says so",
        "subscription/recovery/test_failover.py::test_a_session_of_the_lost_gateway_is_unknown_at_the_other_one",
    ),
    Behaviour(
        "a gateway that refuses the key leaves its calls to the other one",
        "subscription/recovery/test_failover.py::test_a_gateway_that_refuses_the_key_leaves_its_calls_to_the_other_one",
        ("subscription/recovery/test_failover.py::test_a_key_that_every_gateway_refuses_is_told",),
    ),
    Behaviour(
        "each endpoint has its own trust in certificates and its own name",
        "field/test_several_gateways.py::test_each_gateway_has_its_own_certificate_and_name",
    ),
    Behaviour(
        "an alarm board is rebuilt at the other gateway as well",
        "field/test_several_gateways.py::test_a_board_of_alarms_and_a_watch_of_deployments_go_on_at_the_other_gateway",
    ),
    Behaviour(
        "--endpoint twice, or with commas, in the environment and in a profile",
        "cli/connecting/test_several_endpoints.py::test_of_several_endpoints_the_first_one_that_can_be_reached_is_used",
        (
            "cli/connecting/test_several_endpoints.py::test_the_lines_of_a_batch_use_them_as_well",
            "cli/connecting/test_several_endpoints.py::test_an_endpoint_among_others_is_read_as_strictly_as_one",
            "cli/connecting/test_several_endpoints.py::test_a_proxy_is_asked_for_one_after_the_other",
        ),
    ),
]

KEY = "of-both-gateways"


async def test_each_gateway_has_its_own_certificate_and_name(tmp_path: Path) -> None:
    certificates = [self_signed(), self_signed()]
    known = tmp_path / "known"
    keys = [SimulatedKey(secret=KEY)]
    first, second = [SimulatedGateway(ssl_context=each.context(), api_keys=keys) for each in certificates]
    async with first, second:
        endpoints = [first.endpoint, second.endpoint]
        tls = TlsOptions(known_gateways=known)
        async with GatewayClient.connect(endpoints, api_key=first.api_key, tls=tls) as client:
            assert await client.galaxy.test_connection()
            await first.stop()
            await until(lambda: not client.stats().connected)
            assert await client.galaxy.test_connection()
        for gateway in (first, second):
            assert {dict(call.metadata)[":authority"] for call in gateway.received} == {gateway.endpoint}
        lines = known.read_text().splitlines()
        for gateway, certificate in zip((first, second), certificates, strict=True):
            assert f"{gateway.endpoint} SHA256:{certificate.fingerprint}" in lines


async def test_a_board_of_alarms_and_a_watch_of_deployments_go_on_at_the_other_gateway() -> None:
    keys = [SimulatedKey(secret=KEY)]
    first, second = SimulatedGateway(api_keys=keys), SimulatedGateway(api_keys=keys)
    async with first, second:
        endpoints = [first.endpoint, second.endpoint]
        client = await GatewayClient.connect(endpoints, api_key=first.api_key, plaintext=True)
        changes: list[object] = []
        async with client, client.galaxy.watch_deploy_events() as watch, client.alarm_board(recovery=QUICK) as board:

            async def follow() -> None:
                async for change in board:
                    changes.append(change)

            following = asyncio.create_task(follow())
            await anext(watch)
            await first.stop()
            states = [SubscriptionState.RECOVERING, SubscriptionState.CONNECTED]
            await until(lambda: [each.state for each in changes if isinstance(each, ConnectionChange)][-2:] == states)
            last = [each for each in changes if isinstance(each, ConnectionChange)][-1]
            assert last.endpoint == second.endpoint
            second.alarms.raise_alarm(ALARM)
            await until(lambda: ALARM in board.active)
            second.deploy()
            assert await anext(watch)
            assert client.endpoint == second.endpoint
            following.cancel()
            await asyncio.wait([following])
