"""A subscription under test: what its consumer is given, held against what the gateway has numbered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mxgateway import (
    ConnectionChange,
    Gap,
    GapCause,
    Origin,
    Outcome,
    Overflow,
    RecoveryOptions,
    Subscription,
    SubscriptionOptions,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.simulator import Attribute, DataType, Plant, PlantObject, SimulatedGateway, Template

QUICK: Final = RecoveryOptions(initial_backoff=0.02, max_backoff=0.05, stable_after=0.2, rejected_backoff=0.05)
"""Pauses that a test can wait for."""

STEADY: Final = {"recovery": QUICK, "stale_after": None}


def quiet_plant(tags: int) -> Plant:
    """Return a plant with so many integer tags, ``Unit.Tag0000`` and so on, that change only when a test changes them."""
    names = [f"Tag{number:04}" for number in range(tags)]
    template = Template("$Unit", attributes=tuple(Attribute(name=name, data_type=DataType.INTEGER) for name in names))
    return Plant([PlantObject(1, "Unit", template)])


def tags_of(count: int) -> list[str]:
    """Return the first tags of a `quiet_plant`."""
    return [f"Unit.Tag{number:04}" for number in range(count)]


@dataclass
class Consumer:
    """Takes what a subscription yields and checks, as it comes, what holds at any time."""

    subscription: Subscription
    updates: list[TagUpdate] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    changes: list[ConnectionChange] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    """The newest value of each tag."""
    taken: int = 0
    """How many updates have come."""
    error: BaseException | None = None
    pause: Callable[[], float | None] = lambda: None
    """How long to stall before the next update, in seconds; None not at all."""
    keep: bool = True
    """Whether the updates are kept, and why the connection was lost."""
    _last: dict[str, int] = field(default_factory=dict)

    def take(self, item: TagUpdate | Gap | ConnectionChange) -> None:
        """Take one thing that the subscription has yielded."""
        if isinstance(item, Gap):
            self.gaps.append(item)
            if item.cause in (GapCause.SESSION_LOST, GapCause.RESTARTED):
                self._last.clear()
        elif isinstance(item, ConnectionChange):
            self.changes.append(item if self.keep else replace(item, cause=None))
        else:
            if item.worker_sequence:
                assert item.worker_sequence > self._last.get(item.tag, 0), "an update came twice, or out of order"
                self._last[item.tag] = item.worker_sequence
            self.values[item.tag] = item.value
            self.taken += 1
            if self.keep:
                self.updates.append(item)

    async def run(self) -> None:
        """Consume until the subscription ends."""
        try:
            async for item in self.subscription:
                self.take(item)
                if (seconds := self.pause()) is not None:
                    await asyncio.sleep(seconds)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    @property
    def outcomes(self) -> list[Outcome]:
        """What the interruptions came to."""
        return [change.outcome for change in self.changes if change.outcome is not None]

    @property
    def origins(self) -> dict[Origin, int]:
        """How many updates there are of each origin."""
        counts: dict[Origin, int] = defaultdict(int)
        for update in self.updates:
            counts[update.origin] += 1
        return counts


def unexplained(subscription: Subscription, gateway: SimulatedGateway, gaps: Iterable[Gap] = ()) -> int:
    """Return how many events the gateway has numbered that the books of a subscription do not have (yet).

    Args:
        subscription: The subscription; its session is the gateway's only one.
        gateway: The gateway.
        gaps: What its consumer was given: of each session that was lost, they say up to which event everything is in the books.
    """
    (session,) = gateway.sessions.values()
    known = session.events.last_sequence
    known += sum(gap.first_lost - 1 for gap in gaps if gap.cause is GapCause.SESSION_LOST)
    stats = subscription.stats()
    delivered = stats.delivered - stats.snapshots
    return known - (delivered + stats.queued + stats.dropped + stats.conflated + stats.lost + stats.other)


def account(subscription: Subscription, gateway: SimulatedGateway, gaps: Iterable[Gap] = ()) -> None:
    """Hold the books of a subscription against the gateway's."""
    gaps = list(gaps)
    assert unexplained(subscription, gateway, gaps) == 0, f"{subscription.stats()}, {gaps}, {gateway.sessions}"


def check_books(consumer: Consumer) -> None:
    """Hold what a consumer was given, to the last update, against the numbers of its subscription."""
    stats = consumer.subscription.stats()
    missing: dict[GapCause, int] = defaultdict(int)
    for gap in consumer.gaps:
        missing[gap.cause] += gap.count or 0
    assert stats.queued == 0
    assert stats.delivered == consumer.taken
    assert stats.dropped == missing[GapCause.OVERFLOW]
    assert stats.lost == missing[GapCause.REPLAY] + missing[GapCause.SEQUENCE]


@asynccontextmanager
async def consumed(subscription: Subscription, **fields: Any) -> AsyncIterator[Consumer]:
    """Begin a subscription and consume it in a task for the time of the block."""
    async with subscription:
        consumer = Consumer(subscription, **fields)
        task = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            task.cancel()
            await asyncio.wait([task])


def options(overflow: Overflow = Overflow.DROP_OLDEST, **fields: Any) -> SubscriptionOptions:
    """Return options with short pauses."""
    return SubscriptionOptions(overflow=overflow, **{**STEADY, **fields})


def publish(gateway: SimulatedGateway, tags: Iterable[str], value: int) -> None:
    """Let tags change."""
    for tag in tags:
        gateway.set_tag(tag, value)


def is_connected(subscription: Subscription) -> bool:
    """Tell whether a subscription is connected."""
    return subscription.state is SubscriptionState.CONNECTED
