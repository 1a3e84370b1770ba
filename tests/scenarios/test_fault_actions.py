"""What each action on calls, sessions and events does, as the client sees it."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import (
    GapCause,
    MxGatewayError,
    MxGatewayMalformedReplyError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    Outcome,
    Session,
)
from tests.rows import each_row
from tests.scenarios.rig import LEVEL, TAG, World, table, until, world

ROWS, row = table()


async def item_of(session: Session, tag: str = TAG) -> tuple[int, int]:
    """Return the handles of an advised item."""
    server = await session.register("tests")
    item = await session.add_item(server, tag)
    await session.advise(server, item)
    return server, item


@row("""
fail_next = { method = "Invoke.Register", status = "RESOURCE_EXHAUSTED", message = "too many", times = 2 }
""")
async def fail_next(world: World) -> None:
    async with world.session() as session:
        await world.play()
        for _ in range(2):
            with pytest.raises(MxGatewayError, match="too many"):
                await session.register("x")
        assert await session.register("x")


@row("""
refuse_next = { method = "Invoke.Register" }

refuse_next = { method = "Invoke.AddItem", goaway = true }
""")
async def refuse_next(world: World) -> None:
    async with world.session() as session:
        await world.play()
        assert await session.add_item(await session.register("x"), TAG)
        counts = world.gateway.switches.counts
        assert (counts["Invoke.Register"], counts["Invoke.AddItem"]) == (2, 2), "each was sent again"


@row("""
empty_replies = { method = "Invoke.Register" }

empty_replies = { method = "GetLastDeployTime" }
""")
async def empty_replies(world: World) -> None:
    async with world.session() as session:
        await world.play()
        with pytest.raises(MxGatewayMalformedReplyError):
            await session.register("x")
        assert await world.client.galaxy.get_last_deploy_time() is None
        assert await session.register("x")


@row("""
hold = { method = "Invoke.Ping" }
""")
async def hold_and_release(world: World) -> None:
    async with world.session() as session:
        await world.play()
        waiting = asyncio.create_task(session.ping())
        assert await session.register("x"), "other commands are answered"
        assert not waiting.done()
        await world.play('[[steps]]\nrelease = { method = "Invoke.Ping" }')
        await waiting


@row("""
hold_commands = {}
""")
async def hold_commands(world: World) -> None:
    async with world.session() as session:
        await world.play()
        waiting = asyncio.create_task(session.register("x"))
        with pytest.raises(MxGatewayTimeoutError):
            await session.ping(timeout=0.1)
        await world.play("[[steps]]\nrelease_commands = {}")
        assert await waiting


@row("""
hold_write_completions = {}
""")
async def hold_completions(world: World) -> None:
    async with world.session() as session:
        pair = await item_of(session)
        await world.play()
        with pytest.raises(MxGatewayTimeoutError):
            await session.write_confirmed(*pair, 1, timeout=0.1)
        waiting = asyncio.create_task(session.write_confirmed(*pair, 2, timeout=10))
        await world.play("[[steps]]\nrelease_write_completions = {}")
        await waiting


@row("""
hold = { method = "Invoke.Ping" }

fail_next = { method = "Invoke.Register", status = "INTERNAL" }

delay_replies = { seconds = 60 }

clear_faults = {}
""")
async def clear_faults(world: World) -> None:
    async with world.session() as session:
        await world.play()
        await session.ping()
        assert await session.register("x")


@row("""
crash_worker = { session = "mine", reason = "an access violation" }
""")
async def crash_worker(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        async with world.session() as session:
            await world.play()
            with pytest.raises(MxGatewayError, match="an access violation"):
                await session.ping()
        assert consumer.outcomes == [], "the other session is well"
        await world.play("[[steps]]\ncrash_worker = {}")
        await until(lambda: consumer.outcomes == [Outcome.REBUILT])


@row("""
hang_worker = { session = "mine" }
""")
async def hang_worker(world: World) -> None:
    async with world.session() as well, world.events(TAG) as events:
        (session_id,) = [each for each in world.gateway.sessions if each != well.session_id]
        await world.play(world.text.replace("mine", session_id))
        world.gateway.set_tag(TAG, 99)
        waiting = asyncio.ensure_future(anext(events))
        await well.ping()
        assert not waiting.done(), "no event comes"
        waiting.cancel()
        await world.play()
        with pytest.raises(MxGatewayTimeoutError):
            await well.ping(timeout=0.2)


@row("""
close_session = { reason = "its lease expired" }
""")
async def close_session(world: World) -> None:
    async with world.session() as session:
        await world.play()
        with pytest.raises(MxGatewaySessionError, match="its lease expired"):
            await session.ping()


@row("""
take_events = {}
""")
async def take_events(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        await until(lambda: not world.gateway.subscribers)
        world.gateway.set_tag(TAG, 5)
        await world.play("[[steps]]\nleave_events = {}")
        await until(lambda: consumer.values[TAG] == 5)
        assert consumer.outcomes


@row("""
reuse_handle = { handle = 77 }
""")
async def reuse_handle(world: World) -> None:
    async with world.session() as session:
        await world.play()
        assert await session.register("x") == 77


@row("""
skip_sequence = { count = 3 }
""")
async def skip_sequence(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        world.gateway.set_tag(TAG, 1)
        await until(lambda: consumer.gaps and consumer.values[TAG] == 1)
        assert [(gap.cause, gap.count) for gap in consumer.gaps] == [(GapCause.SEQUENCE, 3)]


@row("""
lose_events = { count = 2, family = "data_change" }
""")
async def lose_events(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        for value in (1, 2, 3):
            world.gateway.set_tag(TAG, value)
        await until(lambda: consumer.gaps and consumer.values[TAG] == 3)
        assert [(gap.cause, gap.count) for gap in consumer.gaps] == [(GapCause.SEQUENCE, 2)]


@row("""
repeat_events = {}
""")
async def repeat_events(world: World) -> None:
    async with world.events(TAG) as events:
        await world.play()
        world.gateway.set_tag(TAG, 1)
        world.gateway.set_tag(TAG, 2)
        seen = [await anext(events) for _ in range(2)]
        assert [each.value.int32_value for each in seen] == [1, 2], "each is delivered once"


@row("""
spoil_events = {}
""")
async def spoil_events(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        world.gateway.set_tag(TAG, 1)
        world.gateway.set_tag(TAG, 2)
        await until(lambda: consumer.gaps and consumer.values[TAG] == 2)
        assert [gap.cause for gap in consumer.gaps] == [GapCause.UNREADABLE]


@row("""
decrease_sequence = { by = 2 }
""")
async def decrease_sequence(world: World) -> None:
    async with world.subscribed(TAG, LEVEL) as consumer:
        await world.play()
        world.gateway.set_tag(TAG, 1)
        world.gateway.set_tag(TAG, 2)
        await until(lambda: consumer.values[TAG] == 2)
        assert all(update.value != 1 for update in consumer.updates), "an old number is no new event"
        assert [(gap.cause, gap.count) for gap in consumer.gaps] == [(GapCause.SEQUENCE, 1)]


@row("""
invent_event = { sequence = 18446744073709551615 }
""")
async def invent_event(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        world.gateway.set_tag(TAG, 2)
        await until(lambda: consumer.values[TAG] == 2)
        assert all(not gap.count or gap.count < 10 for gap in consumer.gaps), "nobody has lost so many events"


@row("""
replay_gap = { lost = 4 }
""")
async def replay_gap(world: World) -> None:
    async with world.subscribed(TAG) as consumer:
        await world.play()
        await until(lambda: consumer.gaps)
        assert [(gap.cause, gap.count) for gap in consumer.gaps] == [(GapCause.REPLAY, 4)]
        assert consumer.outcomes == [Outcome.GAP]


@each_row("name", ROWS)
async def test_the_client_sees_what_the_action_does(name: str) -> None:
    text, outcome = ROWS[name]
    async with world(text) as started, asyncio.timeout(20):
        await outcome(started)
