"""What the tests of the event core share: a gateway that remembers, a network between, and the gateway's word on each write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mxgateway import EventStream, GatewayClient, MxGatewayError, MxGatewaySessionError, Session, proto
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import ExecutedWrite, History, Plant, SimulatedGateway, SimulatorOptions, SystemClock
from mxgateway.simulator import Session as GatewaySession
from mxgateway.simulator.mxaccess.event_faults import EventFaults
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import Item, advised, connect, in_words, requests, until
from tests.subscription.rig import quiet_plant

TAG = "Unit.Tag0000"
OTHER = "Unit.Tag0001"


@dataclass
class Site:
    """A gateway that remembers, the network before it, and a session behind both."""

    gateway: SimulatedGateway
    history: History
    proxy: FaultProxy
    client: GatewayClient
    session: Session
    clock: SystemClock

    @property
    def there(self) -> GatewaySession:
        """The session as the gateway has it."""
        return self.gateway.sessions[self.session.session_id]

    @property
    def faults(self) -> EventFaults:
        """What can go wrong with the session's events."""
        return self.there.events.faults

    def native(self, tag: str = TAG) -> Any:
        """Return the value of a tag in the plant."""
        return self.gateway.tag(tag).sample.native

    def write_of(self, event: proto.MxEvent) -> ExecutedWrite:
        """Return the write whose completion an event is."""
        (write,) = [
            write
            for write in self.history.writes
            if (write.session_id, write.worker_sequence) == (event.session_id, event.worker_sequence)
        ]
        return write

    @property
    def streams_asked(self) -> list[int]:
        """After which event each stream was asked for."""
        return [request.after_worker_sequence for request in requests(self.gateway, "StreamEvents")]

    async def blip(self, cut: Callable[[], None] | None = None) -> None:
        """Cut the connections and return when the stream has ended at the gateway and here; it may be there again."""
        streams, pump = len(self.streams_asked), self.session.pump
        (cut or self.proxy.reset_all)()
        await until(
            lambda: (
                (not self.there.events.is_attached and pump.state is not PumpState.LIVE)
                or len(self.streams_asked) > streams
            )
        )

    async def lose_events(self, publish: Callable[[], None], count: int) -> None:
        """Let the gateway send so many events into a network that then breaks."""
        sent = self.there.events.sent
        self.proxy.to_client.freeze()
        publish()
        await until(lambda: self.there.events.sent >= sent + count)
        self.lose_connections()

    def lose_connections(self) -> None:
        """End every connection, with what is under way on it, and let new ones through."""
        self.proxy.reset_all()
        self.proxy.both.heal()

    async def confirm(self, item: Item, value: int, **keywords: Any) -> None:
        """Write and wait for the confirmation, which must be the write's own."""
        event = await self.session.write_confirmed(*item.pair, value, **{"timeout": 10, **keywords})
        write = self.write_of(event)
        assert (write.item_handle, write.value.int32_value, write.succeeded) == (item.handle, value, True)

    async def confirm_again(self, item: Item, value: int, tag: str = TAG) -> Item:
        """Confirm a write of an item that may be in doubt, and return the item, added again where that was necessary."""
        try:
            await self.confirm(item, value)
        except MxGatewaySessionError as doubt:
            assert in_words(doubt, "in doubt")
            item = await self.add_again(item, tag)
            await self.confirm(item, value)
        return item

    async def add_again(self, item: Item, tag: str = TAG) -> Item:
        """Remove an item and add it again, as the hint of a doubt says."""
        handle = await self.session.add_item(item.server, tag)
        await self.session.advise(item.server, handle)
        await self.session.remove_item(*item.pair)
        return Item(item.server, handle)

    async def advised(self, tag: str = TAG) -> Item:
        """Register, add a tag and advise it."""
        return await advised(self.session, tag)

    def writes_received(self) -> int:
        """Return how many writes have arrived at the gateway."""
        return self.commands_received("WRITE")

    def commands_received(self, kind: str) -> int:
        """Return how many commands of a kind have arrived at the gateway."""
        return sum(
            call.method == "Invoke" and call.request is not None and call.request.command.kind.name == kind
            for call in self.gateway.received
        )


@asynccontextmanager
async def site(
    *, tags: int = 3, plant: Plant | None = None, options: SimulatorOptions | None = None, **client: Any
) -> AsyncIterator[Site]:
    """A gateway, a network, a client without retries of its own, and a session."""
    clock = SystemClock()
    async with (
        SimulatedGateway(plant=plant or quiet_plant(tags), options=options, clock=clock) as gateway,
        FaultProxy(gateway.port) as proxy,
        connect(gateway, endpoint=proxy.endpoint, **{"retry": None, **client}) as opened,
        opened.open_session() as session,
    ):
        yield Site(gateway, gateway.keep_history(), proxy, opened, session, clock)


def never_confirmed(outcome: object) -> None:
    """Check that a write that the plant refuses was told as refused, or as one of which nobody knows, but not as confirmed."""
    assert isinstance(outcome, MxGatewayError), outcome


async def sequences(events: EventStream, last: int) -> list[int]:
    """Read up to an event and return what came; a gap as the number before which everything is lost, negative."""
    seen: list[int] = []
    while not seen or seen[-1] < last:
        event = await anext(events)
        gap = event.replay_gap
        seen.append(event.worker_sequence if gap is None else -gap.oldest_available_sequence)
    return seen
