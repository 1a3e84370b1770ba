"""A subscription through a bad network from a gateway that a test can make fail, and every way in which that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from unittest.mock import patch

from grpclib.const import Status

from mxgateway import MxGatewayError, Outcome, RecoveryOptions, proto
from mxgateway.events.recovery import Recovery
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from tests.client.support import connect, until
from tests.subscription.fault_world import CONTINUOUS, GAP, LOADS, REBUILT, TAGS, Fault, Inject, Load, World
from tests.subscription.rig import consumed, options, quiet_plant

QUICK_PINGS: Final = {"keepalive_time": 0.2, "keepalive_timeout": 0.3}
QUICK_SILENCE: Final = {"stale_after": 0.04, "stale_timeout": 0.04}


FAULTS: Final[list[Fault]] = []


def fault(*outcomes: Outcome, covers: str = "", **fields: Any) -> Callable[[Inject], Inject]:
    """Put a function into the table of faults."""

    def note(inject: Inject) -> Inject:
        FAULTS.append(Fault(inject, frozenset(outcomes), frozenset(covers.split()), **fields))
        return inject

    return note


# -- the network


@fault(CONTINUOUS, covers="reset")
async def connection_reset(world: World) -> None:
    world.proxy.reset_all()
    await world.until_lost()


@fault(CONTINUOUS, covers="close")
async def connection_closed(world: World) -> None:
    world.proxy.both.close(on="current")
    await world.until_lost()


@fault(CONTINUOUS, covers="half_close")
async def gateway_half_closed(world: World) -> None:
    world.proxy.to_client.half_close(on="current")
    await world.until_lost()


@fault(CONTINUOUS, covers="half_close")
async def client_half_closed(world: World) -> None:
    world.proxy.to_server.half_close(on="current")
    await world.until_lost()


@fault(REBUILT, covers="reset_receiver", taken_bound=0.1)
async def reset_that_the_gateway_never_hears_of(world: World) -> None:
    session = world.session
    world.proxy.to_client.reset_receiver(on="current")
    await until(lambda: session.is_closed)


@fault(CONTINUOUS, covers="reset_receiver", client=QUICK_PINGS)
async def reset_that_the_client_never_hears_of(world: World) -> None:
    world.proxy.to_server.reset_receiver(on="current")
    await world.until_lost()


@fault(CONTINUOUS, covers="freeze thaw heal", subscription=QUICK_SILENCE)
async def network_frozen_for_longer_than_staleness(world: World) -> None:
    world.proxy.both.freeze()
    await world.until_lost()
    world.load.publish(10)
    world.proxy.both.thaw()


@fault(REBUILT, covers="black_hole", client=QUICK_PINGS, taken_bound=0.1)
async def black_hole(world: World) -> None:
    session = world.session
    world.proxy.both.black_hole(on="current")
    await until(lambda: session.is_closed)


@fault(CONTINUOUS, covers="black_hole", client=QUICK_PINGS)
async def black_hole_that_the_gateway_notices_at_last(world: World) -> None:
    connections = list(world.proxy.connections)
    world.proxy.both.black_hole(on="current")
    await world.until_lost()
    await world.until_failing(2)
    for connection in connections:
        connection.reset()


@fault(covers="delay")
async def delay_with_jitter(world: World) -> None:
    world.proxy.both.delay(0.01, jitter=0.02)
    world.load.publish(20)
    await asyncio.sleep(0.1)
    world.proxy.both.heal()


@fault(covers="bandwidth")
async def little_bandwidth(world: World) -> None:
    world.proxy.both.bandwidth(500_000)
    world.load.publish(20)
    await asyncio.sleep(0.1)
    world.proxy.both.heal()


@fault(covers="slices")
async def sliced_packets(world: World) -> None:
    world.proxy.both.slices(50)
    world.load.publish(20)
    await asyncio.sleep(0.05)
    world.proxy.both.heal()


@fault(CONTINUOUS, covers="limit reset")
async def reset_in_the_middle_of_a_message(world: World) -> None:
    world.proxy.to_client.limit(60, then=Pipe.reset, on="current")
    world.load.publish(1)
    await world.until_lost()


@fault(CONTINUOUS, covers="refuse accept")
async def gateway_unreachable_for_a_while(world: World) -> None:
    await world.cut_off()
    world.load.publish(30)
    await world.until_failing(3)
    await world.proxy.accept()


# -- the gateway


@fault(CONTINUOUS, covers="drop_connections")
async def connections_dropped(world: World) -> None:
    world.gateway.drop_connections()
    await world.until_lost()


@fault(CONTINUOUS, covers="drop_connections")
async def connections_dropped_politely(world: World) -> None:
    world.gateway.drop_connections(politely=True)
    await world.until_lost()


@fault(covers="go_away")
async def connections_at_the_end_of_their_age(world: World) -> None:
    world.gateway.go_away()
    world.load.publish(20)


@fault(CONTINUOUS, covers="refuse_connections accept_connections")
async def connections_refused_by_the_gateway(world: World) -> None:
    await world.gateway.refuse_connections()
    world.gateway.drop_connections()
    await world.until_failing(3)
    await world.gateway.accept_connections()


@fault(CONTINUOUS, covers="black_hole", client=QUICK_PINGS)
async def gateway_that_says_nothing(world: World) -> None:
    world.gateway.black_hole()
    await world.until_lost()
    world.gateway.black_hole(on=False)


@fault(covers="delay_replies")
async def late_replies(world: World) -> None:
    world.gateway.delay_replies(0.02)
    world.load.publish(20)
    await asyncio.sleep(0.05)
    world.gateway.delay_replies(0)


@fault(covers="slow_streams")
async def slow_event_streams(world: World) -> None:
    world.gateway.slow_streams(bytes_per_second=500_000)
    world.load.publish(20)
    await asyncio.sleep(0.05)
    world.gateway.slow_streams()


@fault(REBUILT, covers="crash_worker")
async def worker_crash(world: World) -> None:
    world.gateway.crash_worker(world.session.session_id)
    await world.until_lost()


@fault(REBUILT, covers="restart")
async def gateway_restart(world: World) -> None:
    await world.gateway.restart()
    await world.until_lost()


@fault(REBUILT, covers="stop start")
async def gateway_down_for_a_while(world: World) -> None:
    await world.gateway.stop()
    await world.until_failing(3)
    await world.gateway.start()


@fault(REBUILT)
async def session_closed_at_the_gateway(world: World) -> None:
    world.session.close("its lease is over")
    await world.until_lost()


@fault(REBUILT, simulator={"detach_grace": 0.02})
async def session_closed_because_nobody_came_back(world: World) -> None:
    session = world.session
    await world.cut_off()
    await until(lambda: session.is_closed)
    await world.proxy.accept()


@fault(CONTINUOUS, covers="hold_commands release_commands", subscription=QUICK_SILENCE)
async def worker_that_hangs(world: World) -> None:
    world.load.held = True
    world.gateway.hold_commands()
    await world.until_lost()
    world.gateway.release_commands()
    world.load.held = False


@fault(CONTINUOUS, covers="hold_commands release_commands", subscription=QUICK_SILENCE)
async def worker_that_hangs_after_the_stream_has_come_back(world: World) -> None:
    world.load.held = True
    world.gateway.drop_connections()
    await world.until_lost()
    await until(lambda: world.is_connected)
    await worker_that_hangs(world)


@fault(CONTINUOUS, covers="hold release", subscription=QUICK_SILENCE)
async def pings_without_an_answer(world: World) -> None:
    world.load.held = True
    world.gateway.hold("Invoke.Ping")
    await world.until_lost()
    world.gateway.release("Invoke.Ping")
    world.load.held = False


@fault(REBUILT, simulator={"event_queue_limit": 1_500})
async def event_queue_overflow(world: World) -> None:
    session = world.session
    await world.cut_off()
    world.load.publish(1_501)
    assert session.state is proto.SessionState.FAULTED
    await world.proxy.accept()


async def overrun_the_ring(world: World) -> None:
    """Let the gateway send more than its replay ring holds into a network that then breaks; nothing changes any more."""
    world.load.held = True
    await until(lambda: world.unexplained == 0)
    session, sent = world.session, world.session.events.sent
    world.proxy.to_client.freeze()
    world.load.publish(40)
    await until(lambda: session.events.sent == sent + 40)
    world.proxy.reset_all()
    world.proxy.to_client.heal()
    await world.until_lost()


@fault(GAP, simulator={"replay_limit": 5})
async def replay_ring_too_small(world: World) -> None:
    await overrun_the_ring(world)
    world.load.held = False


# -- the gateway's answers


def refuse(method: str, status: Status, times: int, *outcomes: Outcome, crash: bool = False) -> None:
    """Put the refusal of a method's next calls, after a lost connection or a crash, into the table."""

    async def inject(world: World) -> None:
        world.gateway.fail_next(method, status, "ordered by the test", times=times)
        if crash:
            world.gateway.crash_worker(world.session.session_id)
        else:
            world.gateway.drop_connections()
        await world.until_failing(times)

    inject.__name__ = f"{method} {status.name}{' after a crash' if crash else ''}".replace(".", " ")
    fault(*outcomes, covers="fail_next")(inject)


refuse("StreamEvents", Status.UNAVAILABLE, 3, CONTINUOUS)
refuse("StreamEvents", Status.INTERNAL, 3, CONTINUOUS)
refuse("StreamEvents", Status.UNAUTHENTICATED, 2, CONTINUOUS)
refuse("StreamEvents", Status.PERMISSION_DENIED, 2, CONTINUOUS)
refuse("StreamEvents", Status.ALREADY_EXISTS, 3, CONTINUOUS)
refuse("StreamEvents", Status.RESOURCE_EXHAUSTED, 2, CONTINUOUS)
refuse("StreamEvents", Status.DEADLINE_EXCEEDED, 2, CONTINUOUS)
refuse("StreamEvents", Status.UNAVAILABLE, 2, REBUILT, crash=True)
refuse("OpenSession", Status.RESOURCE_EXHAUSTED, 2, REBUILT, crash=True)
refuse("OpenSession", Status.UNAUTHENTICATED, 2, REBUILT, crash=True)
refuse("Invoke.Register", Status.UNAVAILABLE, 2, REBUILT, crash=True)
refuse("Invoke.SubscribeBulk", Status.INTERNAL, 2, REBUILT, crash=True)


@fault(REBUILT, covers="reply_override crash_worker")
async def replies_without_a_payload_after_a_crash(world: World) -> None:
    def emptied(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        return proto.MxCommandReply(session_id=reply.session_id, protocol_status=reply.protocol_status)

    world.gateway.reply_override("Invoke.SubscribeBulk", emptied, times=2)
    world.gateway.crash_worker(world.session.session_id)
    await world.until_failing(2)


@fault(GAP, covers="fail_next", simulator={"replay_limit": 5})
async def snapshot_refused_at_first(world: World) -> None:
    world.gateway.fail_next("Invoke.ReadBulk", Status.INTERNAL, "ordered by the test", times=2)
    await overrun_the_ring(world)
    await world.until_failing(2)
    world.load.held = False


def refuse_unprocessed(*, goaway: bool) -> None:
    """Put calls that the gateway refuses before it processes them into the table; each is sent again once by itself."""

    async def inject(world: World) -> None:
        for method in ("StreamEvents", "Invoke.Ping"):
            world.gateway.refuse_next(method, times=2, goaway=goaway)
        world.gateway.drop_connections()
        await world.until_lost()

    inject.__name__ = f"calls refused unprocessed by {'GOAWAY' if goaway else 'REFUSED STREAM'}"
    fault(CONTINUOUS, covers="refuse_next")(inject)


refuse_unprocessed(goaway=False)
refuse_unprocessed(goaway=True)


# -- the world


@asynccontextmanager
async def under_way(
    fault: Fault, load: str, policy: Mapping[str, Any], pause: Callable[[], float | None]
) -> AsyncIterator[World]:
    """A subscription that is connected and knows every tag, under a load that has begun."""
    limits = SimulatorOptions(**{"replay_limit": 100_000, **fault.simulator})
    wanted = options(**{**policy, **fault.subscription})
    async with (
        SimulatedGateway(plant=quiet_plant(len(TAGS)), options=limits) as gateway,
        FaultProxy(gateway.port, seed=1) as proxy,
        connect(gateway, endpoint=proxy.endpoint, **fault.client) as client,
        consumed(client.subscribe(TAGS, wanted), pause=pause) as consumer,
    ):
        world = World(gateway, proxy, consumer, Load(gateway, TAGS, *LOADS[load]))
        await until(lambda: consumer.values.keys() == set(TAGS))
        with noted(world.pauses):
            loading = asyncio.create_task(world.load.run())
            try:
                yield world
            finally:
                loading.cancel()
                await asyncio.wait([loading])


@contextmanager
def noted(failures: list[MxGatewayError]) -> Iterator[None]:
    """Note what recovery pauses for."""
    pause = Recovery.pause

    async def note(self: Recovery, error: MxGatewayError, options: RecoveryOptions | None = None) -> None:
        failures.append(error)
        await pause(self, error, options)

    with patch.object(Recovery, "pause", note):
        yield
