"""The receiving half of an RPC whose messages are handed over as they arrive, instead of being asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.transport.counters import Counters
from mxgateway.transport.streams.reply_stream import MANY_AT_ONCE, ReplyLimits, ReplyStream, end_of_turn, is_over
from mxgateway.wire.decode.steps import DecodingSteps

M = TypeVar("M")

SETTLED_AT: Final = 64 * 1024
"""Bytes of messages that come one by one after which they are credited to the window, all at once."""


class PushedReply(ReplyStream[M]):
    """A reply that is asked for its messages until somebody takes them as they arrive.

    The connection sorts all frames of a read to their streams. Then it lets each stream that has something new hand it over, by `hand_over`, or by
    `receive_one` where the read has brought a single message and nothing else.
    """

    __slots__ = ("_counters", "_due", "_held", "_over", "_receive", "flows", "pushed")

    def __init__(
        self,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]] | None = None,
    ) -> None:
        super().__init__(decode, limits, decode_in_steps)
        self._receive: Callable[[list[M]], bool] = _take_nothing
        self._over: Callable[[Exception | None], None] = _tell_nobody
        self._counters: Counters
        self._held = False
        self._due = False  # the connection will let this stream hand over what is there
        self.pushed = False
        """True while messages are handed over as they arrive."""
        self.flows = False
        """True while the next message can be handed over as it comes: it is wanted, and nothing is before it."""

    def push(
        self, receive: Callable[[list[M]], bool], over: Callable[[Exception | None], None], counters: Counters
    ) -> None:
        """Hand over messages from now on, those included that are there already.

        Args:
            receive: Takes messages; returns False to have no more of them until `resume`.
            over: Takes what has ended the call, None for status OK, once all messages before it were handed over.
            counters: Where the messages are counted.
        """
        self._receive, self._over, self._counters = receive, over, counters
        self.pushed = True
        self._announce()

    def resume(self) -> None:
        """Go on after a hold, in the next turn of the loop."""
        if self._held and self.pushed:
            self._held = False
            self._announce()

    def abandon(self, fault: Exception) -> None:
        """End the call with `fault`. What is held back is dropped: whoever would make room for it may never come back."""
        if self._held:
            self._spoil_by(fault)
        self.fail(fault)

    def stop_pushing(self) -> None:
        """Hand over nothing more, not even the end."""
        self.pushed = self.flows = False
        self._receive, self._over = _take_nothing, _tell_nobody

    # -- fed by the connection

    def receive_one(self, data: bytes, flow_controlled: int) -> None:
        """Take one whole message that came alone, and hand it over. Only while the reply `flows`."""
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
            self._announce()

    def receive_data(self, payloads: list[bytes], flow_controlled: int) -> None:
        """Take the payloads of DATA frames; `flow_controlled` counts their padding as well."""
        self.flows = False
        super().receive_data(payloads, flow_controlled)

    def hand_over(self) -> None:
        """Hand over what is there, as much as is due in one turn of the loop, and then the end if the call has ended."""
        self._due = False
        if not self.pushed:
            return
        try:
            self._hand_over_messages()
        except (Exception, asyncio.CancelledError) as defect:  # noqa: BLE001 - in a callback nobody is cancelled
            self._spoil_by(defect)
        if not self.pushed:  # closed by whoever has received them
            return
        if self._size >= self._need:
            if not self._held:
                self._announce()
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
                if is_over(over):  # messages of few bytes can be made to take long
                    return
            elif self._steps is not None:  # it goes on in the next turn of the loop
                return

    def _hand_over_end(self) -> None:
        over = self._over
        self.stop_pushing()
        over(self._outcome())

    def _outcome(self) -> Exception | None:
        if self.failed:
            fault = self._take_fault()
            return fault if isinstance(fault, Exception) else RuntimeError(repr(fault))
        try:
            self._check_end()
        except Exception as fault:  # noqa: BLE001 - handed to whoever has the messages
            return fault
        return None

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
            self._announce()

    def _announce(self) -> None:
        if not self._due:
            self._due = True
            self.queue_hand_over()

    def queue_hand_over(self) -> None:
        """Have `hand_over` called: at the end of the read that is being sorted, or in the next turn of the loop."""
        raise TypeError(f"{type(self).__name__} has no connection to hand over for it")


def _take_nothing(_: list[Any]) -> bool:
    return False


def _tell_nobody(_: Exception | None) -> None:
    """Nobody wants to know of the end any more."""
