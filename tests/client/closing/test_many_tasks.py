"""Sixty-four tasks on one session for a minute of the plant's time: nothing is lost, mixed up or left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from mxgateway import Session, from_mx_value, proto
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.client.support import DATA_CHANGE, TAG, WRITE_COMPLETE, connect

READERS: Final = 16
WRITERS: Final = 16
RIVALS: Final = 8
NAMERS: Final = 8
ITERATORS: Final = 16
SECONDS: Final = 60
STEP: Final = 0.1
LAST_VALUE: Final = -4711
MACHINES: Final = [f"TestMachine_{number:03}" for number in range(1, 7)]
CHANGING: Final = [f"{machine}.TestChangingInt" for machine in MACHINES]


@dataclass
class Load:
    """What the tasks have in common, and what they have counted."""

    session: Session
    over: bool = False
    reads: int = 0
    writes: int = 0
    confirmed: set[int] = field(default_factory=set)
    """The sequences of the completions that were given out: each to one writer."""
    seen: list[list[int]] = field(default_factory=list)
    """The sequences that each iterator has seen."""
    rivals: dict[str, int] = field(default_factory=dict)
    """The completion of each rival's write, by correlation id."""
    sent: list[str] = field(default_factory=list)
    """The correlation ids of all commands in the order in which the gateway received them."""
    objects: list[int] = field(default_factory=list)
    """How many objects were alive, now and then."""

    def take(self, event: proto.MxEvent) -> None:
        """Count a completion, which nobody else may have been given."""
        assert event.family == WRITE_COMPLETE
        assert event.worker_sequence not in self.confirmed
        self.confirmed.add(event.worker_sequence)
        self.writes += 1

    def collect(self, gateway: SimulatedGateway) -> None:
        """Take the commands out of the simulator's record, which holds the last thousand calls; one whose request has not come stays there."""
        received = gateway.received
        while received and (request := received[0].request) is not None:
            if received.popleft().method == "Invoke":
                self.sent.append(request.client_correlation_id)

    async def reader(self, number: int) -> None:
        """Read other tags than the neighbours, and look whether the answers are to these."""
        tags = [CHANGING[(number + i) % len(CHANGING)] for i in range(1 + number % 5)]
        while not self.over:
            values = await self.session.read(tags)
            assert [value.tag for value in values] == tags
            assert all(value.is_good and isinstance(value.value, int) for value in values)
            self.reads += 1

    async def writer(self, server: int, number: int) -> None:
        """Write an array element of one's own, and read it back."""
        tag = f"{MACHINES[number % 6]}.Profile[{1 + number // 6}]"
        handle = await self.session.add_item(server, tag)
        await self.session.advise(server, handle)
        value = number * 1_000_000
        while not self.over:
            value += 1
            event = await self.session.write_confirmed(server, handle, value)
            assert (event.server_handle, event.item_handle) == (server, handle)
            self.take(event)

    async def rival(self, server: int, handle: int, number: int) -> None:
        """Write an item that others write as well."""
        while not self.over:
            name = f"rival {number}, {len(self.rivals)}"
            event = await self.session.write_confirmed(server, handle, number, correlation_id=name)
            assert event.item_handle == handle
            self.rivals[name] = event.worker_sequence
            self.take(event)

    async def namer(self, number: int) -> None:
        """Write tags by name, two of them shared with a neighbour."""
        tags = [f"{MACHINES[(number + i) % 6]}.SpeedSetpoint" for i in range(3)]
        while not self.over:
            for write in await self.session.write_tags(dict.fromkeys(tags, number), confirm=True):
                assert write.ok, write.error
                assert write.event is not None
                self.take(write.event)

    async def iterator(self) -> None:
        """Follow all events of the session."""
        seen: list[int] = []
        self.seen.append(seen)
        async with self.session.stream_events() as events:
            async for event in events:
                assert event.replay_gap is None
                assert event.family in (DATA_CHANGE, WRITE_COMPLETE)
                seen.append(event.worker_sequence)
                if event.family == DATA_CHANGE and from_mx_value(event.value) == LAST_VALUE:
                    return


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(clock=ManualClock()) as gateway:
        yield gateway


async def pass_time(gateway: SimulatedGateway, load: Load) -> None:
    """Let a minute go by, in which completions are held up now and then, and count what is alive."""
    assert isinstance(gateway.clock, ManualClock)
    for step in range(int(SECONDS / STEP)):
        gateway.clock.advance(STEP)
        if step % 20 == 10:
            gateway.hold_write_completions()
        elif step % 20 == 15:
            gateway.release_write_completions()
        await asyncio.sleep(0.002)
        load.collect(gateway)
        if step % 100 == 99:
            gc.collect()
            load.objects.append(len(gc.get_objects()))


async def test_sixty_four_tasks_share_a_session_for_a_minute(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client, client.open_session() as session:
        load = Load(session)
        server = await session.register("load")
        shared = await session.add_item(server, TAG)
        await session.advise(server, shared)
        async with asyncio.TaskGroup() as iterators:
            for _ in range(ITERATORS):
                iterators.create_task(load.iterator())
            async with asyncio.TaskGroup() as group:
                for number in range(READERS):
                    group.create_task(load.reader(number))
                for number in range(WRITERS):
                    group.create_task(load.writer(server, number))
                for number in range(RIVALS):
                    group.create_task(load.rival(server, shared, number))
                for number in range(NAMERS):
                    group.create_task(load.namer(number))
                await pass_time(gateway, load)
                load.over = True
            assert not session._writes.pending
            gateway.set_tag(TAG, LAST_VALUE)

        last = gateway.sessions[session.session_id].events.last_sequence
        assert all(seen == list(range(seen[0], seen[-1] + 1)) for seen in load.seen)
        assert {seen[-1] for seen in load.seen} == {last}
        load.collect(gateway)
        completed = [load.rivals[name] for name in load.sent if name in load.rivals]
        assert completed == sorted(completed), "a completion was given to another write of the same item"
        assert len(completed) == len(load.rivals)
        assert load.confirmed <= set(load.seen[0])
        assert min(load.reads, load.writes) > 100, "the load was too little to show anything"
        assert load.objects[-1] < load.objects[1] + 3_000, (
            load.objects
        )  # some caches fill up yet; a leak would be one for each of its operations
