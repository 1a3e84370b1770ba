"""Keepalive: a peer that has gone silent is noticed, and every waiter is freed.

Only bytes that arrive count: on a link that swallows everything, what is sent says nothing about the peer. While no call is open nothing is sent, because nobody waits;
the first call on a connection that has been silent for long brings a ping along.

A program that is held up, by a long computation or a suspended machine, reads nothing meanwhile. The peer's answer may lie in the socket when the program
goes on, and the timer runs out before the socket is looked at. So silence counts only when the loop has looked once more; and a loop that was late
gives the peer its time once again, because what it had to answer may have left late, too.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from mxgateway.errors.faults import ConnectionFault
from mxgateway.errors.logs import logger
from mxgateway.transport.counters import Counters
from mxgateway.transport.http2 import frames

log = logger("mxgateway.transport.connection")

PING_DATA: Final = b"mxgw-up?"
LAST_TURNS: Final = 3
"""Turns of the loop in which it looks at the socket before a peer is given up: a loop may run its timers before it looks, and one that completes reads
instead of announcing them needs a second turn."""
LATE: Final = 0.25
"""The part of the timeout by which a timer runs out late at the least when the program was held up."""


class Watched(Protocol):
    """What is watched: a connection, as far as keepalive sees it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its loop."""

    @property
    def counters(self) -> Counters:
        """Where pings are counted."""

    @property
    def last_received(self) -> float:
        """When the last byte arrived, in the loop's time."""

    @property
    def closed(self) -> bool:
        """True once it has ended."""

    @property
    def busy(self) -> bool:
        """True while somebody waits for the peer."""

    def write(self, frame: bytes) -> None:
        """Take a frame to be sent with the next flush."""

    def flush(self) -> None:
        """Send what was written."""

    def abort(self, fault: BaseException) -> None:
        """End it without waiting for the peer."""


class Keepalive:
    """Watches one connection while calls are open on it, or wait for it.

    Args:
        connection: What is watched.
        interval: Seconds without a byte from the peer before it is asked; None never asks.
        timeout: Seconds that any byte may then take to arrive.
    """

    def __init__(self, connection: Watched, interval: float | None, timeout: float) -> None:
        self._connection = connection
        self._interval = interval
        self._timeout = timeout
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        """Until when the answer may take, while the peer is asked."""
        self._patient = False
        """True when the answer has had its time once again."""
        self._last_turns = 0
        """How many turns the loop still has to look at the socket before the peer is given up."""
        self._silent_since: float | None = None
        """When the last byte had arrived before the peer was asked; None while nothing is asked. The clock's resolution may be coarser than
        the time of an answer, so answers are told by a change, not by being later than the question."""
        self.asleep = interval is not None
        """True while no call is open: the next one wakes it."""

    def wake(self) -> None:
        """Begin to watch: a call was opened, or waits until it can be."""
        self.asleep = False
        self._look()

    def stop(self) -> None:
        """Watch no more: the connection has ended."""
        self.asleep = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        connection, interval = self._connection, self._interval
        self._timer = None
        if connection.closed or interval is None:
            return
        now, heard = connection.loop.time(), connection.last_received
        if self._silent_since == heard:
            self._look_again_for_answer(now, interval)
        elif not connection.busy:
            self._silent_since = None
            self.asleep = True
        elif now < heard + interval:
            self._silent_since = None
            self._look_at(heard + interval)
        else:
            self._silent_since = heard
            self._expect_answer(now + self._timeout, patient=False)
            self._ask()
            self._look_at(min(self._due, now + interval))  # an answer may come and then silence again

    def _ask(self) -> None:
        connection = self._connection
        connection.counters.pings_sent += 1
        connection.write(frames.ping(PING_DATA))
        connection.flush()  # at once: should this process be held up now, the answer is there when it goes on

    def _expect_answer(self, due: float, *, patient: bool) -> None:
        self._due, self._patient, self._last_turns = due, patient, LAST_TURNS

    def _look_again_for_answer(self, now: float, interval: float) -> None:
        if now < self._due:
            self._look_at(min(self._due, now + interval))
        elif not self._patient and now >= self._due + LATE * self._timeout:
            self._expect_answer(now + self._timeout, patient=True)
            self._look_at(min(self._due, now + interval))
        elif self._last_turns:
            self._last_turns -= 1
            self._timer = self._connection.loop.call_soon(self._look)
        else:
            self._give_up(now - self._connection.last_received)

    def _give_up(self, silent: float) -> None:
        log.debug("no byte from the gateway for %.3f s: the connection is given up", silent)
        self._connection.abort(
            ConnectionFault(
                f"the gateway has been silent for {silent:.3g} s and answers no ping: the connection is dead"
            )
        )

    def _look_at(self, when: float) -> None:
        self._timer = self._connection.loop.call_at(when, self._look)
