"""The default bound of a client's calls can be changed while it is connected."""

from __future__ import annotations

import pytest

from mxgateway import GatewayClient, MxGatewayInvalidRequestError, MxGatewayTimeoutError, Session
from mxgateway.simulator import SimulatedGateway


async def test_a_new_bound_counts_for_the_calls_to_come_of_sessions_that_are_open(
    gateway: SimulatedGateway, client: GatewayClient, session: Session
) -> None:
    assert client.call_timeout == 30.0
    client.call_timeout = 0.05
    gateway.hold_commands()
    with pytest.raises(MxGatewayTimeoutError, match=r"within 0\.05 s"):
        await session.ping()

    gateway.release_commands()
    client.call_timeout = None
    await session.ping()
    assert client.call_timeout is None
    assert gateway.connections == 1


async def test_a_bound_that_is_none_is_refused_and_changes_nothing(client: GatewayClient) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="call_timeout is 0"):
        client.call_timeout = 0

    assert client.call_timeout == 30.0
