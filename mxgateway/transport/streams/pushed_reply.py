"""The receiving half of an RPC that pushes its messages to a receiver as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.transport.stats import Counters
from mxgateway.transport.streams.reply_stream import MANY_AT_ONCE, ReplyLimits, ReplyStream, end_of_turn, is_over
from mxgateway.wire.decode.steps import DecodingSteps

M = TypeVar("M")

SETTLED_AT: Final = 64 * 1024
"""Bytes of single messages after which their window credit is returned, all at once."""


class PushedReply(ReplyStream[M]):
    """A reply that callers read, until `push` sets a receiver for its messages.

    The connection distributes all frames of a read to their streams. Then it calls `hand_over` of each stream with
    news, or `receive_one` if the read contained a single message and nothing else.
    """

    __slots__ = ("_counters", "_held", "_over", "_receive", "_scheduled", "flows", "pushed")

    def __init__(
        self,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]],
    ) -> None:
        super().__init__(decode, limits, decode_in_steps)
        self._receive: Callable[[list[M]], bool] = _take_nothing
        self._over: Callable[[Exception | None], None] = _ignore_end
        self._counters: Counters
        self._held = False
        self._scheduled = False  # the connection will call `hand_over`
        self.pushed = False
        """True while messages are handed over as they arrive."""
        self.flows = False
        """True while the next message can be handed over at once: it is wanted, and none is queued before it."""

    def push(
        self, receive: Callable[[list[M]], bool], over: Callable[[Exception | None], None], counters: Counters
    ) -> None:
        """Hand over messages from now on, including those that have already arrived.

        Args:
            receive: Takes messages; returns False to get no more until `resume`.
            over: Called with the fault that ended the call, None for status OK, after all messages.
            counters: Count the messages.
        """
        self._receive, self._over, self._counters = receive, over, counters
        self.pushed = True
        self._schedule()

    def resume(self) -> None:
        """Continue after `receive` has returned False, in the next iteration of the event loop."""
        if self._held and self.pushed:
            self._held = False
            self._settle_credit()  # a message that does not fit into the window began during the hold
            self._schedule()

    def abandon(self, fault: Exception) -> None:
        """End the call with `fault`. Held messages are dropped: the receiver may never make room for them."""
        if self._held:
            self._spoil_by(fault)
        self.fail(fault)

    def stop_pushing(self) -> None:
        """Hand over nothing more, not even the end of the call."""
        self.pushed = self.flows = False
        self._receive, self._over = _take_nothing, _ignore_end

    # -- fed by the connection

    def receive_one(self, data: bytes, flow_controlled: int) -> None:
        """Hand over one whole message that arrived alone. Only while the reply `flows`."""
        self._uncredited += flow_controlled
        if self._uncredited >= SETTLED_AT:
            self._settle_credit()
        try:
            message = self.decode(data)
            self._counters.messages_received += 1
            if not self._receive([message]):
                self._hold()
        except (Exception, asyncio.CancelledError) as defect:  # noqa: BLE001 - in a callback nobody is cancelled
            self._spoil_by(defect)
            self._schedule()

    def receive_data(self, payloads: list[bytes], flow_controlled: int) -> None:
        """Take the payloads of DATA frames; `flow_controlled` counts their padding as well."""
        self.flows = False
        super().receive_data(payloads, flow_controlled)

    def hand_over(self) -> None:
        """Hand over what has arrived, as much as one iteration of the loop allows, and then the end of the call."""
        self._scheduled = False
        if not self.pushed:
            return
        try:
            self._hand_over_messages()
        except (Exception, asyncio.CancelledError) as defect:  # noqa: BLE001 - in a callback nobody is cancelled
            self._spoil_by(defect)
        if not self.pushed:  # closed by the receiver
            return
        if self._size >= self._need:
            if not self._held:
                self._schedule()
        elif self.failed or self.ended:
            self._hand_over_end()
        else:
            self.flows = not self._held and not self._size and self.headers is not None

    def _hand_over_messages(self) -> None:
        most, least, over = self.at_once, self._size - MANY_AT_ONCE, end_of_turn(self._size)
        while self._need <= self._size > least and most > 0 and self.pushed and not self._held:
            if batch := self._take():
                most -= len(batch)
                self._counters.messages_received += len(batch)
                if not self._receive(batch):
                    self._hold()
                if is_over(over):  # a peer can make small messages slow to decode
                    return
            elif self._steps is not None:  # continued in the next iteration of the loop
                return

    def _hand_over_end(self) -> None:
        over = self._over
        self.stop_pushing()
        fault = self._take_fault() if self.failed else self._end_fault()
        over(RuntimeError(repr(fault)) if fault is not None and not isinstance(fault, Exception) else fault)

    def _hold(self) -> None:
        self._held, self.flows = True, False

    def _spoil_by(self, defect: BaseException) -> None:
        self.flows = False
        self._spoil(defect if isinstance(defect, Exception) else RuntimeError(f"a receiver raised {defect!r}"))

    def _is_awaited(self) -> bool:
        return super()._is_awaited() or (self.pushed and not self._held)

    def _wake(self) -> None:
        super()._wake()
        if self.pushed:
            self.flows = False
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.queue_hand_over()

    def queue_hand_over(self) -> None:
        """Schedule `hand_over` for the end of the current read, or for the next iteration of the event loop."""
        raise TypeError(f"{type(self).__name__} has no connection to hand over for it")


def _take_nothing(_: list[Any]) -> bool:
    return False


def _ignore_end(_: Exception | None) -> None:
    """Notifies nobody."""
