"""The world of a schedule: a gateway, the network before it, clients, sessions, items, and what is under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from mxgateway import (
    GatewayClient,
    MxAccessError,
    MxGatewayError,
    MxGatewayTimeoutError,
    Overflow,
    RecoveryOptions,
    Session,
    SubscriptionOptions,
    proto,
)
from mxgateway.simulator import (
    Attribute,
    DataType,
    Plant,
    PlantObject,
    SimulatedGateway,
    SimulatorOptions,
    SystemClock,
    Template,
    WriteRefusal,
)
from mxgateway.simulator import Session as GatewaySession
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import connect, until
from tests.events.model_judge import Judge, Wanted, Wrong
from tests.events.model_readers import IteratorReader, SubscriptionReader

TAGS: Final = [f"Unit.Tag{number}" for number in range(4)]
REFUSING: Final = "Unit.Refusing"
"""Accepts every write and refuses it later."""
PATIENCE: Final = 15.0
"""Seconds until what does not come to rest counts as a hang."""
BOUND: Final = 30.0
"""Seconds that a write may take: more than a test waits for it."""

QUICK: Final = RecoveryOptions(initial_backoff=0.001, max_backoff=0.004, stable_after=0.01, rejected_backoff=0.004)


def plant() -> Plant:
    """Return a plant whose tags change only when a schedule changes them."""
    attributes = [Attribute(name=tag.partition(".")[2], data_type=DataType.INTEGER) for tag in TAGS]
    refusing = Attribute(name="Refusing", data_type=DataType.INTEGER, refusal=WriteRefusal.ON_COMPLETION)
    return Plant([PlantObject(1, "Unit", Template("$Unit", attributes=(*attributes, refusing)))])


@dataclass(eq=False)
class ModelItem:
    """An item, and since when it is known that nothing of it is in doubt."""

    place: Place
    handle: int
    tag: str
    clean: int
    """How much had happened when its record was surely right; -1 for never."""
    is_removed: bool = False


@dataclass(eq=False)
class Place:
    """A session: as its user has it, and as the gateway has it."""

    session: Session
    there: GatewaySession
    server: int = 0
    items: list[ModelItem] = field(default_factory=list)
    clean: int = -1
    """How much had happened when a completion came here: what was lost before is known by then."""
    is_dead: bool = False
    given_again: set[int] = field(default_factory=set)
    """Handles of items that were removed, and that others may have: these may be in doubt."""

    @property
    def is_gone(self) -> bool:
        """Whether the session takes no commands any more."""
        return self.is_dead or self.there.is_closed or self.there.state is not proto.SessionState.READY


@dataclass(eq=False)
class Doing:
    """Something that is under way."""

    name: str
    task: asyncio.Task[Any]


class World:
    """What a schedule plays in.

    Args:
        chance: Of the schedule.
        gateway: The gateway.
        proxy: The network before it.
        clients: The clients; the last one uses the sessions.
        faulty: Whether anything goes wrong.
    """

    def __init__(
        self,
        chance: random.Random,
        gateway: SimulatedGateway,
        proxy: FaultProxy,
        clients: list[GatewayClient],
        *,
        faulty: bool,
    ) -> None:
        self.faulty = faulty
        self.chance = chance
        self.gateway = gateway
        self.proxy = proxy
        self.clients = clients
        self.judge = Judge(gateway.keep_history())
        self.trace: list[str] = []
        self.places: list[Place] = []
        self.readers: list[IteratorReader] = []
        self.subscriptions: list[SubscriptionReader] = []
        self.doing: list[Doing] = []
        self.disturbances = 0
        """How many faults and cancellations there were."""
        self.unrest = True
        """Whether a fault may still have its effect."""
        self.others = ExitStack()
        """Readers of somebody else's."""
        self._value = 0
        self._polls = 0
        self._wrong: list[Wrong] = []

    # -- what steps use

    @property
    def living(self) -> list[Place]:
        """The sessions that take commands."""
        return [place for place in self.places if not place.is_gone]

    def note(self, text: str) -> None:
        """Write a step down."""
        self.trace.append(text)

    def value(self) -> int:
        """Return a value that nobody has written before."""
        self._value += 1
        return self._value

    def disturb(self) -> None:
        """Count a fault: from now on errors are allowed."""
        self.disturbances += 1
        self.unrest = True

    def pick(self, things: list[Any]) -> Any | None:
        """Return one of them; None when there is none."""
        return self.chance.choice(things) if things else None

    def item(self) -> ModelItem | None:
        """Return an item that can be written."""
        found: ModelItem | None = self.pick([item for place in self.living for item in place.items])
        return found

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside the next steps."""
        task = asyncio.create_task(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before its first step never ran
        self.doing.append(Doing(name, task))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something; an error of the library is allowed here, a wrong word is kept."""
        try:
            await work
        except Wrong as wrong:
            self._wrong.append(wrong)
        except MxGatewayError as error:
            if not self.unrest and not isinstance(error, MxAccessError) and self.living == self.places:
                self._wrong.append(Wrong(f"a call has failed, and nothing had happened: {error!r}"))

    async def add_place(self) -> None:
        """Open a session with one client and use it with the last one, which may be another."""
        owner, user = self.clients[0], self.clients[-1]
        opened = await owner.open_session()
        session = opened if owner is user else user.attach_session(opened.session_id)
        place = Place(session, self.gateway.sessions[opened.session_id])
        place.server = await session.register("model")
        self.judge.watch_marks(place.there)
        self.places.append(place)

    async def add_item(self, place: Place, tag: str) -> ModelItem:
        """Add an item and advise it."""
        before = self.disturbances - self.unrest
        handle = await place.session.add_item(place.server, tag)
        await place.session.advise(place.server, handle)
        item = ModelItem(place, handle, tag, -1 if handle in place.given_again else before)
        place.items.append(item)
        return item

    def wanted(self, item: ModelItem, value: int | str) -> Wanted:
        """Return what a write of an item wants."""
        return Wanted(item.place.session.session_id, item.handle, item.tag, value)

    def options(self) -> SubscriptionOptions:
        """Return options of a subscription, any policy that loses nothing untold."""
        overflow = self.chance.choice([Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG])
        return SubscriptionOptions(
            overflow=overflow, max_items=self.chance.choice([5, 1000]), recovery=QUICK, stale_after=None
        )

    # -- rest

    async def settle(self) -> None:
        """Let every fault end, wait until everything is at rest, and judge."""
        self.note("rest")
        self.others.close()
        for place in self.places:
            place.there.events.faults.clear()
            place.there.worker._again.clear()
        self.gateway.release_write_completions()
        self.gateway.switches.clear()
        self.proxy.both.heal()
        for reader in (*self.readers, *self.subscriptions):
            reader.go_on()
        await self._until("calls are under way", self._have_ended)
        self.doing.clear()
        for client in self.clients:
            await self._reach(client)
        self._change_all()
        native = {tag: self.gateway.tag(tag).sample.native for tag in (*TAGS, REFUSING)}
        await self._until("readers lag", lambda: not self._lagging(native))
        self._raise_wrong()
        self._judge()
        await self._judge_subscriptions()
        self.unrest = False

    async def _reach(self, client: GatewayClient) -> None:
        """Call the gateway until it answers: the end of a connection may be news only to the next call."""
        while True:
            try:
                await client.galaxy.get_last_deploy_time()
            except MxGatewayError:
                await asyncio.sleep(0.001)
            else:
                return

    def _have_ended(self) -> bool:
        """Whether nothing is under way; events go on meanwhile, for it is by the next one that a lost one is noticed."""
        if all(doing.task.done() for doing in self.doing):
            return True
        self._polls += 1
        if self._polls % 20 == 1:
            self._change_all()
        return False

    def _change_all(self) -> None:
        for tag in TAGS:
            self.gateway.set_tag(tag, self.value())

    async def _until(self, what: str, holds: Callable[[], bool]) -> None:
        try:
            await until(holds, patience=PATIENCE)
        except TimeoutError:
            self._raise_wrong()
            native = {tag: self.gateway.tag(tag).sample.native for tag in (*TAGS, REFUSING)}
            going = [doing.name for doing in self.doing if not doing.task.done()]
            raise Wrong(
                f"after {PATIENCE:g} s {what}: {going}, {[self._state(each) for each in self._lagging(native)]}"
            ) from None

    def _state(self, reader: IteratorReader | SubscriptionReader) -> str:
        if isinstance(reader, IteratorReader):
            return f"{reader}: {reader.seen}, the gateway is at {reader.there.events.last_sequence}"
        return f"{reader}: {reader.values}, {reader.subscription!r}, {reader.subscription.stats()}"

    def _lagging(self, native: dict[str, Any]) -> list[IteratorReader | SubscriptionReader]:
        """Return the readers that have not come to rest: behind what they can have, or still there when their session is gone."""
        readers = [
            reader
            for reader in self.readers
            if not reader.has_ended and (self._is_dead(reader) or not reader.is_up_to_date(self.judge))
        ]
        subscriptions = [
            each
            for each in self.subscriptions
            if not each.has_ended and (self._is_dead(each) or not each.is_up_to_date(native))
        ]
        return [*readers, *subscriptions]

    def _is_dead(self, reader: IteratorReader | SubscriptionReader) -> bool:
        """Whether the session of a reader, unless it has one of its own, is gone."""
        return any(place.there is reader.there and place.is_gone for place in self.places)

    def _judge(self) -> None:
        for reader in self.readers:
            reader.check(self.judge, disturbances=self.disturbances, is_dead=self._is_dead(reader))
        self.readers = [reader for reader in self.readers if not reader.has_ended]

    async def _judge_subscriptions(self) -> None:
        for reader in self.subscriptions:
            reader.check_end(disturbances=self.disturbances, is_dead=self._is_dead(reader))
        self.subscriptions = [reader for reader in self.subscriptions if not reader.has_ended]
        for reader in self.subscriptions:
            there = reader.there or self.gateway.sessions[(await reader.subscription.session()).session_id]
            if there.session_id not in self.judge.lied_to:
                with suppress(TimeoutError):
                    await until(partial(reader.has_all, there), patience=PATIENCE)
            reader.check(self.judge, there)

    def _raise_wrong(self) -> None:
        if self._wrong:
            raise self._wrong[0]

    # -- the end

    async def end(self) -> None:
        """Check that every item can be confirmed again and that nothing is left behind, and close everything."""
        await self.settle()
        for place in self.living:
            for item in list(place.items):
                await self._confirm_again(item)
            await self._confirm_by_name(place)
        await self.settle()
        self.judge.recheck()
        for reader in (*self.readers, *self.subscriptions):
            await reader.close()
        for place in self.living:
            await self._leave(place)
        for client in reversed(self.clients):
            await client.close()
        await self._until("sessions are left", lambda: not any(map(self._is_left, self.gateway.sessions.values())))

    def _is_left(self, session: GatewaySession) -> bool:
        """Whether a session was left open by somebody who could have closed it: nobody can whose opening's reply was lost."""
        is_known = bool(session.worker.servers) or not self.disturbances
        return not session.is_closed and is_known

    async def _leave(self, place: Place) -> None:
        """Leave a session, and check what is registered in it when it is somebody else's and goes on."""
        is_shared = self.clients[0] is not self.clients[-1]
        await place.session.__aexit__(None, None, None)
        if is_shared and not self.disturbances and (strays := place.there.worker.servers.keys() - {place.server}):
            raise Wrong(f"the registrations {strays} were left behind in a session that goes on")

    async def _confirm_again(self, item: ModelItem) -> None:
        value = self.value()
        outcome = await self._outcome(item, value)
        if isinstance(outcome, MxGatewayTimeoutError):
            raise Wrong(f"a write was sent at rest, and nobody knows what became of it: {outcome!r}")
        if isinstance(outcome, MxGatewayError) and not isinstance(outcome, MxAccessError):
            self.judge.outcome(self.wanted(item, value), outcome, disturbed=self.disturbances > item.clean)
            doubtful, item, value = item, await self.add_item(item.place, item.tag), self.value()
            await item.place.session.remove_item(item.place.server, doubtful.handle)
            item.place.items.remove(doubtful)
            outcome = await self._outcome(item, value)
        self.judge.outcome(self.wanted(item, value), outcome, disturbed=False)

    async def _outcome(self, item: ModelItem, value: int) -> Any:
        try:
            return await item.place.session.write_confirmed(item.place.server, item.handle, value, timeout=PATIENCE)
        except MxGatewayError as error:
            return error

    async def _confirm_by_name(self, place: Place) -> None:
        values = {tag: self.value() for tag in (*TAGS, REFUSING)}
        for write in await place.session.write_tags(values, confirm=True, timeout=BOUND):
            wanted = Wanted(place.session.session_id, 0, write.tag, values[write.tag])
            self.judge.by_name(wanted, write, disturbed=False)


@asynccontextmanager
async def world(chance: random.Random) -> AsyncIterator[World]:
    """A world for one schedule, and its end."""
    faulty = chance.random() < 0.75
    ring = chance.choice([4, 16, 1024]) if faulty else 1024
    options = SimulatorOptions(replay_limit=ring, record_limit=10, detach_grace=600)
    async with (
        SimulatedGateway(plant=plant(), options=options, clock=SystemClock()) as gateway,
        FaultProxy(gateway.port) as proxy,
    ):
        # Where nothing goes wrong, no network is needed that can: it would carry each byte once more.
        fields = {"endpoint": proxy.endpoint if faulty else gateway.endpoint, "retry": None}
        clients = [await connect(gateway, **fields) for _ in range(chance.choice([1, 1, 2]))]
        try:
            yield World(chance, gateway, proxy, clients, faulty=faulty)
        finally:
            for client in clients:
                await client.close()
