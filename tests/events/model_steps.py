"""The steps of a schedule: what callers do, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mxgateway import MxAccessError, MxGatewayError
from tests.events.model_judge import Wanted
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
    _change_tags(world, "add", 2)


@of(SUBSCRIPTIONS, 1)
async def remove_tags(world: World) -> None:
    """End the subscription to some tags."""
    _change_tags(world, "remove", 1)


def _change_tags(world: World, method: str, count: int) -> None:
    if (reader := world.pick([each for each in world.subscriptions if each.values])) is not None:
        tags = world.chance.sample(TAGS, count)
        world.note(f"{reader} {method} {tags}")
        world.begin(f"{reader} {method} {tags}", _changed(reader, method, tags))


async def _changed(reader: SubscriptionReader, method: str, tags: list[str]) -> None:
    """Make the call; it may fail when its subscription has ended meanwhile."""
    try:
        await getattr(reader.subscription, method)(tags)
    except MxGatewayError:
        if not reader.is_closed and not reader.has_ended:
            raise


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
