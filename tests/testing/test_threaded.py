"""The gateway and the fault proxy in threads of their own: switches from blocking code, and from any loop."""

from __future__ import annotations

import asyncio
import inspect
import math
import socket
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mxgateway import GatewayClient, GrpcStatus, MxGatewayError, MxGatewayTransportError, Session, proto
from mxgateway.simulator import ManualClock, Plant, Scenario, SimulatedGateway, small_plant
from mxgateway.testing import FaultProxy, ThreadedFaultProxy, ThreadedGateway
from mxgateway.testing.gateway import GatewaySettings
from tests.recording.recorder import events, recorded

TAG = "TestChildObject.TestInt"


def in_a_session(gateway: ThreadedGateway, endpoint: str | None = None) -> object:
    """Read a tag as a program without a loop of its own does."""

    async def read() -> object:
        async with gateway.connect(endpoint) as client, client.open_session() as session:
            return (await session.read([TAG]))[0].value

    return asyncio.run(read())


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_it_has_every_switch_and_setting_of_the_simulated_gateway() -> None:
    assert public(SimulatedGateway) - public(ThreadedGateway) == set()
    assert {"self", *GatewaySettings.__annotations__} == set(inspect.signature(SimulatedGateway.__init__).parameters)


async def test_a_recording_is_played_in_the_gateways_thread(tmp_path: Path) -> None:
    async with SimulatedGateway(clock=ManualClock()) as recorded_gateway:
        recording = await recorded(
            recorded_gateway, ["TestMachine_001.TestChangingInt"], tmp_path / "a.jsonl", seconds=2
        )
    with ThreadedGateway() as gateway:
        await asyncio.wrap_future(gateway.replay(recording, speed=math.inf))
        assert gateway.tag("TestMachine_001.TestChangingInt").sample.native == events(recording)[-1][1]["int32Value"]


def test_a_switch_is_described_as_in_the_simulated_gateway() -> None:
    with ThreadedGateway() as gateway:
        assert inspect.getdoc(gateway.set_tag) == inspect.getdoc(SimulatedGateway.set_tag)


def test_blocking_code_uses_the_switches() -> None:
    with ThreadedGateway() as gateway:
        assert in_a_session(gateway) == 17
        gateway.set_tag(TAG, 18)
        assert in_a_session(gateway) == 18
        gateway.restart()
        assert in_a_session(gateway) == 17
        gateway.fail_next("OpenSession", GrpcStatus.RESOURCE_EXHAUSTED, "no more")
        with pytest.raises(MxGatewayError, match="no more"):
            in_a_session(gateway)
        gateway.stop()
        with pytest.raises(MxGatewayTransportError):
            in_a_session(gateway)
        gateway.start()
        assert in_a_session(gateway) == 17
        assert [each.client_correlation_id for each in gateway.requests(proto.OpenSessionRequest)]
        assert (gateway.left(), gateway.unused, gateway.sessions, gateway.connections) == ([], [], {}, 0)


def test_many_threads_use_the_switches_at_once() -> None:
    with ThreadedGateway() as gateway, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: gateway.set_tag(TAG, number), range(200)))
        assert sorted(pool.map(lambda _: gateway.tag(TAG).sample.native in range(200), range(8))) == [True] * 8


async def test_a_running_loop_uses_the_switches() -> None:
    with ThreadedGateway() as gateway:
        async with gateway.connect() as client, client.open_session(client_session_name="mine") as session:
            assert [each.name for each in gateway.sessions.values()] == ["mine"]
            server = await session.register("x")
            gateway.sessions[session.session_id].worker.give_again(7)
            assert await session.add_item(server, TAG) == 7
            gateway.alarms.fail_over(degraded=True, reason="test")
            gateway.crash_worker(session.session_id)
            with pytest.raises(MxGatewayError):
                await session.ping()
            assert gateway.left() == [f"the session {session.session_id} of 'mine' is open", *gateway.left()[1:]]
        assert gateway.left() == []


async def test_a_reply_is_changed_in_the_gateways_thread_which_may_use_the_switches_too() -> None:
    threads: list[str] = []
    with ThreadedGateway() as gateway:

        def change(reply: proto.OpenSessionReply) -> proto.OpenSessionReply:
            threads.append(threading.current_thread().name)
            gateway.set_tag(TAG, 5)
            with pytest.raises(RuntimeError, match="would wait for itself"):
                gateway.stop()
            return reply

        gateway.reply_override("OpenSession", change)
        async with gateway.connect() as client, client.open_session():
            assert gateway.tag(TAG).sample.native == 5
    assert threads == ["simulated gateway"]


def test_its_time_is_moved_by_the_test_if_it_has_a_manual_clock() -> None:
    with ThreadedGateway(clock=ManualClock()) as gateway:
        before = gateway.clock.now_ns()
        gateway.advance(60)
        assert gateway.clock.now_ns() - before == 60_000_000_000
    with ThreadedGateway() as gateway, pytest.raises(TypeError, match="ManualClock"):
        gateway.advance(1)


async def test_a_scenario_is_played_in_the_gateways_thread_and_awaited_here() -> None:
    scenario = Scenario.from_text(f'[[steps]]\nat = 30\nset_tag = {{ tag = "{TAG}", value = 5 }}')
    with ThreadedGateway(clock=ManualClock()) as gateway:
        play = gateway.play(scenario)
        gateway.advance(29)
        assert not play.done
        gateway.advance(1)
        await play
        assert play.done
        assert gateway.tag(TAG).sample.native == 5


def test_misuse_says_what_to_do() -> None:
    gateway = ThreadedGateway()
    with pytest.raises(RuntimeError, match="enter it with `with`"):
        gateway.set_tag(TAG, 1)
    with gateway, pytest.raises(LookupError, match=r"no tag 'Nothing\.Here'"):
        gateway.set_tag("Nothing.Here", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="cannot listen"):
        ThreadedGateway(port=taken.getsockname()[1]).start()
    assert [thread for thread in threading.enumerate() if thread.name == "simulated gateway"] == []


def test_blocking_code_uses_the_fault_proxy() -> None:
    with ThreadedGateway() as gateway, ThreadedFaultProxy(gateway.port) as proxy:
        proxy.both.delay(0.001)
        proxy.to_client.slices(7)
        assert in_a_session(gateway, proxy.endpoint) == 17
        proxy.refuse()
        with pytest.raises(MxGatewayTransportError):
            in_a_session(gateway, proxy.endpoint)
        proxy.accept()
        proxy.both.heal()
        assert in_a_session(gateway, proxy.endpoint) == 17
        proxy.until(lambda: proxy.connections == 0)
        assert (proxy.accepted, proxy.connected) == (2, 2)
        assert proxy.to_client.forwarded == proxy.to_client.received > 0


async def test_both_forms_of_the_fault_proxy_do_the_same() -> None:
    with ThreadedGateway(plant=small_plant()) as gateway, ThreadedFaultProxy(gateway.port) as threaded:
        async with FaultProxy(gateway.port) as proxy:
            for each in (proxy, threaded):
                async with gateway.connect(each.endpoint) as client, client.open_session() as session:
                    each.reset_all()
                    with pytest.raises(MxGatewayTransportError):
                        await register(session)


async def register(session: Session) -> int:
    return await session.register("test")


class TestWithUnittest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = self.enterContext(ThreadedGateway(plant=Plant.demo()))

    def test_a_client_finds_the_plant(self) -> None:
        async def count() -> int:
            async with GatewayClient.connect(
                self.gateway.endpoint, api_key=self.gateway.api_key, plaintext=True
            ) as client:
                return len(await client.galaxy.discover_hierarchy())

        assert asyncio.run(count()) > 5
