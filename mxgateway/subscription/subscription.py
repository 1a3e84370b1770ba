"""The subscription as its consumer sees it."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar, cast

from mxgateway.calling.argument_checks import check_list, check_text
from mxgateway.commands.bulk.chunks import for_each
from mxgateway.commands.session.session_commands import SessionCommands
from mxgateway.errors import MxGatewayError, MxGatewaySessionError, MxGatewayTimeoutError
from mxgateway.errors.faults import copy_of
from mxgateway.events.consuming import Batches, when_dropped
from mxgateway.options.subscription import SubscriptionOptions
from mxgateway.subscription.epoch import SessionEpoch
from mxgateway.subscription.hand_over import Transfer
from mxgateway.subscription.states import StateChanges
from mxgateway.subscription.supervisor import SessionSource, Supervisor
from mxgateway.subscription.updates import SubscriptionState, SubscriptionStats, Update
from mxgateway.transport.channel import Channel

S = TypeVar("S", bound=SessionCommands)


class TagSubscription(Generic[S]):
    """The base of `Subscription`, for any kind of session.

    Args:
        tags: What to subscribe to.
        options: How it handles a slow consumer and interruptions.
        source: Provides its sessions.
        client: Says where it may be used, and ends its pauses when it is closed.
        resume_from: What `export_state` of another subscription returned.
    """

    def __init__(
        self,
        tags: Iterable[str],
        options: SubscriptionOptions,
        source: SessionSource,
        client: Channel,
        *,
        resume_from: Mapping[str, Any] | None = None,
    ) -> None:
        self._transfer = Transfer.from_dict(resume_from) if resume_from is not None else None
        names = [] if self._transfer is not None and not tags else _checked(tags)
        wanted = [*(self._transfer.tags if self._transfer is not None else ()), *names]
        self._options = options
        # The supervisor and its tasks hold no reference to the subscription: only the consumer keeps it alive.
        self._supervisor = Supervisor(wanted, options, source, client)
        self._outlet = self._supervisor.outlet
        self._guard = client.guard
        self._ending: asyncio.Task[None] | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    # -- state

    @property
    def state(self) -> SubscriptionState:
        """The current state."""
        return self._outlet.state

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of the subscription, including refused ones."""
        return tuple(self._supervisor.wanted)

    @property
    def refused(self) -> dict[str, str]:
        """The tags that have no item, and why. They are retried with every new session."""
        return dict(self._supervisor.refused)

    def states(self) -> StateChanges:
        """Return an async iterator of the current state and every later one. The last hundred unread ones are kept."""
        return self._outlet.board.watch(self._guard)

    def stats(self) -> SubscriptionStats:
        """Return the counts so far."""
        epoch = self._supervisor.epoch
        lag = epoch.clock.lag if epoch is not None else 0.0
        return SubscriptionStats(queued=len(self._outlet), lag=lag, **vars(self._outlet.counts))

    def __repr__(self) -> str:
        return f"<Subscription of {len(self._supervisor.wanted)} tags, {self.state.value}>"

    # -- updates

    async def __anext__(self) -> Update:
        self._guard.check()
        outlet = self._outlet
        while (item := outlet.pop()) is None:
            if outlet.is_over:
                raise outlet.take_fault() or StopAsyncIteration
            if self._finalizer is None:
                self._begin()
            else:
                await outlet.waiters.enter()
        return item

    def __aiter__(self) -> Self:
        return self

    def batches(self) -> Batches[Update]:
        """Return the same updates in lists: each read waits for the first update, then takes all that are queued."""
        return Batches(self._next_batch)

    async def _next_batch(self) -> list[Update]:
        items = [await self.__anext__()]
        while (item := self._outlet.pop()) is not None:
            items.append(item)
        return items

    def _begin(self) -> None:
        self._finalizer = when_dropped(self, self._guard, partial(_end_in_background, self._supervisor))
        self._supervisor.start(self._transfer)

    async def __aenter__(self) -> Self:
        self._guard.check()
        try:
            if self.state is SubscriptionState.NEW:
                self._begin()
            async for state in self.states():
                if state is not SubscriptionState.CONNECTING:
                    break
            if (fault := self._outlet.take_fault()) is not None:
                raise fault
        except BaseException:
            await self.aclose()  # without an entered block there is no __aexit__
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # -- tags

    async def add(self, tags: Iterable[str]) -> dict[str, str]:
        """Subscribe to further tags. Tags that are already subscribed to stay as they are; refused ones are retried.

        Returns:
            The tags that were refused, and why; empty when all are subscribed to.

        Raises:
            MxGatewayError: An interruption did not end within `call_wait`, or a call failed. Only tags of earlier
                calls, of 1,000 tags each, were added.
        """
        names = dict.fromkeys(await _checked_in_chunks(tags))
        wanted, refused = self._supervisor.wanted, self._supervisor.refused
        async with self._connected() as epoch:
            new = [tag for tag in names if tag not in wanted]
            due = [*new, *(tag for tag in names if tag in refused)]
            wanted.update(dict.fromkeys(new))
            try:
                await self._supervisor.subscribe(epoch, due)
            except BaseException:
                for tag in new:
                    if tag not in epoch.items.handles:
                        self._supervisor.forget(tag)
                raise
            return {tag: refused[tag] for tag in due if tag in refused}

    async def remove(self, tags: Iterable[str]) -> None:
        """Unsubscribe from some tags; other tags are ignored. Queued updates are still delivered.

        Raises:
            MxGatewayError: An interruption did not end within `call_wait`, or the call failed. If the call failed, the
                tags are removed all the same.
        """
        names = await _checked_in_chunks(tags)
        async with self._connected() as epoch:
            await self._supervisor.unsubscribe(epoch, names)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[SessionEpoch]:
        """Wait for the connection, then hold the editing lock while the block runs."""
        self._guard.check()
        call_wait = self._options.call_wait
        try:
            async with asyncio.timeout(call_wait or 1e-9):
                epoch = await self._acquire()
        except TimeoutError as fault:
            if isinstance(fault, MxGatewayError):
                raise  # what the subscription has failed of
            raise MxGatewayTimeoutError(
                f"the subscription was {self.state.value} for {call_wait:g} s",
                hint="call again later, or allow more with call_wait", phase="request",
            ) from None  # fmt: skip
        try:
            yield epoch
        finally:
            self._supervisor.editing.release()

    async def _acquire(self) -> SessionEpoch:
        supervisor = self._supervisor
        async for state in self.states():
            if state is SubscriptionState.NEW:
                break
            if state is SubscriptionState.CONNECTED:
                await supervisor.editing.acquire()
                if supervisor.epoch is not None and self.state is state:
                    return supervisor.epoch
                supervisor.editing.release()  # lost again while waiting for the lock
        if (failure := self._outlet.failure) is not None:
            raise copy_of(failure)
        raise MxGatewaySessionError(
            f"the subscription is {self.state.value}", hint="use it inside its async with block", phase="request"
        )

    async def session(self) -> S:
        """Return the session of the tags, waiting at most `call_wait` for an interruption to end.

        Raises:
            MxGatewaySessionError: The subscription is over, or not started.
            MxGatewayTimeoutError: The interruption did not end in time.
        """
        async with self._connected() as epoch:
            return cast(S, epoch.session)  # the source opens sessions of this type

    def wake(self) -> None:
        """End a pause of the recovery: retry at once."""
        self._guard.check()
        self._supervisor.wake()

    # -- the end

    def export_state(self) -> dict[str, Any]:
        """Return the state, in JSON types, with which another process can continue: its `resume_from` of `subscribe`.

        The other process continues after the last update that was taken here, so close this subscription first, with
        ``aclose(keep_session=True)``. The gateway keeps a session without a stream for 30 s.

        Raises:
            MxGatewaySessionError: The subscription has no session of its own at the moment.
        """
        supervisor = self._supervisor
        epoch = supervisor.epoch
        if epoch is None or not epoch.server_handle or supervisor.is_shared:
            raise MxGatewaySessionError(
                f"the subscription is {self.state.value} and has no session of its own to hand over",
                hint="export a subscription of client.subscribe while it is connected",
            )
        handles = dict(epoch.items.handles)
        overtaken = {epoch.items.tags[handle]: number for handle, number in epoch.items.overtaken.items()}
        after, unread = self._outlet.resume_point(epoch.cursor.position or 0, handles, overtaken)
        unread |= epoch.unread_tags()
        return Transfer(
            epoch.session.session_id, epoch.server_handle, after, handles, tuple(supervisor.wanted), tuple(unread)
        ).to_dict()

    async def aclose(self, *, keep_session: bool = False) -> None:
        """End the subscription. Idempotent, and safe to cancel: the clean-up continues.

        Args:
            keep_session: Leave the session open for another process that has its state.
        """
        self._guard.check()
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._ending is None or self._ending.cancelled():
            self._ending = asyncio.create_task(self._supervisor.end(keep_session=keep_session))
        await asyncio.shield(self._ending)


_ENDINGS: Final[set[asyncio.Task[None]]] = set()
"""Clean-up tasks of garbage-collected subscriptions: only this set keeps them alive."""


def _end_in_background(supervisor: Supervisor) -> None:
    task = asyncio.ensure_future(supervisor.end())
    _ENDINGS.add(task)
    task.add_done_callback(_ENDINGS.discard)


def _checked(tags: Iterable[str]) -> list[str]:
    return [check_text(f"tags[{index}]", tag) for index, tag in enumerate(check_list("tags", tags))]


async def _checked_in_chunks(tags: Iterable[str]) -> list[str]:
    """Check tags without blocking the event loop for long."""
    return await for_each(check_list("tags", tags), lambda index, tag: check_text(f"tags[{index}]", tag))
