"""Every public call can be cancelled at every await: the cancellation comes out, nothing is left behind, and the next call works."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mxgateway import GatewayClient
from mxgateway.simulator import SimulatedGateway
from tests.client.public_calls import CALLS
from tests.client.stage import AWAITABLE, Call, lose_connection, public_classes, public_methods, set_stage
from tests.client.support import connect, is_streaming, until
from tests.client.suspensions import EVERYTHING, Leftovers, Moment, Suspensions, counts_descriptors, streams_gone
from tests.garbage import leave_alone_what_there_is
from tests.peers.network.certificates import ServerCertificate, self_signed

RECONNECTING = [call for call in CALLS if call.reconnects]
MOST_SUSPENSIONS = 60
"""A call that has more is never over."""


def test_every_public_call_is_cancelled_here() -> None:
    assert public_classes() <= set(AWAITABLE)
    assert {call.method for call in CALLS} == set(public_methods())


@pytest.mark.skipif(not counts_descriptors, reason="only Linux tells what a process has open")
async def test_a_descriptor_that_is_left_behind_would_be_noticed(gateway: SimulatedGateway) -> None:
    before = Leftovers()
    async with connect(gateway):
        with pytest.raises(AssertionError, match=r"left behind: .*socket"):
            await before.gone(patience=0.05)
    await before.gone()


@pytest.fixture(autouse=True)
async def no_complaints() -> AsyncIterator[None]:
    """Fail when the event loop has to complain, about an exception that nobody has looked at for example."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: found.append(context))
    leave_alone_what_there_is()
    yield
    gc.collect()  # quick, as it looks at nothing older than the test
    assert found == []


async def cancel_everywhere(
    gateway: SimulatedGateway, client: GatewayClient, call: Call, moment: Moment, *, lost: bool = False
) -> int:
    """Cancel a call at its first suspension, at its second and so on, until it ends by itself; return how many there are."""
    for number in itertools.count(1):
        assert number < MOST_SUSPENSIONS
        if not await cancelled_at(number, gateway, client, call, moment, lost=lost):
            return number - 1
    raise AssertionError


async def cancelled_at(
    number: int, gateway: SimulatedGateway, client: GatewayClient, call: Call, moment: Moment, *, lost: bool
) -> bool:
    """Cancel a call at one suspension and see that nothing is left; return False when it had none of that number."""
    await client._channel.ready()  # so that the connection is not counted as left behind
    before = Leftovers()
    stage = await set_stage(gateway, client)
    stage.prepared = await call.prepare(stage)
    if lost:
        await lose_connection(stage)
    suspensions = Suspensions(number, moment)
    outcome = await suspensions.outcome_of(call.begin(stage))
    if suspensions.requested:
        assert type(outcome) is asyncio.CancelledError, f"at suspension {number}: {outcome!r}"
    else:
        assert outcome is None
    if moment not in EVERYTHING:
        await call.afterwards(stage)
        await streams_gone(client, expected=call.streams + call.watches)
        if stage.session.session_id in gateway.sessions:
            await until(lambda: is_streaming(gateway, stage.session) == (call.streams > 0))
    await stage.close()
    if moment in EVERYTHING:
        for session in list(gateway.sessions.values()):
            session.close()
    await until(lambda: not gateway.sessions)
    await streams_gone(client)
    await before.gone()
    return suspensions.requested > 0


@pytest.mark.parametrize("moment", [Moment.WAITING, Moment.RESULT], ids=lambda moment: moment.value)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_a_call_can_be_cancelled_at_every_await(
    gateway: SimulatedGateway, client: GatewayClient, call: Call, moment: Moment
) -> None:
    await cancel_everywhere(gateway, client, call, moment)


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
@pytest.mark.parametrize("call", RECONNECTING, ids=lambda call: call.name)
async def test_a_call_that_has_to_connect_first_can_be_cancelled_at_every_await(
    gateway: SimulatedGateway, client: GatewayClient, call: Call, moment: Moment
) -> None:
    assert await cancel_everywhere(gateway, client, call, moment, lost=True) > 3


@pytest.fixture(scope="module")
def certificate() -> ServerCertificate:
    return self_signed()


@pytest.mark.parametrize("name", ["GatewayClient.connect", "Session.ping"])
@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
async def test_a_call_that_has_to_shake_hands_first_can_be_cancelled_at_every_await(
    certificate: ServerCertificate, name: str, moment: Moment
) -> None:
    (call,) = [call for call in CALLS if call.name == name]
    async with SimulatedGateway(ssl_context=certificate.context()) as gateway:
        async with connect(gateway, plaintext=False) as client:
            assert await cancel_everywhere(gateway, client, call, moment, lost=True) > 3
