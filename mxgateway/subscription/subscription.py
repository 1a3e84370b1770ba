"""The subscription as its consumer sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from mxgateway.bulk_parts import for_each
from mxgateway.commands.arguments import check_list, check_text
from mxgateway.errors import MxGatewayError, MxGatewaySessionError, MxGatewayTimeoutError
from mxgateway.session import Session
from mxgateway.subscription.items import SubscribedItems
from mxgateway.subscription.states import OVER, StateChanges
from mxgateway.subscription.stats import SubscriptionStats
from mxgateway.subscription.supervisor import OpenSession, Supervisor
from mxgateway.subscription.transfer import Transfer
from mxgateway.subscription.updates import SubscriptionState, Update
from mxgateway.subscription_options import SubscriptionOptions


class Subscription:
    """The values of tags: an async iterator and a context manager of `TagUpdate`, `Gap` and `ConnectionChange`.

    ``async with`` begins it: the event stream is open and the tags are subscribed to when the block is entered; without it, the first read begins.
    Each tag's updates come in the order of their events and without duplicates.

    Args:
        tags: What to subscribe to.
        options: How it deals with a slow consumer and with interruptions.
        session: The session that it shares; None for one of its own.
        open_session: Opens sessions of its own.
        attach_session: Takes over a session by its id.
        resume_from: What `export_state` of another subscription has returned.
    """

    def __init__(
        self,
        tags: Iterable[str],
        options: SubscriptionOptions,
        *,
        session: Session | None = None,
        open_session: OpenSession | None = None,
        attach_session: Callable[[str], Session] | None = None,
        resume_from: Mapping[str, Any] | None = None,
    ) -> None:
        self._transfer = Transfer.from_dict(resume_from) if resume_from is not None else None
        names = [] if self._transfer is not None and not tags else _checked(tags)
        self._items = SubscribedItems([*(self._transfer.tags if self._transfer is not None else ()), *names])
        self._options = options
        self._supervisor = Supervisor(self._items, options, session, open_session, attach_session)
        self._feed = self._supervisor.feed
        self._ending: asyncio.Task[None] | None = None

    # -- what is known

    @property
    def state(self) -> SubscriptionState:
        """How the subscription stands."""
        return self._feed.board.state

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are wanted."""
        return tuple(self._items)

    @property
    def refused(self) -> dict[str, str]:
        """The tags that have no item, and why. They are tried again with every new session."""
        return dict(self._items.refused)

    def states(self) -> StateChanges:
        """Return the present state and every later one: an async iterator that misses none."""
        return self._feed.board.watch()

    def stats(self) -> SubscriptionStats:
        """Return what has happened so far, in numbers."""
        counts, queue = self._feed.counts, self._feed.queue
        return SubscriptionStats(
            received=counts.received, delivered=counts.delivered, queued=len(queue), dropped=queue.dropped,
            conflated=queue.conflated + counts.merged, lost=counts.lost, other=counts.other, replayed=counts.replayed,
            snapshots=counts.snapshots, reconnects=counts.reconnects, rebuilds=counts.rebuilds,
            slow_episodes=queue.slow_episodes, lag=self._feed.lag,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Subscription of {len(self._items)} tags, {self.state.value}>"

    # -- updates

    async def __anext__(self) -> Update:
        feed = self._feed
        while (item := feed.pop()) is None:
            self._raise_fault()
            if feed.board.state in OVER:
                raise StopAsyncIteration
            if feed.board.state is SubscriptionState.NEW:
                self._supervisor.start(self._transfer)
            await feed.arrival()
        return item

    def __aiter__(self) -> Subscription:
        return self

    async def __aenter__(self) -> Subscription:
        try:
            if self.state in (SubscriptionState.NEW, SubscriptionState.CONNECTING):
                await asyncio.wait([self._supervisor.start(self._transfer)])
                self._raise_fault()
        except BaseException:
            await self.aclose()  # a block that was not entered is not left, either
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _raise_fault(self) -> None:
        """Raise what has ended the subscription, once."""
        fault, self._feed.fault = self._feed.fault, None
        if fault is not None:
            raise fault

    # -- tags

    async def add(self, tags: Iterable[str]) -> dict[str, str]:
        """Subscribe to further tags; those that are subscribed to already stay as they are.

        Returns:
            The tags that were refused, and why; empty when all are subscribed to.

        Raises:
            MxGatewayError: An interruption did not end within `call_wait`, or a call failed; the tags are not added, but for those of the calls of 1,000 tags before it.
        """
        names = await _checked_slowly(tags)
        async with self._connected():
            new = [tag for tag in dict.fromkeys(names) if tag not in self._items]
            self._items.want(new)
            try:
                await self._supervisor.subscribe(new)
            except BaseException:
                self._items.drop(tag for tag in new if self._items.handle(tag) is None)
                raise
            return {tag: self._items.refused[tag] for tag in new if tag in self._items.refused}

    async def remove(self, tags: Iterable[str]) -> None:
        """End the subscription to some tags; those that are not subscribed to are ignored. What waits already is still delivered.

        Raises:
            MxGatewayError: An interruption did not end within `call_wait`, or the call failed; the tags do not come back all the same.
        """
        names = await _checked_slowly(tags)
        async with self._connected() as session:
            if handles := self._items.drop(names):
                await session.unsubscribe_bulk(self._items.server_handle, handles)

    def _connected(self) -> _Connected:
        return _Connected(self, self._supervisor, self._options.call_wait)

    async def session(self) -> Session:
        """Return the session that the tags are in, waiting at most `call_wait` for an interruption to end.

        Raises:
            MxGatewaySessionError: The subscription is over, or not begun.
            MxGatewayTimeoutError: The interruption did not end in time.
        """
        async with self._connected() as session:
            return session

    def wake(self) -> None:
        """Try at once to end an interruption."""
        self._supervisor.wake()

    # -- the end

    def export_state(self) -> dict[str, Any]:
        """Return what another process needs to go on here, as JSON has it, while the session lives: pass it to `subscribe` as `resume_from`.

        It goes on behind the last update that was taken here, so close this one first, with ``aclose(keep_session=True)``; the gateway keeps a
        session without a stream for 30 s.

        Raises:
            MxGatewaySessionError: There is no session of the subscription's own at the moment.
        """
        session = self._supervisor.session
        if session is None or self._supervisor.is_shared:
            raise MxGatewaySessionError(
                f"the subscription is {self.state.value} and has no session of its own to hand over",
                hint="export a subscription of client.subscribe while it is connected",
            )
        waiting, latest = self._feed.queue.oldest_sequence(), self._feed.queue.latest_tags()
        after = self._feed.last_worker_sequence if waiting is None else waiting - 1
        unread = self._feed.unread_tags()
        if latest is not None:  # behind the oldest of them stand events of others, whose newer ones were taken
            after, unread = self._feed.last_worker_sequence, unread | (latest & self._items.handles.keys())
        elif waiting == 1:  # behind 0 nothing is replayed: what the first event has told is read instead
            after, unread = 1, set(self._items.handles)
        return Transfer(
            session.session_id,
            self._items.server_handle,
            after,
            self._items.handles,
            tuple(self._items),
            tuple(unread),
        ).to_dict()

    async def aclose(self, *, keep_session: bool = False) -> None:
        """End the subscription. Idempotent, and safe to be cancelled: the end goes on.

        Args:
            keep_session: Leave the session open for another process that has its state.
        """
        if self._ending is None or self._ending.cancelled():
            self._ending = asyncio.create_task(self._supervisor.end(keep_session=keep_session))
        await asyncio.shield(self._ending)


class _Connected:
    """A block in which the subscription is connected and its items are left alone by others."""

    def __init__(self, subscription: Subscription, supervisor: Supervisor, patience: float) -> None:
        self._subscription = subscription
        self._supervisor = supervisor
        self._patience = patience

    async def __aenter__(self) -> Session:
        try:
            async with asyncio.timeout(self._patience or 1e-9):
                while True:
                    await self._wait()
                    await self._supervisor.editing.acquire()
                    session = self._supervisor.session
                    if session is not None and self._subscription.state is SubscriptionState.CONNECTED:
                        return session
                    self._supervisor.editing.release()  # lost again while others edited
        except TimeoutError:
            raise self._impatient() from None

    async def __aexit__(self, *exc_info: object) -> None:
        self._supervisor.editing.release()

    async def _wait(self) -> None:
        if self._subscription.state is SubscriptionState.CONNECTED:
            return
        async for state in self._subscription.states():
            if state is SubscriptionState.CONNECTED:
                return
            if state in OVER or state is SubscriptionState.NEW:
                raise MxGatewaySessionError(
                    f"the subscription is {state.value}", hint="use it inside its async with block", phase="request"
                )

    def _impatient(self) -> MxGatewayError:
        return MxGatewayTimeoutError(
            f"the subscription was {self._subscription.state.value} for {self._patience:g} s",
            hint="call again later, or allow more with call_wait",
            phase="request",
        )


def _checked(tags: Iterable[str]) -> list[str]:
    return [check_text(f"tags[{index}]", tag) for index, tag in enumerate(check_list("tags", tags))]


async def _checked_slowly(tags: Iterable[str]) -> list[str]:
    """Check tags and let others have their turn meanwhile."""
    return await for_each(check_list("tags", tags), lambda index, tag: check_text(f"tags[{index}]", tag))
