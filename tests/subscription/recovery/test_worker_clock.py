"""The worker's clock as far as it can be known: neither side's wall clock may be wrong for long."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.events.data_change import DataChange
from mxgateway.subscription import worker_clock
from mxgateway.subscription.worker_clock import WorkerClock
from tests.wire.profiles import bounded

BEGIN = 1_700_000_000.0


def at(worker_time: float | None) -> DataChange:
    """Return an event that the worker has taken at a time, in seconds since 1970."""
    change = DataChange()
    change._worker_time = worker_time or 0.0
    return change


class World:
    """True time, and how far the worker's clock is off it. This process has no clock but the monotonic one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 5_000.0
        self.off = 0.0
        self.clock = WorkerClock()
        monkeypatch.setattr(worker_clock, "time", SimpleNamespace(monotonic=lambda: self.time))

    @property
    def worker_time(self) -> float:
        """What the worker's clock shows."""
        return BEGIN + self.time + self.off

    def event(self, way: float = 0.0) -> bool:
        """Let an event happen now and arrive after its way."""
        happened = self.worker_time
        self.time += way
        return self.clock.note(at(happened), at_once=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_nothing_is_known_before_the_first_event(world: World) -> None:
    assert (world.clock.lag, world.clock.now()) == (0.0, math.inf)
    world.clock.stream_opened()
    assert not world.clock.is_replaying
    assert not world.clock.is_replayed(0.0)


@pytest.mark.parametrize("off", [0.0, 3600.0, -3600.0, -BEGIN])
def test_lag_is_what_an_event_takes_longer_than_the_quickest_one(world: World, off: float) -> None:
    world.off = off
    lags = []
    for way in (0.5, 0.25, 0.25, 2.25, 0.125):
        assert world.event(way)
        lags.append(world.clock.lag)
    assert lags == pytest.approx([0.0, 0.0, 0.0, 2.0, 0.0], abs=1e-6)


@bounded(200)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=20), st.floats(-1e6, 1e6))
def test_the_workers_time_is_known_up_to_the_quickest_way(ways: list[tuple[float, float]], off: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        world.off, quickest, newest = off, math.inf, -math.inf
        for pause, longest in ways:
            world.time += pause
            newest = max(newest, world.worker_time - longest)
            way = world.worker_time - newest
            quickest = min(quickest, way)
            assert world.clock.note(at(newest), at_once=True)
            assert world.clock.now() == pytest.approx(world.worker_time - quickest, abs=1e-5)
            assert world.clock.lag == pytest.approx(way - quickest, abs=1e-5)


def test_what_has_happened_before_the_stream_was_opened_is_replayed_until_the_first_newer_event(world: World) -> None:
    world.event()
    world.time += 60
    during, world.time = world.worker_time, world.time + 10
    world.clock.stream_opened()
    assert world.clock.is_replaying
    assert world.clock.is_replayed(during)
    world.time += 1
    assert not world.clock.is_replayed(world.worker_time)
    assert not world.clock.is_replaying
    assert not world.clock.is_replayed(during)


def test_events_of_several_sources_may_be_a_little_out_of_order(world: World) -> None:
    world.event()
    assert world.clock.note(at(world.worker_time - 0.9), at_once=True)
    assert world.clock.lag == pytest.approx(0.9)
    assert world.event()
    assert world.clock.lag == pytest.approx(0.0, abs=1e-6)


def test_a_workers_clock_that_is_set_back_makes_everything_unknown_once_and_then_counts_anew(world: World) -> None:
    world.off = 3600.0
    world.event(0.25)
    world.clock.stream_opened()
    world.off = 0.0
    world.time += 10
    assert not world.event(0.25)
    assert not world.clock.is_replaying
    assert world.clock.lag == 0.0
    assert world.clock.now() == pytest.approx(world.worker_time - 0.25)
    assert world.event(0.5)
    assert world.clock.lag == pytest.approx(0.25)
    world.time += 5
    before, world.time = world.worker_time, world.time + 5
    world.clock.stream_opened()
    assert world.clock.is_replayed(before)


def test_a_workers_clock_that_is_set_ahead_delays_nothing_and_replays_nothing(world: World) -> None:
    world.event(0.25)
    world.off = 3600.0
    assert world.event(0.25)
    assert world.clock.lag == 0.0
    assert world.event(1.25)
    assert world.clock.lag == pytest.approx(1.0)
    world.clock.stream_opened()
    world.time += 1
    assert not world.clock.is_replayed(world.worker_time)


def test_a_workers_clock_that_was_wrong_for_a_while_is_right_again(world: World) -> None:
    for off, steady in ((0.0, True), (3600.0, True), (0.0, False), (-3600.0, False), (0.0, True)):
        world.off = off
        world.time += 10
        assert world.event(0.25) is steady
        assert world.event(0.25)
        assert world.clock.lag == pytest.approx(0.0, abs=1e-6)
        assert world.clock.now() == pytest.approx(world.worker_time - 0.25)
