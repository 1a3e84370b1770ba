"""Keepalive: detects a silent peer, and releases every waiter.

Only received bytes count: on a link that drops everything, sent bytes prove nothing about the peer. While no call is
open, nothing is sent, because nobody waits; the first call on a connection that was silent for long triggers a ping.

A program that is blocked by a long computation, or on a suspended machine, reads nothing meanwhile. When it continues,
the peer's answer may already be in the socket, but the timer expires before the loop reads it. So silence counts only
after the loop has polled the socket again; and if the loop was late, the peer gets the timeout once more, because the
ping may have been sent late, too.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from mxgateway.errors.faults import ConnectionFault
from mxgateway.errors.logs import logger
from mxgateway.transport.http2 import frames
from mxgateway.transport.stats import Counters

log = logger("mxgateway.transport.connection")

PING_DATA: Final = b"mxgw-up?"
LAST_POLLS: Final = 3
"""Iterations of the loop before a peer counts as dead, so that the loop polls the socket.

A loop may run its timers before it polls, and a loop that completes reads instead of announcing them needs a second
iteration.
"""
LATE: Final = 0.25
"""If a timer expires late by this part of the timeout, the program was blocked."""


class Watched(Protocol):
    """A connection, as far as keepalive needs it."""

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
        """True while a call waits for the peer."""

    def write(self, frame: bytes) -> None:
        """Buffer a frame for the next flush."""

    def flush(self) -> None:
        """Send what was buffered."""

    def abort(self, fault: BaseException) -> None:
        """End it without waiting for the peer."""


class Keepalive:
    """Watches one connection while calls are open on it, or wait for it.

    Args:
        connection: The connection.
        interval: Seconds without a byte from the peer before it is pinged; None never pings.
        timeout: Seconds in which any byte must then arrive.
    """

    def __init__(self, connection: Watched, interval: float | None, timeout: float) -> None:
        self._connection = connection
        self._interval = interval
        self._timeout = timeout
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        """The deadline of the answer, while a ping is pending."""
        self._extended = False
        """True if the deadline was already extended once."""
        self._last_polls = 0
        """The loop iterations left before the peer counts as dead."""
        self._silent_since: float | None = None
        """When the last byte before the ping arrived; None while no ping is pending.

        The clock may be too coarse to show an answer as later than the ping, so any change of the time counts as an
        answer.
        """
        self.asleep = interval is not None
        """True while no call is open: the next one wakes it."""

    def wake(self) -> None:
        """Start watching: a call was opened, or waits for a stream."""
        self.asleep = False
        self._check()

    def stop(self) -> None:
        """Stop watching: the connection has ended."""
        self.asleep = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        connection, interval = self._connection, self._interval
        self._timer = None
        if connection.closed or interval is None:
            return
        now, heard = connection.loop.time(), connection.last_received
        if self._silent_since == heard:
            self._check_answer(now, interval)
        elif not connection.busy:
            self._silent_since = None
            self.asleep = True
        elif now < heard + interval:
            self._silent_since = None
            self._check_at(heard + interval)
        else:
            self._silent_since = heard
            self._expect_answer(now + self._timeout, extended=False)
            self._ping()
            self._check_at(min(self._due, now + interval))  # an answer may be followed by silence again

    def _ping(self) -> None:
        connection = self._connection
        connection.counters.pings_sent += 1
        connection.write(frames.ping(PING_DATA))
        connection.flush()  # at once: if this process is blocked next, the answer is there when it continues

    def _expect_answer(self, due: float, *, extended: bool) -> None:
        self._due, self._extended, self._last_polls = due, extended, LAST_POLLS

    def _check_answer(self, now: float, interval: float) -> None:
        if now < self._due:
            self._check_at(min(self._due, now + interval))
        elif not self._extended and now >= self._due + LATE * self._timeout:
            self._expect_answer(now + self._timeout, extended=True)
            self._check_at(min(self._due, now + interval))
        elif self._last_polls:
            self._last_polls -= 1
            self._timer = self._connection.loop.call_soon(self._check)
        else:
            self._abort(now - self._connection.last_received)

    def _abort(self, silent: float) -> None:
        log.debug("no byte from the gateway for %.3f s: the connection is closed", silent)
        self._connection.abort(
            ConnectionFault(
                f"the gateway has been silent for {silent:.3g} s and answers no ping: the connection is dead"
            )
        )

    def _check_at(self, when: float) -> None:
        self._timer = self._connection.loop.call_at(when, self._check)
