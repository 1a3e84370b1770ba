"""Keepalive: a peer that has gone silent is noticed, and every waiter is freed.

Only bytes that arrive count: on a link that swallows everything, what is sent says nothing about the peer. While no call is open nothing is sent, because nobody waits;
the first call on a connection that has been silent for long brings a ping along.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from mxgateway.faults import ConnectionFault
from mxgateway.transport import frames

if TYPE_CHECKING:
    from mxgateway.transport.connection import Connection

log = logging.getLogger("mxgateway.transport.connection")

PING_DATA: Final = b"mxgw-up?"


class Keepalive:
    """Watches one connection while calls are open on it, or wait for it.

    Args:
        connection: What is watched.
        interval: Seconds without a byte from the peer before it is asked; None never asks.
        timeout: Seconds that any byte may then take to arrive.
    """

    def __init__(self, connection: Connection, interval: float | None, timeout: float) -> None:
        self._connection = connection
        self._interval = interval
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._asked_at = 0.0
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
            self._asked_at, self._silent_since = now, heard
            self._ask()
            self._look_at(now + min(self._timeout, interval))  # an answer may come and then silence again

    def _ask(self) -> None:
        connection = self._connection
        connection.counters.pings_sent += 1
        connection.write(frames.ping(PING_DATA))
        connection.flush()  # at once: should this process be held up now, the answer is there when it goes on

    def _look_again_for_answer(self, now: float, interval: float) -> None:
        due = self._asked_at + self._timeout
        if now < due:
            self._look_at(min(due, now + interval))
            return
        silent = now - self._connection.last_received
        log.debug("no byte from the gateway for %.3f s: the connection is given up", silent)
        self._connection.abort(
            ConnectionFault(
                f"the gateway has been silent for {silent:.3g} s and answers no ping: the connection is dead"
            )
        )

    def _look_at(self, when: float) -> None:
        self._timer = self._connection.loop.call_at(when, self._look)
