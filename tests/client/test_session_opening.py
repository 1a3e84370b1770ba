"""Sessions are opened one after another where a client needs many, and none is left at the gateway that nobody has."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    OpenSessionOptions,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import connect, requests, until
from tests.client.suspensions import Leftovers, Moment, Suspensions
from tests.client.virtual_time import LoopClock, run

SLOW = SimulatorOptions(worker_start_time=4.0)


@asynccontextmanager
async def plant(
    options: SimulatorOptions | None = None, **fields: Any
) -> AsyncIterator[tuple[SimulatedGateway, GatewayClient]]:
    """A gateway and a client of it, in virtual time."""
    async with SimulatedGateway(options=options, clock=LoopClock()) as gateway, connect(gateway, **fields) as client:
        yield gateway, client


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let a test run in virtual time."""

    def test_in_virtual_time() -> None:
        run(test())

    test_in_virtual_time.__name__ = test.__name__
    return test_in_virtual_time


def opening(client: GatewayClient, name: str = "") -> asyncio.Task[Session]:
    """Begin to open a session as a subscription does."""
    return asyncio.create_task(client._opener.open(OpenSessionOptions(client_session_name=name)))


def names(gateway: SimulatedGateway) -> list[str]:
    """Return the names of the sessions that were asked for."""
    return [request.client_session_name for request in requests(gateway, "OpenSession")]


# -- a caller that has gone


@in_virtual_time
async def test_a_session_that_is_opened_after_its_caller_ran_out_of_time_is_closed() -> None:
    async with plant(SLOW) as (gateway, client):
        begin = now()
        with pytest.raises(
            MxGatewayTimeoutError, match=r"no answer .* within 0.3 s during MxAccessGateway/OpenSession"
        ):
            await client.open_session(timeout=0.3)
        assert now() - begin == pytest.approx(0.3)
        assert len(gateway.sessions) == 1
        await asyncio.sleep(4)
        assert not gateway.sessions
        assert len(requests(gateway, "CloseSession")) == 1
        assert not client._opener.pending


@pytest.mark.parametrize("end", ["timeout", "cancelled", "client closed"])
@pytest.mark.parametrize("way", ["open_session", "open_session_raw"])
def test_no_session_is_left_whose_caller_has_gone(way: str, end: str) -> None:
    async def go(client: GatewayClient) -> None:
        bound = 1.0 if end == "timeout" else None
        if way == "open_session":
            await client.open_session(timeout=bound)
        else:
            await client.open_session_raw(proto.OpenSessionRequest(), timeout=bound)

    async def play() -> None:
        async with plant(SLOW) as (gateway, client):
            caller = asyncio.create_task(go(client))
            await asyncio.sleep(1.1)
            if end == "cancelled":
                caller.cancel()
            elif end == "client closed":
                await client.close()
            await asyncio.wait([caller])
            assert caller.cancelled() or isinstance(caller.exception(), MxGatewayError)
            await asyncio.sleep(4)
            assert len(requests(gateway, "OpenSession")) == len(requests(gateway, "CloseSession")) == 1
            assert not gateway.sessions

    run(play())


@in_virtual_time
async def test_a_session_that_was_opened_raw_is_its_caller_s_alone() -> None:
    async with plant() as (gateway, client):
        session_id = (await client.open_session_raw(proto.OpenSessionRequest())).session_id
        await client.close()
        assert set(gateway.sessions) == {session_id}


@in_virtual_time
async def test_the_client_s_own_bound_counts_as_the_caller_s() -> None:
    async with plant(SLOW, call_timeout=1.0) as (gateway, client):
        with pytest.raises(MxGatewayTimeoutError, match="within 1 s"):
            await client.open_session()
        await asyncio.sleep(4)
        assert not gateway.sessions


@in_virtual_time
async def test_a_caller_that_waits_longer_than_any_other_is_waited_for_by_the_call() -> None:
    async with plant(SimulatorOptions(worker_start_time=100, worker_start_limit=200)) as (gateway, client):
        await client.open_session(timeout=150)
        await client.open_session(timeout=float("inf"))
        assert len(gateway.sessions) == 2


@in_virtual_time
async def test_a_call_that_ran_out_of_time_before_it_was_sent_is_never_sent() -> None:
    async with plant(SimulatorOptions(streams_per_connection=1)) as (gateway, client):
        session = await client.open_session()
        gateway.hold("Invoke.Ping")
        ping = asyncio.create_task(session.ping())
        await asyncio.sleep(0.1)
        with pytest.raises(MxGatewayTimeoutError, match="no free stream for MxAccessGateway/OpenSession"):
            await client.open_session(timeout=0.3)
        gateway.release("Invoke.Ping")
        await ping
        await asyncio.sleep(1)
        assert len(names(gateway)) == 1


@in_virtual_time
async def test_a_refused_bound_is_told_before_anything_is_sent() -> None:
    async with plant() as (gateway, client):
        with pytest.raises(MxGatewayError, match="timeout is -1"):
            await client.open_session(timeout=-1)
        assert not names(gateway)


@in_virtual_time
async def test_a_session_whose_closing_did_not_reach_the_gateway_is_closed_later() -> None:
    async with plant(SLOW, retry=None) as (gateway, client):
        gateway.fail_next("CloseSession", Status.UNAVAILABLE, "not just now", times=2)
        with pytest.raises(MxGatewayTimeoutError):
            await client.open_session(timeout=1)
        await asyncio.sleep(20)
        assert not gateway.sessions
        assert len(requests(gateway, "CloseSession")) == 3


@in_virtual_time
async def test_a_session_that_cannot_be_closed_for_long_is_left_to_its_lease() -> None:
    async with plant(SLOW, retry=None) as (gateway, client):
        gateway.fail_next("CloseSession", Status.UNAVAILABLE, "never", times=1000)
        with pytest.raises(MxGatewayTimeoutError):
            await client.open_session(timeout=1)
        await asyncio.sleep(100)
        assert len(requests(gateway, "CloseSession")) == 6
        assert not client._opener.pending


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


# -- the end of the client


@in_virtual_time
async def test_closing_the_client_frees_whoever_waits_for_a_session_of_a_subscription_at_once() -> None:
    async with plant(SLOW) as (gateway, client):
        openings = [opening(client) for _ in range(6)]
        await asyncio.sleep(1)
        begin = now()
        closing = asyncio.create_task(client.close())
        await asyncio.wait(openings)
        assert now() == begin
        for each in openings:
            with pytest.raises(MxGatewayTransportError, match="the client is closed"):
                each.result()
        await closing
        assert now() - begin <= 5
        assert len(names(gateway)) == 2
        await asyncio.sleep(10)
        assert len(gateway.sessions) == 1, (
            "the second worker would have taken 7 s, closing the client takes 5 s at most"
        )


@in_virtual_time
async def test_closing_the_client_waits_for_what_was_sent_and_closes_it() -> None:
    async with plant(SLOW) as (gateway, client):
        late = asyncio.create_task(client.open_session(timeout=0.1).__aenter__())
        await asyncio.wait([late])
        assert isinstance(late.exception(), MxGatewayTimeoutError)
        begin = now()
        await client.close()
        assert now() - begin == pytest.approx(3.9, abs=0.1)
        assert not gateway.sessions


@in_virtual_time
async def test_a_client_that_closes_opens_no_further_session() -> None:
    async with plant(SLOW) as (gateway, client):
        first = asyncio.create_task(client.open_session().__aenter__())
        await until(lambda: len(names(gateway)) == 1)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(1)
        for attempt in (
            opening(client),
            client.open_session(),
            client.open_session_raw(requests(gateway, "OpenSession")[0]),
        ):
            with pytest.raises(MxGatewayTransportError, match="the client is closed"):
                await attempt
        await closing
        with pytest.raises(MxGatewayTransportError, match="the client is closed"):
            await first
        assert not gateway.sessions
        assert len(names(gateway)) == 1


@in_virtual_time
async def test_whoever_opens_a_session_is_freed_at_once_when_the_client_closes_sent_or_not() -> None:
    async with plant(SimulatorOptions(streams_per_connection=1)) as (gateway, client):
        gateway.hold("OpenSession")
        openings = [asyncio.create_task(client.open_session().__aenter__()) for _ in range(3)]
        await asyncio.sleep(1)
        closing = asyncio.create_task(client.close())
        begin = now()
        await asyncio.wait(openings)
        assert now() == begin
        assert all(isinstance(each.exception(), MxGatewayTransportError) for each in openings)
        gateway.release("OpenSession")
        await closing
        assert len(names(gateway)) == 1
        assert not gateway.sessions
