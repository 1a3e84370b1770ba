"""The consumers of a schedule: they read, stall, and remember what they were given."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from mxgateway import (
    EventStream,
    Gap,
    GapCause,
    MxGatewayError,
    Session,
    Subscription,
    SubscriptionState,
    SubscriptionStats,
    TagUpdate,
)
from mxgateway.simulator import Session as GatewaySession
from tests.events.model_judge import Judge, Seen, Wrong, books, is_balanced


class Reader(ABC):
    """Reads in a task of its own until it is closed; may be stalled."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.is_closed = False
        self._going = asyncio.Event()
        self._going.set()
        self.task = asyncio.create_task(self._run())

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.task.done()

    def stall(self) -> None:
        """Read nothing for a while."""
        self._going.clear()

    def go_on(self) -> None:
        """Read again."""
        self._going.set()

    async def close(self) -> None:
        """End it, as a caller does who leaves the block."""
        self.is_closed = True
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _run(self) -> None:
        try:
            await self._read()
        except (MxGatewayError, TimeoutError) as error:
            self.error = error

    @abstractmethod
    async def _read(self) -> None:
        """Begin, and read to the end."""

    def __repr__(self) -> str:
        return f"<{self.name}{', ended' if self.has_ended else ''}>"


class IteratorReader(Reader):
    """Reads an iterator of raw events.

    Args:
        name: In messages.
        session: The session.
        there: The same at the gateway.
        after: The event after which it begins; 0 for what comes.
        resume: Whether it goes on through faults.
        by_batches: Whether it takes all that has come at once.
        disturbances: How much had happened when it began.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        there: GatewaySession,
        after: int,
        *,
        resume: bool,
        by_batches: bool,
        disturbances: int,
    ) -> None:
        self.there = there
        self.resume = resume
        self.disturbances = disturbances
        self.seen = Seen(after + 1 if after else 0)
        self.has_begun = False
        self._by_batches = by_batches
        self._events: EventStream = session.stream_events(after, resume=resume)
        super().__init__(name)

    async def _read(self) -> None:
        async with self._events as events:
            self.has_begun = True
            if self._by_batches:
                async for batch in events.batches():
                    for event in batch:
                        self.seen.take(event)
                    await self._going.wait()
            async for event in events:
                self.seen.take(event)
                await self._going.wait()

    def is_up_to_date(self, judge: Judge) -> bool:
        """Whether it has everything that it can have."""
        session_id = self.there.session_id
        last = max(self.seen.numbers, default=0) if session_id in judge.lied_to else self.seen.last
        return self.has_ended or last >= judge.deliverable(session_id, self.there.events.faults.missing)

    def check(self, judge: Judge, *, disturbances: int, is_dead: bool) -> None:
        """Check what it was given, at rest."""
        missing, session_id = self.there.events.faults.missing, self.there.session_id
        if self.has_ended and not self.is_closed:
            if self.error is None:
                raise Wrong(f"{self} has ended without an error")
            if not is_dead and (disturbances == self.disturbances or (self.resume and self.has_begun)):
                raise Wrong(f"{self} has ended with {self.error!r}, though nothing had happened, or it resumes")
        last = self.seen.last if self.has_ended else judge.deliverable(session_id, missing)
        judge.iterator(session_id, self.seen, missing, last=last)


@dataclass
class Epoch:
    """What a subscription has yielded of one session."""

    updates: list[TagUpdate] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    rest: tuple[int, SubscriptionStats] | None = None
    """The gateway's last number and the books when everything had come to rest."""


class SubscriptionReader(Reader):
    """Reads a subscription.

    Args:
        name: In messages.
        subscription: The subscription.
        there: Its session at the gateway; None for one of its own, which changes.
        by_batches: Whether it takes all that has come at once.
        disturbances: How much had happened when it began.
    """

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        there: GatewaySession | None,
        *,
        by_batches: bool,
        disturbances: int,
    ) -> None:
        self.subscription = subscription
        self.there = there
        self.disturbances = disturbances
        self.epoch = Epoch()
        self.values: dict[str, Any] = {}
        self._by_batches = by_batches
        super().__init__(name)

    async def _read(self) -> None:
        async with self.subscription as updates:
            if self._by_batches:
                async for items in updates.batches():
                    for item in items:
                        self._take(item)
                    await self._going.wait()
            async for item in updates:
                self._take(item)
                await self._going.wait()

    def _take(self, item: object) -> None:
        if isinstance(item, TagUpdate):
            self.values[item.tag] = item.value
            self.epoch.updates.append(item)
        elif isinstance(item, Gap):
            if item.cause is GapCause.SESSION_LOST:
                self.epoch = Epoch()
            else:
                self.epoch.gaps.append(item)

    def is_up_to_date(self, plant: dict[str, Any]) -> bool:
        """Whether it knows the present value of each of its tags, and nothing waits."""
        if self.has_ended:
            return True
        tags = set(self.subscription.tags) - self.subscription.refused.keys()
        return (
            self.subscription.state is SubscriptionState.CONNECTED
            and self.subscription.stats().queued == 0
            and all(tag in self.values and self.values[tag] == plant[tag] for tag in tags)
        )

    def check_end(self, *, disturbances: int, is_dead: bool) -> None:
        """Check that it has ended with a reason, if at all."""
        if self.has_ended and not self.is_closed and not is_dead and disturbances == self.disturbances:
            raise Wrong(f"{self} has ended with {self.error!r}, and nothing had happened")

    def has_all(self, there: GatewaySession) -> bool:
        """Whether its books hold all that its session has numbered since the last rest: also events of other items are still under way when its own tags are up to date."""
        return self.epoch.rest is None or is_balanced(
            self.epoch.rest, (there.events.last_sequence, self.subscription.stats())
        )

    def check(self, judge: Judge, there: GatewaySession) -> None:
        """Check what it has yielded of a session, at rest."""
        last = there.events.last_sequence
        judge.updates(there.session_id, self.epoch.updates, self.epoch.gaps, last)
        rest = (last, self.subscription.stats())
        if self.epoch.rest is not None and there.session_id not in judge.lied_to:
            books(self.epoch.rest, rest)
        self.epoch.rest = rest
