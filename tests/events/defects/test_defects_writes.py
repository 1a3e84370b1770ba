"""A confirmation is the write's own, whatever becomes of requests, replies and completions on their way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import MxAccessError, MxGatewayError, MxGatewaySessionError, RecoveryOptions
from mxgateway.simulator import SimulatorOptions
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import WRITE_COMPLETE, Item, change, connect, in_words, is_streaming, until
from tests.events.support import TAG, Site, never_confirmed, site
from tests.subscription.rig import tags_of

LATE = 10_000.0
"""Seconds of a pause that no test waits for."""


async def lose_the_request(world: Site, item: Item, value: Any) -> None:
    """Write, and let the network eat the request and break."""
    world.proxy.to_server.freeze()
    sent = world.proxy.to_server.received
    writing = confirm(world.session, item, value, timeout=10)
    await until(lambda: world.proxy.to_server.received > sent)
    world.lose_connections()
    with pytest.raises(MxGatewayError):
        await writing


async def lose_the_reply(world: Site, item: Item, value: Any) -> None:
    """Write, and let the network eat what the gateway answers, the completion included, and break."""
    world.proxy.to_client.freeze()
    executed = len(world.history.writes)
    writing = confirm(world.session, item, value, timeout=10)
    await until(lambda: len(world.history.writes) > executed)
    world.lose_connections()
    with pytest.raises(MxGatewayError):
        await writing


async def _outcome(writing: asyncio.Task[Any]) -> Any:
    await asyncio.wait([writing])
    return writing.exception() or writing.result()


async def right_and_wrong(world: Site, value: int) -> tuple[Item, asyncio.Task[Any], asyncio.Task[Any]]:
    """Begin to confirm a write that is right and one that is not; both are accepted, and their completions held back."""
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    right = confirm(world.session, item, value, timeout=10)
    await accepted(world.gateway, world.session, 1)
    wrong = confirm(world.session, item, WRONG, timeout=10)
    await accepted(world.gateway, world.session, 2)
    return item, right, wrong


# -- requests and replies that get lost


async def test_an_item_whose_write_never_arrived_can_be_confirmed_again(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await lose_the_request(world, item, 2)
    item = await world.confirm_again(item, 3)
    for value in (4, 5, 6):
        await world.confirm(item, value)


async def test_a_write_by_name_resolves_the_doubt_of_one_that_never_arrived(world: Site) -> None:
    session = world.session
    assert (await session.write_tags({TAG: 1}, confirm=True))[0].confirmed
    world.proxy.to_server.freeze()
    sent = world.proxy.to_server.received
    writing = asyncio.create_task(session.write_tags({TAG: 2}, confirm=True, timeout=10))
    await until(lambda: world.proxy.to_server.received > sent)
    world.lose_connections()
    await asyncio.wait([writing])
    assert writing.exception() is not None or not writing.result()[0].confirmed
    for value in (3, 4):
        (write,) = await session.write_tags({TAG: value}, confirm=True, timeout=10)
        assert write.confirmed, write.error
        assert write.event is not None
        assert world.write_of(write.event).value.int32_value == value


async def test_a_refused_write_is_not_confirmed_in_the_place_of_one_that_never_arrived(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await lose_the_request(world, item, 2)
    received = world.writes_received()
    world.gateway.hold_write_completions()
    wrong = confirm(world.session, item, WRONG, timeout=5)
    right = confirm(world.session, item, 77, timeout=5)
    await until(lambda: wrong.done() or world.there.worker._writes_due)
    world.gateway.release_write_completions()
    await asyncio.wait([wrong, right])
    never_confirmed(wrong.exception())
    fault = right.exception()
    if fault is None:
        assert world.write_of(right.result()).value.int32_value == 77
    else:
        assert in_words(fault, "in doubt")
        assert world.writes_received() == received, "nothing is sent for an item in doubt"


async def test_an_item_in_doubt_refuses_before_anything_is_sent_and_says_what_to_do(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await lose_the_request(world, item, 2)
    received = world.writes_received()
    with pytest.raises(MxGatewaySessionError, match=r"in doubt.*add.*remove"):
        await world.session.write_confirmed(*item.pair, 3)
    assert world.writes_received() == received
    await world.confirm(await world.add_again(item), 4)


async def test_a_doubt_resolves_by_itself_when_the_completion_comes(world: Site) -> None:
    item = await world.advised()
    async with world.session.stream_events(resume=True) as events:
        await world.confirm(item, 1)
        await lose_the_reply(world, item, 2)
        while (event := await anext(events)).family != WRITE_COMPLETE or world.write_of(event).value.int32_value != 2:
            pass
        await world.confirm(item, 3)


async def test_a_completion_that_was_lost_before_the_first_event_is_not_expected_for_ever(world: Site) -> None:
    item = await world.advised()
    world.proxy.to_client.freeze()
    writing = confirm(world.session, item, 1, timeout=10)
    await until(lambda: world.there.events.sent >= 2)
    world.lose_connections()
    await asyncio.wait([writing])
    if writing.exception() is None:
        assert world.write_of(writing.result()).value.int32_value == 1
    for value in (2, 3, 4):
        item = await world.confirm_again(item, value)
    assert world.native() == 4


# -- completions that get lost, or come late, or twice


async def test_a_completion_that_a_jump_has_swallowed_is_told_as_lost(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.faults.lose_next(family=WRITE_COMPLETE)
    with pytest.raises(MxGatewaySessionError, match=r"lost.*perhaps among them"):
        await world.session.write_confirmed(*item.pair, 2, timeout=10)
    for value in (3, 4, 5):
        item = await world.confirm_again(item, value)


async def test_a_completion_that_comes_after_a_gap_does_not_confirm_the_next_write() -> None:
    async with (
        site(options=SimulatorOptions(replay_limit=3)) as world,
        world.session.stream_events(resume=True) as events,
    ):
        item = await world.advised()
        await world.confirm(item, 0)
        world.gateway.hold_write_completions()
        first = confirm(world.session, item, 111, timeout=20)
        await accepted(world.gateway, world.session, 1)
        await world.lose_events(lambda: change(world.gateway, range(20), TAG), 20)
        with pytest.raises(MxGatewayError):
            await first
        while (await anext(events)).replay_gap is None:
            pass
        second = confirm(world.session, item, WRONG, timeout=10)
        await until(lambda: second.done() or world.there.worker._writes_due == 2)
        world.gateway.release_write_completions()
        await asyncio.wait([second])
        never_confirmed(second.exception())
        await world.confirm_again(item, 5)


async def test_a_completion_that_comes_twice_confirms_one_write(world: Site) -> None:
    item, right, wrong = await right_and_wrong(world, 5)
    world.faults.repeat_next(family=WRITE_COMPLETE)
    world.gateway.release_write_completions()
    await asyncio.wait([right, wrong])
    assert world.write_of(right.result()).value.int32_value == 5
    assert isinstance(wrong.exception(), MxAccessError)
    await world.confirm(item, 6)


async def test_completions_that_another_reader_has_taken_are_not_expected_for_ever(world: Site) -> None:
    item = await world.advised()
    async with connect(world.gateway) as other:
        mine = other.attach_session(world.session.session_id)
        async with world.session.stream_events() as events:
            await anext(events)
            for value in range(3):
                await mine.write(*item.pair, value)
            for _ in range(6):
                await anext(events)
        await until(lambda: not is_streaming(world.gateway, world.session))
        theirs = Site(world.gateway, world.history, world.proxy, other, mine, world.clock)
        for value in (10, 11, 12):
            item = await theirs.confirm_again(item, value)


@pytest.mark.parametrize("resume", [False, True])
async def test_completions_that_an_iterator_has_passed_over_are_not_expected_for_ever(
    world: Site, resume: bool
) -> None:
    item = await world.advised()
    await world.session.write(*item.pair, 1)
    await until(lambda: world.history.writes)
    last = world.there.events.last_sequence
    async with world.session.stream_events(last, resume=resume):
        with pytest.raises(MxGatewayError) as refused:
            await world.session.write_confirmed(*item.pair, WRONG, timeout=10)
        assert not isinstance(refused.value, TimeoutError), "a doubt is told at once"
        item = await world.confirm_again(item, 2)
        await world.confirm(item, 3)


async def test_a_reader_that_comes_between_does_not_give_a_refused_write_the_completion_of_another(world: Site) -> None:
    item, right, wrong = await right_and_wrong(world, 2)
    with world.there.another_reader():
        await until(lambda: not world.there.events.is_attached)
        world.gateway.release_write_completions()
    await asyncio.wait([right, wrong])
    if right.exception() is None:
        assert world.write_of(right.result()).value.int32_value == 2
    never_confirmed(wrong.exception())
    await world.confirm_again(item, 3)


async def drained_by_another(world: Site) -> None:
    """Let another client drain what is queued."""
    async with connect(world.gateway) as other:
        assert await other.attach_session(world.session.session_id).drain_events()


async def right_is_told_from_wrong(world: Site, item: Item) -> None:
    """Confirm a write that is right and one that is not at the same time: neither is told the other's outcome."""
    wrong, right = (confirm(world.session, item, value, timeout=10) for value in (WRONG, 77))
    await asyncio.wait([wrong, right])
    never_confirmed(wrong.exception())
    refused = right.exception()
    assert refused is None or in_words(refused, "in doubt"), right
    await world.confirm(await world.confirm_again(item, 78), 79)


@pytest.mark.parametrize("attached", [False, True])
async def test_completions_that_another_client_has_drained_are_not_expected_for_ever(
    world: Site, attached: bool
) -> None:
    item = await world.advised()
    async with connect(world.gateway) as other:
        if attached:
            world.session = other.attach_session(world.session.session_id)
        await world.session.write(*item.pair, 1)
        await until(lambda: world.history.writes)
        await drained_by_another(world)
        await world.session.write(*item.pair, 2)
        await until(lambda: len(world.history.writes) == 2)
        assert await world.session.drain_events()
        await right_is_told_from_wrong(world, item)


async def test_a_completion_that_was_lost_before_any_event_has_come_is_not_expected_for_ever(world: Site) -> None:
    item = await world.advised()
    await drained_by_another(world)
    world.faults.lose_next(family=WRITE_COMPLETE)
    lost = confirm(world.session, item, 1, timeout=0.3)
    await until(lambda: world.native() == 1)
    assert isinstance(await _outcome(lost), MxGatewayError)
    await right_is_told_from_wrong(world, item)


async def test_a_completion_from_before_a_stream_beside_another_one_is_not_expected_for_ever() -> None:
    async with site(options=SimulatorOptions(event_subscribers=8)) as world, world.session.stream_events():
        item = await world.advised()
        async with connect(world.gateway) as other:
            mine = other.attach_session(world.session.session_id)
            world.gateway.hold("StreamEvents")
            lost = confirm(mine, item, 1, timeout=0.3)
            await until(lambda: world.native() == 1)
            assert isinstance(await _outcome(lost), MxGatewayError)
            world.gateway.release("StreamEvents")
            await until(lambda: len(world.there.events._streams) == 2)
            theirs = Site(world.gateway, world.history, world.proxy, other, mine, world.clock)
            wrong, right = (confirm(mine, item, value, timeout=1) for value in (WRONG, 77))
            await asyncio.wait([wrong, right])
            never_confirmed(wrong.exception())
            assert right.exception() is not None or world.write_of(right.result()).value.int32_value == 77
            await theirs.confirm(await theirs.confirm_again(item, 78), 79)


async def test_one_write_is_confirmed_though_others_have_read_what_came_before_it(world: Site) -> None:
    item = await world.advised()
    await drained_by_another(world)
    first, second = (confirm(world.session, item, value, timeout=10) for value in (1, 2))
    assert world.write_of(await first).value.int32_value == 1
    assert world.write_of(await second).value.int32_value == 2


# -- the stream under the writes


async def test_a_waiting_confirmation_survives_a_blip_of_the_stream(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    writing = confirm(world.session, item, 2, timeout=20)
    await accepted(world.gateway, world.session, 1, known=True)
    await world.blip()
    world.gateway.release_write_completions()
    assert world.write_of(await writing).value.int32_value == 2
    await world.confirm(item, 3)


@pytest.mark.parametrize("beside_a_subscription", [False, True])
async def test_a_write_during_a_pause_ends_the_pause_and_is_sent_with_the_stream_open(
    world: Site, beside_a_subscription: bool
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    recovery = RecoveryOptions(initial_backoff=LATE, max_backoff=LATE, stable_after=LATE)
    subscription = world.session.subscribe(tags_of(2)[1:], recovery=recovery, stale_after=None)
    if beside_a_subscription:
        await subscription.__aenter__()
    world.gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=1)
    await world.blip()
    await world.session.ping()
    await world.confirm(item, 2, timeout=5)
    await subscription.aclose()


async def test_a_session_that_has_written_keeps_its_stream_after_a_blip(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await world.blip(world.gateway.drop_connections)
    await world.session.write(*item.pair, 2)
    await until(lambda: world.there.events.is_attached, patience=5)


@pytest.mark.parametrize("goaway", [False, True], ids=["REFUSED_STREAM", "GOAWAY"])
async def test_a_write_that_was_surely_not_processed_is_sent_again_once(world: Site, goaway: bool) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.refuse_next("Invoke.Write", goaway=goaway)
    await world.session.write(*item.pair, 2)
    world.gateway.refuse_next("Invoke.Write", goaway=goaway)
    await world.confirm(item, 3)
    assert [write.value.int32_value for write in world.history.writes] == [1, 2, 3]


async def test_a_write_that_is_refused_twice_fails_and_leaves_no_doubt(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.refuse_next("Invoke.Write", times=2)
    with pytest.raises(MxGatewayError):
        await world.session.write_confirmed(*item.pair, 2, timeout=10)
    await world.confirm(item, 3)


async def test_two_hundred_writes_through_one_lost_connection_are_confirmed_truly_or_not_at_all(world: Site) -> None:
    items = [await world.advised(tag) for tag in tags_of(3)]
    for item in items:
        await world.confirm(item, 0)
    values: list[Any] = [n if n % 3 else f"no number {n}" for n in range(1, 201)]
    tasks = {n: confirm(world.session, items[n % 3], value, timeout=10) for n, value in enumerate(values)}
    await until(lambda: len(world.history.writes) > 60)
    world.proxy.reset_all()
    await asyncio.wait(tasks.values())
    for n, task in tasks.items():
        if task.exception() is None:
            write = world.write_of(task.result())
            assert (write.item_handle, write.succeeded) == (items[n % 3].handle, True)
            assert write.value.int32_value == values[n]
        elif isinstance(task.exception(), MxAccessError):
            assert isinstance(values[n], str), "a write that fits is not refused"
    for number, item in enumerate(items):
        item = await world.confirm_again(item, 1000, tags_of(3)[number])
        await world.confirm(item, 1001)
