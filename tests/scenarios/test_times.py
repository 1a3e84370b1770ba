"""When steps are done: on the gateway's clock, one after another, repetitions beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mxgateway.simulator import ManualClock, Play, Scenario, SimulatedGateway, SystemClock
from mxgateway.simulator.plant.live_tags import Sample
from tests.scenarios.rig import TAG, steps, until

SET = f'set_tag = {{ tag = "{TAG}", value = 1 }}'


@asynccontextmanager
async def playing(text: str) -> AsyncIterator[tuple[SimulatedGateway, ManualClock, Play]]:
    clock = ManualClock()
    async with SimulatedGateway(clock=clock) as gateway:
        yield gateway, clock, gateway.play(Scenario.from_text(steps(text)))


def seconds(play: Play) -> list[float]:
    return [round(each.seconds, 6) for each in play.log]


async def test_an_hour_is_played_in_one_move_of_the_clock_and_each_step_at_its_time() -> None:
    text = f"at = 12.5\n{SET}\n\nafter = 2\n{SET}\n\n{SET}\n\nat = 3600\n{SET}"
    async with playing(text) as (gateway, clock, play):
        values: list[int] = []
        gateway.tag(TAG).observe("test", lambda sample: values.append(sample.time_ns))
        begin = clock.now_ns()
        clock.advance(3600)
        await play
        assert seconds(play) == [12.5, 14.5, 14.5, 3600]
        assert [(each - begin) / 1e9 for each in values] == [12.5, 14.5, 14.5, 3600]


async def test_nothing_happens_before_its_time() -> None:
    async with playing(f"after = 10\n{SET}") as (_, clock, play):
        clock.advance(9.999)
        assert (play.log, play.done) == ([], False)
        clock.advance(0.001)
        await play
        assert seconds(play) == [10]


async def test_steps_without_a_time_need_no_clock() -> None:
    async with playing(f"{SET}\n\n{SET}") as (_, _clock, play):
        assert seconds(await play) == [0, 0]


async def test_repetitions_run_beside_the_steps_that_follow() -> None:
    text = f"at = 1\nevery = 10\ntimes = 3\n{SET}\n\nat = 15\nstep_clock = {{ seconds = 1 }}"
    async with playing(text) as (_, clock, play):
        clock.advance(100)
        await play
        assert [(round(each.seconds, 6), each.action) for each in play.log] == [
            (1, "set_tag"),
            (11, "set_tag"),
            (15, "step_clock"),
            (21, "set_tag"),
        ]


async def test_a_repetition_without_an_end_ends_with_the_gateway() -> None:
    async with playing(f"every = 60\n{SET}") as (gateway, clock, play):
        clock.advance(3600)
        assert len(play.log) == 61
        assert not play.done
        await gateway.stop()
        assert play.done
        clock.advance(3600)
        assert len((await play).log) == 61


async def test_a_step_of_the_clock_moves_no_step_of_the_scenario() -> None:
    text = (
        f"at = 1\nstep_clock = {{ seconds = 86400 }}\n\nat = 2\nstep_clock = {{ seconds = -100000 }}\n\nat = 3\n{SET}"
    )
    async with playing(text) as (_, clock, play):
        begin = clock.now_ns()
        clock.advance(2.5)
        assert len(play.log) == 2
        assert (clock.now_ns() - begin) / 1e9 == 2.5 + 86400 - 100000
        clock.advance(0.5)
        assert seconds(await play) == [1, 2, 3]


async def test_a_step_of_the_clock_stops_no_tag_that_changes_by_itself() -> None:
    text = "at = 10\nstep_clock = { seconds = -86400 }\n\nat = 20\nstep_clock = { seconds = 2000000 }"
    async with playing(text) as (gateway, clock, play):
        samples: list[Sample] = []
        tag = gateway.tag("TestMachine_001.TestChangingInt")
        tag.observe("test", samples.append)
        begin = clock.now_ns()
        for _ in range(30):
            clock.advance(1)
        await play
        assert len(samples) == pytest.approx(30 / tag.attribute.interval, abs=2)
        moments = [(sample.time_ns - begin) / 1e9 for sample in samples]
        assert min(moments) == pytest.approx(10 - 86400, abs=2)
        assert max(moments) == pytest.approx(30 - 86400 + 2_000_000, abs=2)


async def test_the_steps_after_a_restart_wait_for_it_and_then_keep_their_times() -> None:
    async with playing(f"at = 1\nrestart = {{ down = 5 }}\n\nat = 10\n{SET}") as (gateway, clock, play):
        clock.advance(1)
        await until(lambda: clock.pending == 1)  # it is down, and nothing else is scheduled
        clock.advance(5)
        await until(lambda: play.log)
        clock.advance(4)
        assert seconds(await play) == [6, 10]
        assert gateway.tag(TAG).sample.native == 1


async def test_a_gateway_that_is_stopped_while_it_is_down_stays_stopped() -> None:
    async with playing("restart = { down = 5 }") as (gateway, clock, play):
        await until(lambda: clock.pending == 1)
        await gateway.stop()
        clock.advance(10)
        await play
        with pytest.raises(RuntimeError, match="not running"):
            gateway.tag(TAG)


async def test_a_step_that_cannot_be_done_is_logged_and_told_at_the_end_and_the_next_is_done() -> None:
    async with playing(f"crash_worker = {{}}\n\n{SET}") as (gateway, _, play):
        with pytest.raises(RuntimeError, match=r"1 steps failed; the first: .*crash_worker: no session is open"):
            await play
        assert [each.failure for each in play.log] == ["no session is open", ""]
        assert gateway.tag(TAG).sample.native == 1


async def test_the_report_is_called_with_each_step() -> None:
    said: list[str] = []
    async with SimulatedGateway() as gateway:
        play = gateway.play(
            Scenario.from_text(steps(f"{SET}\n\nafter = 0.01\n{SET}")), report=lambda s: said.append(str(s))
        )
        await play
    assert [line.partition(" s: ")[2] for line in said] == ["line 1: steps[0]: set_tag", "line 3: steps[1]: set_tag"]


async def test_a_play_can_be_stopped_and_awaited_by_many() -> None:
    async with playing(f"at = 5\n{SET}") as (_, clock, play):
        waiting = [asyncio.ensure_future(_of(play)) for _ in range(2)]
        for _ in range(3):
            await asyncio.sleep(0)
        pending = clock.pending
        play.stop()
        assert clock.pending == pending - 1
        assert await asyncio.gather(*waiting) == [play, play]
        clock.advance(10)
        assert play.log == []


async def _of(play: Play) -> Play:
    return await play


async def test_a_gateway_that_does_not_run_plays_nothing() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        SimulatedGateway(clock=SystemClock()).play(Scenario.from_text(steps(SET)))


async def test_a_report_may_stop_the_play_and_nothing_more_is_done() -> None:
    clock = ManualClock()
    async with SimulatedGateway(clock=clock) as gateway:
        plays: list[Play] = []
        plays.append(gateway.play(Scenario.from_text(steps(f"every = 1\n{SET}")), report=lambda _: plays[0].stop()))
        clock.advance(0)
        assert (len(plays[0].log), plays[0].done) == (1, True)
        before = gateway.tag(TAG).sample
        clock.advance(10)
        assert gateway.tag(TAG).sample is before


async def test_a_restart_that_has_begun_is_done_to_its_end_when_the_play_is_stopped() -> None:
    async with playing("restart = { down = 5 }\n\n" + SET) as (gateway, clock, play):
        await until(lambda: not gateway.is_running)
        await asyncio.sleep(0.05)
        play.stop()
        await play
        clock.advance(5)
        await until(lambda: gateway.is_running)
        assert play.log == []
