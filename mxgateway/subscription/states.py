"""The changes of a subscription's state, for those who watch it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Final

from mxgateway.events.consuming import Waiters
from mxgateway.subscription.updates import SubscriptionState
from mxgateway.transport.home import Home

OVER: Final = frozenset({SubscriptionState.CLOSED, SubscriptionState.FAILED})
"""The states that no other one follows."""
STATES_LIMIT: Final = 100
"""States that wait for one who watches; of a link that flaps for hours the oldest interruptions are left out, each as a whole."""


class StateChanges:
    """The state of a subscription at the time of the call, then every later one; ends with the subscription.

    Of what nobody reads the last hundred states are kept.
    """

    def __init__(self, board: StateBoard, home: Home | None) -> None:
        self._home = home
        self._states = deque([board.state])
        self._board = board

    def __aiter__(self) -> StateChanges:
        return self

    async def __anext__(self) -> SubscriptionState:
        if self._home is not None:
            self._home.check()
        while not self._states:
            if self._board.state in OVER:
                raise StopAsyncIteration
            await self._board.waiters.enter()
        return self._states.popleft()

    def _put(self, state: SubscriptionState) -> None:
        self._states.append(state)
        if len(self._states) > STATES_LIMIT:  # that it was lost, and that it was there again
            lost = self._states.index(SubscriptionState.RECOVERING)
            del self._states[lost]
            del self._states[lost]


class StateBoard:
    """The present state, and those who watch it."""

    def __init__(self) -> None:
        self.state = SubscriptionState.NEW
        self._watches: weakref.WeakSet[StateChanges] = weakref.WeakSet()
        self.waiters = Waiters()

    def put(self, state: SubscriptionState) -> None:
        """Change the state, and tell whoever watches; the same state again is no change, and what is over stays so."""
        if state is not self.state and self.state not in OVER:
            self.state = state
            for watch in list(self._watches):
                watch._put(state)
            self.waiters.wake()

    def watch(self, home: Home | None = None) -> StateChanges:
        """Return the present state and every later one, for readers in the client's loop."""
        changes = StateChanges(self, home)
        self._watches.add(changes)
        return changes
