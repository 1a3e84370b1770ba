"""The changes of a subscription's state, for those who watch it."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque

from mxgateway.subscription.updates import SubscriptionState

OVER = frozenset({SubscriptionState.CLOSED, SubscriptionState.FAILED})
"""The states that no other one follows."""


class StateChanges:
    """The state of a subscription at the time of the call, then every later one; ends with the subscription."""

    def __init__(self, state: SubscriptionState) -> None:
        self._states = deque([state])
        self._changed = asyncio.Event()
        self._over = state in OVER

    def put(self, state: SubscriptionState) -> None:
        """Take a new state."""
        self._states.append(state)
        self._over = state in OVER
        self._changed.set()

    def __aiter__(self) -> StateChanges:
        return self

    async def __anext__(self) -> SubscriptionState:
        while not self._states:
            if self._over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._states.popleft()


class StateBoard:
    """The present state, and those who watch it."""

    def __init__(self) -> None:
        self.state = SubscriptionState.NEW
        self._watchers: weakref.WeakSet[StateChanges] = weakref.WeakSet()

    def put(self, state: SubscriptionState) -> None:
        """Change the state, and tell whoever watches; the same state again is no change, and what is over stays so."""
        if state is not self.state and self.state not in OVER:
            self.state = state
            for watcher in list(self._watchers):
                watcher.put(state)

    def watch(self) -> StateChanges:
        """Return the present state and every later one."""
        watcher = StateChanges(self.state)
        self._watchers.add(watcher)
        return watcher
