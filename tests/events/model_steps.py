"""The steps of a schedule: what callers do, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mxgateway import MxAccessError, MxGatewayError, proto
from mxgateway.simulator.mxaccess.event_faults import UNREADABLE
from tests.client.support import until
from tests.events.model_judge import NONSENSE_HANDLE, Wanted
from tests.events.model_readers import IteratorReader, Reader, SubscriptionReader
from tests.events.model_world import BOUND, REFUSING, TAGS, ModelItem, Place, World

BATCHES: Final = 0.3
"""The share of readers that take all that has come at once."""

Step = Callable[[World], Awaitable[None]]

WRITES: Final[dict[Step, int]] = {}
"""Steps that write, and how often they are dealt."""
READS: Final[dict[Step, int]] = {}
"""Steps that read events."""
SUBSCRIPTIONS: Final[dict[Step, int]] = {}
"""Steps of subscriptions."""
FAULTS: Final[dict[Step, int]] = {}
"""What goes wrong."""


def of(deck: dict[Step, int], weight: int = 1) -> Callable[[Step], Step]:
    """Put a step into a deck."""

    def put(step: Step) -> Step:
        deck[step] = weight
        return step

    return put


# -- writes


@of(WRITES, 8)
async def confirm(world: World) -> None:
    """Write an item and wait for the confirmation, beside what follows."""
    if (item := world.item()) is not None:
        value: int | str = world.value() if world.chance.random() < 0.7 else f"no number {world.value()}"
        world.note(f"confirm {item.tag} ({item.handle}) = {value!r}")
        world.begin(f"confirm {value!r}", confirmed(world, item, value))


async def confirmed(world: World, item: ModelItem, value: int | str) -> None:
    """Write an item, and judge the outcome."""
    place, before, quiet = item.place, world.disturbances, not world.unrest
    try:
        outcome: Any = await place.session.write_confirmed(place.server, item.handle, value, timeout=BOUND)
    except MxGatewayError as error:
        outcome = error
    undisturbed = quiet and before == world.disturbances and not world.unrest
    disturbed = not undisturbed or item.clean < before or item.is_removed or place.is_gone
    world.judge.outcome(world.wanted(item, value), outcome, disturbed=disturbed)
    if undisturbed and not (isinstance(outcome, BaseException) and not isinstance(outcome, MxAccessError)):
        item.clean = max(item.clean, before)
        place.clean = max(place.clean, before)


@of(WRITES, 3)
async def write(world: World) -> None:
    """Write an item and wait for the acceptance alone."""
    if (item := world.item()) is not None:
        value = world.value()
        world.note(f"write {item.tag} ({item.handle}) = {value}")
        world.begin(f"write {value}", _write(item, value))


async def _write(item: ModelItem, value: int) -> None:
    await item.place.session.write(item.place.server, item.handle, value)


@of(WRITES, 3)
async def write_many(world: World) -> None:
    """Write all items of a session at once."""
    if (place := world.pick([place for place in world.living if place.items])) is not None:
        handles = [item.handle for item in place.items]
        values = [world.value() for _ in handles]
        world.note(f"write_bulk {values}")
        world.begin("write_bulk", _write_many(place, handles, values))


async def _write_many(place: Place, handles: list[int], values: list[int]) -> None:
    await place.session.write_bulk(place.server, handles, values)


@of(WRITES, 4)
async def confirm_by_name(world: World) -> None:
    """Write tags by name and wait for the confirmations."""
    if (place := world.pick(world.living)) is not None:
        tags = world.chance.sample([*TAGS, REFUSING], world.chance.randint(1, 3))
        values = {tag: world.value() for tag in tags}
        world.note(f"write_tags {values}")
        world.begin(f"write_tags {values}", confirmed_by_name(world, place, values))


async def confirmed_by_name(world: World, place: Place, values: dict[str, int]) -> None:
    """Write tags by name, and judge the outcomes."""
    before, quiet = world.disturbances, not world.unrest
    writes = await place.session.write_tags(values, confirm=True, timeout=BOUND)
    undisturbed = quiet and before == world.disturbances and not world.unrest
    disturbed = not undisturbed or place.clean < before or place.is_gone
    if undisturbed and all(each.confirmed for each in writes):
        place.clean = before
    for each in writes:
        wanted = Wanted(place.session.session_id, 0, each.tag, values[each.tag])
        world.judge.by_name(wanted, each, disturbed=disturbed)


@of(WRITES, 2)
async def read_values(world: World) -> None:
    """Read tags."""
    if (place := world.pick(world.living)) is not None:
        world.note("read")
        world.begin("read", _read(place))


async def _read(place: Place) -> None:
    await place.session.read(TAGS, timeout_ms=50)


@of(WRITES, 2)
async def add_item(world: World) -> None:
    """Add one more item of a session."""
    if (place := world.pick(world.living)) is not None and len(place.items) < 5:
        tag = world.chance.choice([*TAGS, REFUSING])
        world.note(f"add {tag}")
        world.begin(f"add {tag}", _add(world, place, tag))


async def _add(world: World, place: Place, tag: str) -> None:
    await world.add_item(place, tag)


@of(WRITES, 1)
async def remove_item(world: World) -> None:
    """Remove an item, whatever is under way."""
    item = world.item()
    if item is not None and any(other.tag in TAGS for other in item.place.items if other is not item):
        world.note(f"remove {item.tag} ({item.handle})")
        item.place.items.remove(item)
        item.is_removed = True
        again = world.chance.random() < 0.5
        if again:  # what is still to come of it puts the next one in doubt
            world.disturb()
        world.begin("remove", _remove(item, again=again))


async def _remove(item: ModelItem, *, again: bool) -> None:
    await item.place.session.remove_item(item.place.server, item.handle)
    if again:
        item.place.given_again.add(item.handle)
        item.place.there.worker.give_again(item.handle)


@of(WRITES, 2)
async def cancel(world: World) -> None:
    """Cancel something that is under way."""
    going = [doing for doing in world.doing if not doing.task.done()]
    if (doing := world.pick(going)) is not None:
        world.note(f"cancel {doing.name}")
        world.disturb()
        doing.task.cancel()
        world.doing.remove(doing)
        await asyncio.wait([doing.task])


@of(WRITES, 1)
async def hold_completions(world: World) -> None:
    """Let accepted writes wait."""
    world.note("hold completions")
    world.gateway.hold_write_completions()


@of(WRITES, 2)
async def release_completions(world: World) -> None:
    """Let the writes that wait go on."""
    world.note("release completions")
    world.gateway.release_write_completions()


# -- events


@of(READS, 6)
@of(WRITES, 1)
async def open_iterator(world: World) -> None:
    """Iterate raw events."""
    if (place := world.pick(world.living)) is not None and len(world.readers) < 4:
        last = place.there.events.last_sequence
        after = world.chance.choice([0, 0, max(last - 3, 0), last])
        resume = world.chance.random() < 0.7
        if (
            after or world.faulty
        ):  # who begins later than where the session stands, or finds that nothing is kept, loses events
            world.disturb()
        name = f"iterator {len(world.trace)}"
        world.note(f"{name}: after {after}{', resume' if resume else ''}")
        world.readers.append(
            IteratorReader(
                name,
                place.session,
                place.there,
                after,
                resume=resume,
                by_batches=world.chance.random() < BATCHES,
                disturbances=world.disturbances - world.unrest,
            )
        )


@of(READS, 2)
async def close_iterator(world: World) -> None:
    """Leave an iterator."""
    await _close(world, world.readers)


@of(SUBSCRIPTIONS, 2)
async def close_subscription(world: World) -> None:
    """Leave a subscription."""
    await _close(world, world.subscriptions)


async def _close(world: World, readers: list[Any]) -> None:
    if (reader := world.pick(readers)) is not None:
        world.note(f"close {reader}")
        readers.remove(reader)
        world.begin(f"close {reader}", reader.close())


@of(READS, 3)
@of(SUBSCRIPTIONS, 2)
async def stall(world: World) -> None:
    """Let a consumer read nothing for a while."""
    reader: Reader | None = world.pick([*world.readers, *world.subscriptions])
    if reader is not None:
        world.note(f"stall {reader}")
        reader.stall()


@of(READS, 8)
@of(SUBSCRIPTIONS, 8)
@of(WRITES, 2)
async def change(world: World) -> None:
    """Let tags change."""
    count = world.chance.choice([1, 3, 10])
    world.note(f"change {count}")
    for _ in range(count):
        world.gateway.set_tag(world.chance.choice(TAGS), world.value())


# -- subscriptions


@of(SUBSCRIPTIONS, 6)
async def subscribe(world: World) -> None:
    """Subscribe to tags, in a session that is there or in one of the subscription's own."""
    if len(world.subscriptions) >= 3:
        return
    tags = world.chance.sample(TAGS, world.chance.randint(1, 3))
    place = world.pick(world.living) if world.chance.random() < 0.7 else None
    name = f"subscription {len(world.trace)}"
    world.note(f"{name}: {tags}{'' if place else ' in a session of its own'}")
    options = world.options()
    if world.faulty:  # few events are kept, and those of before are lost
        world.disturb()
    made = world.clients[-1].subscribe(tags, options) if place is None else place.session.subscribe(tags, options)
    world.subscriptions.append(
        SubscriptionReader(
            name,
            made,
            None if place is None else place.there,
            by_batches=world.chance.random() < BATCHES,
            disturbances=world.disturbances - world.unrest,
        )
    )


@of(SUBSCRIPTIONS, 2)
async def add_tags(world: World) -> None:
    """Subscribe to further tags."""
    if (reader := world.pick([each for each in world.subscriptions if each.values])) is not None:
        tags = world.chance.sample(TAGS, 2)
        world.note(f"{reader} add {tags}")
        world.begin(f"{reader} add {tags}", _add_tags(reader, tags))


async def _add_tags(reader: SubscriptionReader, tags: list[str]) -> None:
    with _unless_ended(reader):
        await reader.subscription.add(tags)


@of(SUBSCRIPTIONS, 1)
async def remove_tags(world: World) -> None:
    """End the subscription to some tags."""
    if (reader := world.pick([each for each in world.subscriptions if each.values])) is not None:
        tags = world.chance.sample(TAGS, 1)
        world.note(f"{reader} remove {tags}")
        world.begin(f"{reader} remove {tags}", _remove_tags(reader, tags))


async def _remove_tags(reader: SubscriptionReader, tags: list[str]) -> None:
    with _unless_ended(reader):
        await reader.subscription.remove(tags)


@contextmanager
def _unless_ended(reader: SubscriptionReader) -> Iterator[None]:
    """Let a call fail when its subscription has ended meanwhile."""
    try:
        yield
    except MxGatewayError:
        if not reader.is_closed and not reader.has_ended:
            raise


# -- faults


@of(FAULTS, 3)
async def drop(world: World) -> None:
    """The gateway cuts every connection, politely or not."""
    politely = world.chance.random() < 0.5
    world.note(f"drop connections{' politely' if politely else ''}")
    world.disturb()
    world.gateway.drop_connections(politely=politely)


@of(FAULTS, 3)
async def reset(world: World) -> None:
    """The network resets every connection."""
    world.note("reset")
    world.disturb()
    world.proxy.reset_all()


@of(FAULTS, 3)
async def lose_replies(world: World) -> None:
    """What the gateway sends gets lost for a while, and then the network breaks."""
    await _lose(world, world.proxy.to_client, "what the gateway sends")


@of(FAULTS, 3)
async def lose_requests(world: World) -> None:
    """What the client sends gets lost for a while, and then the network breaks."""
    await _lose(world, world.proxy.to_server, "what the client sends")


async def _lose(world: World, direction: Any, what: str) -> None:
    world.note(f"lose {what}")
    world.disturb()
    direction.freeze()
    for _ in range(world.chance.randint(1, 3)):
        await world.chance.choice([confirm, write, confirm_by_name, change])(world)
        await turns(world)
    world.note("... and reset")
    world.proxy.reset_all()
    direction.heal()


@of(FAULTS, 2)
async def overrun_the_ring(world: World) -> None:
    """More events get lost than the gateway keeps, where it keeps few."""
    places = [place for place in world.living if place.there.events.is_attached]
    world.note("overrun the ring")
    world.disturb()
    world.proxy.to_client.freeze()
    for _ in range(20):
        world.gateway.set_tag(world.chance.choice(TAGS), world.value())
    await until(lambda: all(not len(place.there.events) or not place.there.events.is_attached for place in places))
    world.proxy.reset_all()
    world.proxy.to_client.heal()


@of(FAULTS, 3)
async def refuse(world: World) -> None:
    """The gateway refuses the next call of a kind before it processes it."""
    method = world.chance.choice(["Invoke.Write", "Invoke.Write", "Invoke.WriteBulk", "StreamEvents"])
    goaway, times = world.chance.random() < 0.5, world.chance.choice([1, 1, 2])
    world.note(f"refuse {method} {times} times{' by GOAWAY' if goaway else ''}")
    world.disturb()
    world.gateway.refuse_next(method, times=times, goaway=goaway)


@of(FAULTS, 4)
async def spoil_events(world: World) -> None:
    """Events get lost, come twice or cannot be decoded; numbers are left out."""
    if (place := world.pick(world.living)) is not None:
        faults = place.there.events.faults
        name, fault = world.chance.choice(
            [
                ("skip", faults.skip),
                ("lose", faults.lose_next),
                ("repeat", faults.repeat_next),
                ("spoil", faults.spoil_next),
            ]
        )
        count = world.chance.choice([1, 1, 2])
        world.note(f"{name} {count} events")
        world.disturb()
        fault(count)


@of(FAULTS, 3)
async def invent_events(world: World) -> None:
    """An event with a number that nobody can take for the truth."""
    if (place := world.pick(world.living)) is not None:
        last = place.there.events.last_sequence
        numbers = [2**64 - 1, 2**63, 0]
        gaps = [(last, 2**64 - 1), (last + 30, last + 1), (last, 0)]
        event = proto.MxEvent(server_handle=NONSENSE_HANDLE, item_handle=NONSENSE_HANDLE)
        if world.chance.random() < 0.6:
            event.worker_sequence = world.chance.choice(numbers)
            event.family, event.on_data_change = proto.MxEventFamily.ON_DATA_CHANGE, proto.OnDataChangeEvent()
        else:
            requested, oldest = world.chance.choice(gaps)
            event.replay_gap = proto.ReplayGap(requested_after_sequence=requested, oldest_available_sequence=oldest)
        world.note(f"invent {event.worker_sequence or event.replay_gap}")
        world.disturb()
        place.there.events.faults.inject(event)


@of(FAULTS, 3)
async def jump_falsely(world: World) -> None:
    """A number, or a mark of lost events, that is ahead of the truth."""
    if (place := world.pick(world.living)) is not None:
        last = place.there.events.last_sequence
        number = last + world.chance.choice([2, 3, 30])
        event = proto.MxEvent(server_handle=NONSENSE_HANDLE, item_handle=NONSENSE_HANDLE)
        if world.chance.random() < 0.5:
            event.worker_sequence = number
            event.family, event.on_data_change = proto.MxEventFamily.ON_DATA_CHANGE, proto.OnDataChangeEvent()
        else:
            event.replay_gap = proto.ReplayGap(requested_after_sequence=last, oldest_available_sequence=number + 1)
        _lie(world, place, event, f"jump to {number} from {last}")


@of(FAULTS, 2)
async def send_nonsense(world: World) -> None:
    """Messages that nobody can read, and that stand for no event."""
    for _ in range(world.chance.randint(1, 3)):
        if (place := world.pick(world.living)) is not None:
            _lie(world, place, UNREADABLE, "send nonsense")
            await turns(world)


def _lie(world: World, place: Place, event: proto.MxEvent | bytes, what: str) -> None:
    world.note(what)
    world.disturb()
    world.judge.lied_to.add(place.there.session_id)
    place.there.events.faults.inject(event)


@of(FAULTS, 2)
async def another_reader(world: World) -> None:
    """Somebody else reads the events of a session for a while."""
    if (place := world.pick(world.living)) is not None and not place.there.events.is_taken:
        world.note("another reader")
        world.disturb()
        world.others.enter_context(place.there.another_reader())


@of(FAULTS, 1)
async def clock_step(world: World) -> None:
    """Somebody sets the clock of the gateway and its workers."""
    seconds = world.chance.choice([3600, -3600])
    world.note(f"clock {seconds:+} s")
    world.disturb()
    world.gateway.clock.step(seconds)


@of(FAULTS, 1)
async def crash(world: World) -> None:
    """A worker crashes."""
    sessions = [each.session_id for each in world.gateway.sessions.values()]
    if (session_id := world.pick(sessions)) is not None:
        world.note("crash")
        world.disturb()
        world.gateway.crash_worker(session_id)
        bury(world)


@of(FAULTS, 1)
async def restart(world: World) -> None:
    """The gateway restarts."""
    world.note("restart")
    world.disturb()
    world.others.close()
    world.proxy.both.heal()
    await world.gateway.restart()
    bury(world)


def bury(world: World) -> None:
    """Note which sessions are gone."""
    for place in world.places:
        place.is_dead = place.is_gone


async def begin_place(world: World) -> None:
    """Open a session with some items."""
    await world.add_place()
    for tag in world.chance.sample([*TAGS, REFUSING], world.chance.randint(2, 4)):
        await world.add_item(world.places[-1], tag)


async def turns(world: World) -> None:
    """Let the loop turn a few times, or not at all."""
    for _ in range(world.chance.choice([0, 0, 1, 3, 10])):
        await asyncio.sleep(0)
    if world.chance.random() < 0.2:
        await asyncio.sleep(0.002)
