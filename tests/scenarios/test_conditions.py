"""What a step can wait for."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway.simulator import ManualClock, Play, Scenario, SimulatedGateway
from tests.client.support import advised, connect
from tests.scenarios.rig import LEVEL, TAG, steps, world

THEN = "galaxy_database = { answers = false }"


def waiting(gateway: SimulatedGateway, when: str, then: str = THEN) -> Play:
    return gateway.play(Scenario.from_text(steps(f"when = {{ {when} }}\n{then}")))


async def has_waited(play: Play) -> bool:
    """Return whether it still waits after all that is due has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not play.done


TAGS = [
    (f'tag = "{TAG}", equals = 7', (6, 192), (7, 192)),
    (f'tag = "{TAG}", above = 7', (7, 192), (8, 192)),
    (f'tag = "{TAG}", below = -7', (-7, 192), (-8, 192)),
    (f'tag = "{TAG}", above = 3, below = 5', (5, 192), (4, 192)),
    (f'tag = "{TAG}", quality = "bad"', (5, 64), (5, 0)),
    (f'tag = "{TAG}", quality = "uncertain"', (5, 0), (5, 88)),
    (f'tag = "{TAG}", equals = 7, quality = "good"', (7, 64), (7, 192)),
    (f'tag = "{LEVEL}", above = 90', (90, 192), (90.5, 192)),
]


@pytest.mark.parametrize(("when", "before", "after"), TAGS, ids=[when for when, _, _ in TAGS])
async def test_a_step_waits_for_a_value_or_a_quality(
    when: str, before: tuple[float, int], after: tuple[float, int]
) -> None:
    tag = LEVEL if LEVEL in when else TAG
    async with SimulatedGateway() as gateway:
        if 'quality = "bad"' not in when:
            gateway.set_tag(tag, before[0], quality=before[1])
        play = waiting(gateway, when)
        gateway.set_tag(tag, before[0], quality=before[1])
        assert await has_waited(play)
        gateway.set_tag(tag, after[0], quality=after[1])
        gateway.set_tag(tag, before[0], quality=before[1])  # a value that has gone again counts
        await play


async def test_a_value_that_is_there_already_is_enough() -> None:
    closed = "TestChildObject.RefusedInt"
    later = f'when = {{ tag = "{closed}", equals = 5 }}\n{THEN}\n\nset_tag = {{ tag = "{closed}", value = 5 }}'
    async with SimulatedGateway() as gateway:
        gateway.set_tag(closed, 5)
        await gateway.play(Scenario.from_text(steps(later)))
    async with SimulatedGateway() as gateway:
        gateway.set_tag(TAG, 7)
        await waiting(gateway, f'tag = "{TAG}", equals = 7')


async def test_a_step_can_follow_a_while_after_its_condition_holds() -> None:
    clock = ManualClock()
    async with SimulatedGateway(clock=clock) as gateway:
        play = waiting(gateway, f'tag = "{TAG}", equals = 7', f"after = 5\n{THEN}")
        clock.advance(10)
        gateway.set_tag(TAG, 7)
        gateway.set_tag(TAG, 8)
        clock.advance(4.9)
        assert await has_waited(play)
        clock.advance(0.1)
        assert [each.seconds for each in (await play).log] == [15]


async def test_a_driven_tag_fulfils_a_condition_at_its_time_within_one_move_of_the_clock() -> None:
    clock = ManualClock()
    async with SimulatedGateway(clock=clock) as gateway:
        driven = "TestMachine_001.TestChangingInt"
        first = gateway.tag(driven).sample.native
        text = f'when = {{ tag = "{driven}", above = {first + 2} }}\n{THEN}\n\nafter = 100\n{THEN}'
        play = gateway.play(Scenario.from_text(steps(text)))
        for _ in range(3):
            await asyncio.sleep(0)
        clock.advance(3600)
        await play
        began, ended = (each.seconds for each in play.log)
        assert 0 < began < 60
        assert ended == began + 100


async def test_a_client_s_write_and_a_deployed_tag_count() -> None:
    async with world("") as here, here.session() as session:
        play = waiting(here.gateway, f'tag = "{TAG}", equals = 7')
        here.gateway.deploy(remove=[TAG])
        here.gateway.deploy(here.gateway.first_plant)
        item = await advised(session, TAG)
        assert not play.done
        await session.write_confirmed(*item.pair, 7, timeout=5)
        await play


async def test_a_step_waits_for_so_many_calls_of_a_method_since_the_scenario_began() -> None:
    async with world("") as here, here.session() as session:
        await session.ping()
        play = waiting(
            here.gateway,
            'method = "Invoke.Ping", times = 2',
            'fail_next = { method = "Invoke.Ping", status = "INTERNAL" }',
        )
        await session.ping()
        assert await has_waited(play)
        await session.ping()
        await play
        with pytest.raises(Exception, match="INTERNAL"):
            await session.ping()


async def test_a_step_waits_for_sessions_connections_and_subscribers_and_for_none() -> None:
    async with SimulatedGateway() as gateway:
        one = waiting(gateway, "connections = 1")
        assert await has_waited(one)
        async with connect(gateway) as client:
            await one
            two = waiting(gateway, "sessions = 2")
            async with client.open_session() as session:
                assert await has_waited(two)
                async with client.open_session():
                    await two
                read = waiting(gateway, "subscribers = 1")
                assert await has_waited(read)
                async with session.stream_events():
                    await read
                    unread = waiting(gateway, "subscribers = 0")
                    assert await has_waited(unread)
                await unread
                none = waiting(gateway, "sessions = 0")
                assert await has_waited(none)
            await none
            left = waiting(gateway, "connections = 0")
        await left


async def test_a_condition_outlives_a_restart_and_leaves_nothing_behind() -> None:
    async with world("") as here:
        play = waiting(here.gateway, f'tag = "{TAG}", equals = 7')
        await has_waited(play)
        await here.gateway.restart()
        here.gateway.set_tag(TAG, 7)
        await play
        other = waiting(here.gateway, f'tag = "{TAG}", equals = 8')
        await has_waited(other)
        other.stop()
        here.gateway.set_tag(TAG, 8)
        assert other.log == []
        assert not here.gateway.switches._watchers
