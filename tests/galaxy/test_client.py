"""The client of the galaxy: on the gateway client's connection, or on one of its own."""

from __future__ import annotations

import pytest
from grpclib.const import Status

import mxgateway
from mxgateway import (
    ApiKey,
    GalaxyRepositoryClient,
    GatewayClient,
    MxGatewayAuthorizationError,
    MxGatewayTransportError,
    RetryOptions,
)
from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.client.support import connect, requests


async def test_the_galaxy_of_a_client_shares_its_connection_and_closing_it_closes_nothing(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.galaxy as galaxy:
        assert await galaxy.test_connection() is True
        assert gateway.connections == 1
        assert galaxy.endpoint == client.endpoint
    assert await galaxy.test_connection() is True
    async with client.open_session() as session:
        await session.ping()
    assert client.stats().calls_started == galaxy.stats().calls_started == 5


async def test_a_client_of_the_galaxy_alone_connects_awaited_or_in_a_block(gateway: SimulatedGateway) -> None:
    async with GalaxyRepositoryClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as galaxy:
        assert await galaxy.test_connection()
        assert repr(galaxy) == f"<GalaxyRepositoryClient of {gateway.endpoint}>"
    with pytest.raises(MxGatewayTransportError, match="closed"):
        await galaxy.test_connection()
    await galaxy.close()
    options = mxgateway.ClientOptions(api_key=ApiKey(gateway.api_key), plaintext=True)
    galaxy = await GalaxyRepositoryClient.connect(gateway.endpoint, options)
    assert await galaxy.get_last_deploy_time() is not None
    await galaxy.close()
    assert not gateway.sessions


async def test_a_database_that_does_not_answer_is_false_and_no_error(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    gateway.galaxy.database_answers = False
    assert await galaxy.test_connection() is False


async def test_a_cold_cache_is_waited_for_by_further_attempts(gateway: SimulatedGateway) -> None:
    async with connect(gateway, retry=RetryOptions(initial_backoff=0.001, max_backoff=0.001)) as client:
        gateway.fail_next("DiscoverHierarchy", Status.UNAVAILABLE, "The repository cache is not loaded yet.", times=3)
        gateway.fail_next("BrowseChildren", Status.UNAVAILABLE, "The repository cache is not loaded yet.", times=2)
        assert await client.galaxy.discover_hierarchy()
        (area, *_) = await client.galaxy.browse()
        gateway.fail_next("BrowseChildren", Status.UNAVAILABLE, "The repository cache is not loaded yet.", times=4)
        assert await area.expand()
        assert client.stats().calls_retried == 9
        gateway.galaxy.chill()
        with pytest.raises(MxGatewayTransportError, match="not loaded yet") as caught:
            await client.galaxy.discover_hierarchy()
        assert caught.value.retryable
        assert len(requests(gateway, "DiscoverHierarchy")) == 4 + 5


async def test_a_key_without_the_scope_is_told_which_one_it_needs() -> None:
    keys = [SimulatedKey(), SimulatedKey(key_id="weak", scopes=frozenset({Scope.SESSION_OPEN}))]
    async with SimulatedGateway(api_keys=keys) as gateway, connect(gateway, api_key=keys[1].reveal()) as client:
        galaxy = client.galaxy
        for call in (galaxy.test_connection, galaxy.get_last_deploy_time, galaxy.browse, galaxy.tree):
            with pytest.raises(MxGatewayAuthorizationError) as caught:
                await call()
            assert caught.value.required_scope == "metadata:read"
        with pytest.raises(MxGatewayAuthorizationError):
            await anext(galaxy.watch_deploy_events())
