"""The steps of a schedule in which something goes wrong: the network, the gateway, its events, its session."""

from __future__ import annotations

from typing import Any, Final

from mxgateway import proto
from mxgateway.simulator.mxaccess.event_faults import UNREADABLE
from tests.client.support import until
from tests.events.model_judge import NONSENSE_HANDLE
from tests.events.model_steps import Step, change, confirm, confirm_by_name, of, turns, write
from tests.events.model_world import TAGS, Place, World

# -- faults


FAULTS: Final[dict[Step, int]] = {}
"""What goes wrong."""


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
            world.judge.false_numbers.add((place.there.session_id, last, number))
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
