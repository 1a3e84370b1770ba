"""A gateway, a bad network and a subscription through it: what the faults of `faults` happen to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mxgateway import MxGatewayError, Outcome, Subscription, SubscriptionState
from mxgateway.simulator import SimulatedGateway
from mxgateway.simulator.mxaccess.sessions import Session
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import until
from tests.subscription.rig import Consumer, tags_of, unexplained

TAGS: Final = tags_of(20)

CONTINUOUS, GAP, REBUILT = Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT


class Load:
    """Changes of tags, in turn: bursts of a size at an interval in seconds, up to a number in all."""

    def __init__(self, gateway: SimulatedGateway, tags: list[str], size: int, interval: float, limit: int) -> None:
        self._gateway, self._size, self._interval, self.limit = gateway, size, interval, limit
        self.tags = tags
        self.number = 0
        """How many changes there were; the newest one's value."""
        self.held = False

    async def run(self) -> None:
        """Publish until the limit."""
        while self.number < self.limit:
            if not self.held:
                self.publish(self._size)
            await asyncio.sleep(self._interval)

    def publish(self, count: int) -> None:
        """Change tags so many times; nothing changes at a gateway that is stopped."""
        for _ in range(count):
            tag = self.tags[self.number % len(self.tags)]
            self.number += 1
            try:
                self._gateway.set_tag(tag, self.number)
            except RuntimeError:
                return


LOADS: Final[Mapping[str, tuple[int, float, int]]] = {
    "idle": (0, 0.0, 0),
    "10 events a second": (1, 0.1, 1_000_000),
    "20,000 events a second": (200, 0.01, 1_200),
}
"""Burst size, interval, limit: the machine decides how quick the last one really is."""


@dataclass
class World:
    """A subscription under way, its gateway, and the network between them."""

    gateway: SimulatedGateway
    proxy: FaultProxy
    consumer: Consumer
    load: Load
    pauses: list[MxGatewayError] = field(default_factory=list)
    """The failures that recovery has paused for."""

    @property
    def subscription(self) -> Subscription:
        return self.consumer.subscription

    @property
    def session(self) -> Session:
        """The subscription's session at the gateway."""
        return list(self.gateway.sessions.values())[-1]

    @property
    def values(self) -> dict[str, Any]:
        """The newest value of each tag at the gateway."""
        return {tag: self.gateway.tag(tag).sample.native for tag in self.load.tags}

    @property
    def is_connected(self) -> bool:
        return self.subscription.state is SubscriptionState.CONNECTED

    @property
    def unexplained(self) -> int:
        """How many events the subscription's books do not have yet."""
        return unexplained(self.subscription, self.gateway, self.consumer.gaps)

    async def until_lost(self) -> None:
        """Wait until the subscription has noticed a fault."""
        before = len(self.consumer.changes)
        await until(lambda: self.subscription.state is SubscriptionState.RECOVERING or len(self.consumer.changes) > before)  # fmt: skip

    async def until_failing(self, attempts: int) -> None:
        """Wait until so many further attempts have failed."""
        goal = len(self.pauses) + attempts
        await until(lambda: len(self.pauses) >= goal)

    async def cut_off(self) -> None:
        """Make the gateway unreachable and wait until that is noticed."""
        events = self.session.events  # the gateway may close the session as soon as nobody listens
        await self.proxy.refuse()
        self.proxy.reset_all()
        await self.until_lost()
        await until(lambda: not events.is_attached)


Inject = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One way in which things go wrong."""

    inject: Inject
    """Begins the fault and returns when it is over."""
    outcomes: frozenset[Outcome]
    """What the interruptions may come to; empty when there is none."""
    covers: frozenset[str] = frozenset()
    """The faults of the proxy, and the switches of the gateway, that it is made of."""
    simulator: Mapping[str, Any] = field(default_factory=dict)
    subscription: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    taken_bound: float = 30.0

    @property
    def name(self) -> str:
        return self.inject.__name__.replace("_", " ")
