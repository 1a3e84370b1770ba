"""The state of a subscription, and the iterators that watch it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Final

from mxgateway.events.consuming import Waiters
from mxgateway.subscription.updates import SubscriptionState
from mxgateway.transport.loop_guard import LoopGuard

OVER: Final = frozenset({SubscriptionState.CLOSED, SubscriptionState.FAILED})
"""The final states."""
STATES_LIMIT: Final = 100
"""The most states that are queued for one watcher. If a link flaps for hours, the oldest interruptions are dropped,
each as a whole."""


class StateChanges:
    """The current state of a subscription, then every later one; ends with the subscription.

    Of unread states the last hundred are kept.
    """

    def __init__(self, board: StateBoard, guard: LoopGuard | None) -> None:
        self._guard = guard
        self._states = deque([board.state])
        self._board = board

    def __aiter__(self) -> StateChanges:
        return self

    async def __anext__(self) -> SubscriptionState:
        if self._guard is not None:
            self._guard.check()
        while not self._states:
            if self._board.state in OVER:
                raise StopAsyncIteration
            await self._board.waiters.enter()
        return self._states.popleft()

    def _put(self, state: SubscriptionState) -> None:
        self._states.append(state)
        if len(self._states) > STATES_LIMIT:  # drop RECOVERING and the CONNECTED after it
            lost = self._states.index(SubscriptionState.RECOVERING)
            del self._states[lost]
            del self._states[lost]


class StateBoard:
    """The current state, and its watchers."""

    def __init__(self) -> None:
        self.state = SubscriptionState.NEW
        self._watches: weakref.WeakSet[StateChanges] = weakref.WeakSet()
        self.waiters = Waiters()

    def put(self, state: SubscriptionState) -> None:
        """Change the state and notify the watchers. The same state again is no change; a final state stays."""
        if state is not self.state and self.state not in OVER:
            self.state = state
            for watch in list(self._watches):
                watch._put(state)
            self.waiters.wake()

    def watch(self, guard: LoopGuard | None = None) -> StateChanges:
        """Return an iterator of the current state and every later one, for readers in the client's loop."""
        changes = StateChanges(self, guard)
        self._watches.add(changes)
        return changes
