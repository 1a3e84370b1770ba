"""Keepalive by a clock of the test's own: when a peer is asked, and when it is given up, to the tick."""

import asyncio
import math
import time
from collections.abc import Callable

import pytest
from hyperframe.frame import PingFrame

from mxgateway.transport.http2.keepalive import Keepalive
from mxgateway.transport.stats import Counters
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.rows import each_row
from tests.transport.rig import channel_to, event, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

TIME = 0.1
"""Seconds of silence after which a peer is asked."""


# --------------------------------------------------------------------------------------------------------------------
# The times, exactly: a clock that the test moves


class Clock:
    """A loop's clock and timers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, what: Callable[[], None]) -> "Timer":
        self.timers.append(Timer(when, what, self.timers))
        return self.timers[-1]

    def call_soon(self, what: Callable[[], None]) -> "Timer":
        return self.call_at(self.now, what)

    def run_turn(self) -> None:
        """Run what is due now, and nothing that becomes due by that."""
        due = sorted((timer for timer in self.timers if timer.when <= self.now), key=lambda timer: timer.when)
        for timer in due:
            self.timers.remove(timer)
        for timer in due:
            timer.what()

    def run_until(self, end: float) -> None:
        """Move the time, running what falls due on the way; the clock stands still meanwhile."""
        while due := [timer for timer in self.timers if timer.when <= end]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.what()
        self.now = end


class Timer:
    """A timer that can be cancelled."""

    def __init__(self, when: float, what: Callable[[], None], timers: "list[Timer]") -> None:
        self.when, self.what, self._timers = when, what, timers

    def cancel(self) -> None:
        self._timers.remove(self)


class Watched:
    """What keepalive sees of a connection."""

    def __init__(self) -> None:
        self.loop = Clock()
        self.last_received = self.loop.now
        self.closed, self.busy = False, True
        self.counters = Counters()
        self.ended_at = math.inf

    def write(self, frame: bytes) -> None:
        assert len(frame) == 17

    def flush(self) -> None:
        pass

    def abort(self, fault: BaseException) -> None:
        assert "has been silent for" in str(fault)
        self.closed, self.ended_at = True, self.loop.now

    def hear(self, at: float) -> None:
        """Let a byte arrive at a time."""
        self.loop.run_until(at)
        self.last_received = at


def watch(interval: float | None, timeout: float) -> tuple[Watched, Keepalive]:
    connection = Watched()
    keepalive = Keepalive(connection, interval, timeout)  # type: ignore[arg-type]
    if keepalive.asleep:
        keepalive.wake()
    return connection, keepalive


@each_row(("interval", "timeout"), [(30.0, 15.0), (10.0, 30.0), (5.0, 5.0), (20.0, 60.0)])
@each_row("heard", [[], [3.0], [29.999], [31.0], [10.0, 11.0], [5, 10, 15, 20, 21.5], [44.0]])
def test_silence_ends_the_connection_within_time_and_timeout_from_the_last_byte(
    interval: float, timeout: float, heard: list[float]
) -> None:
    connection, _ = watch(interval, timeout)
    start = connection.loop.now
    silent_since = start
    for at in heard:
        if start + at - silent_since >= interval + timeout:
            break
        connection.hear(start + at)
        assert not connection.closed
        silent_since = start + at
    connection.loop.run_until(start + 1000)
    assert connection.ended_at == pytest.approx(silent_since + interval + timeout)
    assert connection.loop.timers == []


def test_an_answer_that_comes_within_the_clocks_resolution_is_an_answer() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    connection.loop.run_until(start + 30)
    assert connection.counters.pings_sent == 1
    connection.hear(start + 30)  # the clock has not moved since it was asked
    connection.loop.run_until(start + 59)
    assert not connection.closed
    assert connection.counters.pings_sent == 1


def test_one_ping_goes_for_each_time_of_silence() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    for asked in range(1, 100):
        connection.loop.run_until(start + 30 * asked)
        assert connection.counters.pings_sent == asked
        connection.last_received = connection.loop.now  # answered at once
    assert not connection.closed


def test_it_sleeps_without_a_timer_while_no_call_is_open_and_asks_at_once_when_one_is() -> None:
    connection, keepalive = watch(30.0, 15.0)
    connection.busy = False
    connection.loop.run_until(connection.loop.now + 10_000)
    assert keepalive.asleep
    assert connection.loop.timers == []
    assert connection.counters.pings_sent == 0
    connection.busy = True
    keepalive.wake()
    assert connection.counters.pings_sent == 1
    woken = connection.loop.now
    connection.loop.run_until(woken + 1000)
    assert connection.ended_at == woken + 15


def test_a_dead_peer_is_given_up_also_when_the_calls_that_asked_are_gone() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    connection.loop.run_until(start + 31)
    connection.busy = False
    connection.loop.run_until(start + 1000)
    assert connection.ended_at == start + 45


def test_a_loop_that_runs_its_timers_before_it_looks_at_the_socket_finds_the_answer_in_it() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    connection.loop.run_until(start + 44.9)
    assert connection.counters.pings_sent == 1
    connection.loop.now = start + 45.1  # held up for a moment: the answer has come
    connection.loop.run_turn()
    assert not connection.closed
    connection.last_received = connection.loop.now  # and now it is read
    connection.loop.run_until(start + 75)
    assert not connection.closed
    assert connection.counters.pings_sent == 1
    connection.loop.run_until(start + 75.1)
    assert connection.counters.pings_sent == 2


def test_a_loop_that_was_held_up_gives_the_peer_its_time_once_again_and_no_second_time() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    connection.loop.run_until(start + 30)
    connection.loop.now = start + 1030  # the ping may not even have left
    for _ in range(10):
        connection.loop.run_turn()
    assert not connection.closed
    connection.loop.now = start + 2030
    for _ in range(10):
        connection.loop.run_turn()
    assert connection.ended_at == start + 2030
    assert connection.counters.pings_sent == 1


def test_a_loop_that_was_held_up_while_no_ping_was_out_asks_first() -> None:
    connection, _ = watch(30.0, 15.0)
    start = connection.loop.now
    connection.loop.run_until(start + 29)
    connection.loop.now = start + 1000
    for _ in range(10):
        connection.loop.run_turn()
    assert not connection.closed
    assert connection.counters.pings_sent == 1
    connection.last_received = connection.loop.now
    connection.loop.run_until(start + 1029)
    assert not connection.closed
    assert connection.counters.pings_sent == 1


@pytest.mark.parametrize("asked", [False, True], ids=["no ping out", "a ping out"])
async def test_a_blocked_loop_is_no_dead_peer(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop stands still for longer than time and timeout; what the peer has sent meanwhile is read before it is given up."""
    loop = asyncio.get_running_loop()

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await peer.until(lambda: len(peer.frames(PingFrame)) >= 6)
        await peer.send_data(request.stream_id, grpc_message(event(7)))

    blocked = 0

    def block() -> None:
        nonlocal blocked
        blocked += 1
        time.sleep(0.35)

    async with (
        Http2Server(script) as server,
        channel_to(server, keepalive_time=TIME, keepalive_timeout=TIME) as channel,
        stream(channel) as call,
    ):
        connection = await channel.ready()
        if asked:
            ask = connection.keepalive._ping

            def ask_and_block() -> None:
                ask()
                if blocked < 2:
                    block()

            monkeypatch.setattr(connection.keepalive, "_ping", ask_and_block)
        else:
            loop.call_later(TIME / 2, block)
        assert (await anext(call)).worker_sequence == 7
        assert blocked
        assert server.connections == 1


def test_what_is_off_never_looks() -> None:
    connection, keepalive = watch(None, 15.0)
    assert not keepalive.asleep
    assert connection.loop.timers == []
    connection, _ = watch(math.inf, 15.0)
    connection.loop.run_until(connection.loop.now + 1e9)
    assert connection.counters.pings_sent == 0
    assert not connection.closed
