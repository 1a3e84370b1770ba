"""Sessions of subscriptions are opened in turns, and a success wakes those that pause between attempts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    OpenSessionOptions,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.openings import SLOW, in_virtual_time, names, now, opening, plant
from tests.client.support import connect, until
from tests.client.suspensions import Leftovers, Moment, Suspensions

# -- many at once


@in_virtual_time
async def test_sessions_that_a_program_opens_by_itself_do_not_wait_for_one_another() -> None:
    async with plant() as (gateway, client):
        gateway.hold("OpenSession")
        begin = now()
        openings = [asyncio.create_task(client.open_session().__aenter__()) for _ in range(6)]
        await until(lambda: len(names(gateway)) == 6)
        assert now() - begin < 0.1
        gateway.release("OpenSession")
        await asyncio.gather(*openings)


@in_virtual_time
async def test_openings_of_subscriptions_take_turns_in_their_order_two_at_once_and_half_a_second_apart() -> None:
    async with plant() as (gateway, client):
        gateway.hold("OpenSession")
        openings = [opening(client, name) for name in "abcde"]
        await asyncio.sleep(0.49)
        assert names(gateway) == ["a"]
        await asyncio.sleep(30)
        assert names(gateway) == ["a", "b"]
        gateway.release("OpenSession")
        await asyncio.sleep(0.01)
        assert names(gateway) == ["a", "b", "c"]
        await asyncio.sleep(0.48)
        assert names(gateway) == ["a", "b", "c"]
        await asyncio.gather(*openings)
        assert names(gateway) == ["a", "b", "c", "d", "e"]


@in_virtual_time
async def test_who_is_cancelled_while_it_waits_for_its_turn_leaves_the_queue() -> None:
    async with plant() as (gateway, client):
        gateway.hold("OpenSession")
        openings = [opening(client, name) for name in "abcde"]
        await asyncio.sleep(1)
        for index in (2, 3):
            openings[index].cancel()
        await asyncio.wait(openings[2:4])
        gateway.release("OpenSession")
        await asyncio.gather(openings[0], openings[1], openings[4])
        await asyncio.sleep(10)
        assert names(gateway) == ["a", "b", "e"]
        assert len(gateway.sessions) == 3


@in_virtual_time
async def test_a_turn_lasts_until_the_gateway_has_answered_also_when_its_caller_has_gone() -> None:
    async with plant() as (gateway, client):
        gateway.hold("OpenSession")
        openings = [opening(client, name) for name in "abc"]
        await asyncio.sleep(1)
        openings[0].cancel()
        await asyncio.sleep(10)
        assert names(gateway) == ["a", "b"]
        gateway.release("OpenSession")
        await asyncio.gather(*openings[1:])
        await until(lambda: len(gateway.sessions) == 2)
        assert names(gateway) == ["a", "b", "c"]


@in_virtual_time
async def test_a_subscription_may_wait_longer_for_its_session_than_other_calls() -> None:
    async with plant(SLOW, call_timeout=1.0) as (_, client), client.subscribe(["TestChildObject.TestInt"]) as updates:
        await anext(updates)


@in_virtual_time
async def test_an_opening_that_is_never_answered_does_not_hold_its_turn_for_ever() -> None:
    async with plant() as (gateway, client):
        gateway.hold("OpenSession")
        openings = [opening(client, name) for name in "abc"]
        begin = now()
        with pytest.raises(MxGatewayTimeoutError, match="within 60 s"):
            await openings[0]
        assert now() - begin == pytest.approx(60, abs=0.1)
        await asyncio.sleep(1)
        assert names(gateway) == ["a", "b", "c"]
        gateway.release("OpenSession")
        await asyncio.wait(openings)


@in_virtual_time
async def test_a_connection_that_does_not_come_about_is_waited_for_once_and_by_all_together() -> None:
    async with plant() as (gateway, client):
        await gateway.stop()
        await until(lambda: client._channel.current is None)
        begin = now()
        outcomes = await asyncio.gather(*(opening(client) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(outcome, MxGatewayTransportError) for outcome in outcomes)
        assert len({id(outcome) for outcome in outcomes}) == 50
        assert now() - begin < 0.5
        await gateway.start()


@pytest.mark.parametrize("moment", [Moment.WAITING, Moment.RESULT], ids=lambda moment: moment.value)
@pytest.mark.parametrize("lost", [False, True], ids=["connected", "that has to connect first"])
async def test_the_opening_of_a_subscription_s_session_can_be_cancelled_at_every_await(
    monkeypatch: pytest.MonkeyPatch, moment: Moment, lost: bool
) -> None:
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)
    async with SimulatedGateway() as gateway, connect(gateway) as client:
        for number in itertools.count(1):
            await client._channel.ready()
            before = Leftovers()
            if lost:
                gateway.drop_connections()
                await until(lambda: client._channel.current is None)
            suspensions = Suspensions(number, moment)
            outcome = await suspensions.outcome_of(client._opener.open(OpenSessionOptions()))
            if not suspensions.requested:
                assert outcome is None
                break
            assert type(outcome) is asyncio.CancelledError
            await until(lambda: not gateway.sessions and not client._opener.pending)
            await client._channel.ready()
            await before.gone()
        assert len(gateway.sessions) == 1
        assert number > 3


# -- pauses between attempts


@in_virtual_time
async def test_who_pauses_is_woken_when_an_opening_succeeds_after_a_failure_and_not_by_every_success() -> None:
    async with plant() as (gateway, client):
        await opening(client)
        woken: list[str] = []
        with client._opener.waiting(lambda: woken.append("a")), client._opener.waiting(lambda: woken.append("b")):
            await opening(client)
            assert not woken
            gateway.fail_next("OpenSession", Status.UNAVAILABLE, "not just now")
            with pytest.raises(MxGatewayError, match="not just now"):
                await opening(client)
            await opening(client)
            assert sorted(woken) == ["a", "b"]
            await opening(client)
        gateway.fail_next("OpenSession", Status.UNAVAILABLE)
        await asyncio.wait([opening(client)])
        await opening(client)
        assert len(woken) == 2, "who pauses no more is not woken"


@in_virtual_time
async def test_the_first_success_on_a_new_connection_wakes_who_pauses() -> None:
    async with plant() as (gateway, client):
        await opening(client)
        woken: list[None] = []
        with client._opener.waiting(lambda: woken.append(None)):
            gateway.drop_connections()
            await until(lambda: client._channel.current is None)
            for _ in range(3):
                await opening(client)
        assert len(woken) == 1


@in_virtual_time
async def test_fifty_that_pause_long_are_all_back_soon_after_the_first_success() -> None:
    async def follow(client: GatewayClient, pause: float) -> None:
        awake = asyncio.Event()
        with pytest.raises(MxGatewayError, match="not just now"):
            await opening(client)
        with client._opener.waiting(awake.set):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await awake.wait()
        await opening(client)

    async with plant() as (gateway, client):
        gateway.fail_next("OpenSession", Status.UNAVAILABLE, "not just now", times=50)
        followers = [asyncio.create_task(follow(client, 100 if number else 30)) for number in range(50)]
        begin = now()
        await asyncio.gather(*followers)
        assert now() - begin <= 30 + 50 * 0.5
        assert len(gateway.sessions) == 50
