"""The calls of the control: who may make them, what they refuse with which sentence, and what goes on when a caller goes away."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from mxgateway.control_protocol.generated.simulator_control.v1 import Value
from mxgateway.control_protocol.values import from_value, to_value
from mxgateway.simulator import ControlServer, ManualClock, SimulatedGateway, SimulatedKey
from mxgateway.simulator.control import service
from mxgateway.wire import decode, encode
from tests.rows import each_row
from tests.scenarios.rig import until
from tests.simulator.control.control_peer import ControlPeer, value

TAG = "TestChildObject.TestInt"
LEVEL = "Tank01.Level"


@pytest.fixture
async def control(gateway: SimulatedGateway) -> AsyncIterator[ControlServer]:
    async with ControlServer(gateway) as server:
        yield server


@pytest.fixture
async def caller(control: ControlServer) -> AsyncIterator[ControlPeer]:
    async with ControlPeer(control.endpoint, control.key) as peer:
        yield peer


# Who may call, and where


@pytest.mark.parametrize("key", [None, "mxgw_control_0000000000000000", "the gateway's"])
async def test_only_the_control_s_own_key_is_accepted(
    gateway: SimulatedGateway, control: ControlServer, key: str | None
) -> None:
    async with ControlPeer(control.endpoint, gateway.api_key if key == "the gateway's" else key) as stranger:
        for method in ("GetStatus", "Do", "Stop", "ListActions", "AdvanceClock"):
            assert await stranger.refused(method) == ("UNAUTHENTICATED", "Missing or invalid API key.")
    assert gateway.is_running


async def test_the_gateway_does_not_accept_the_control_s_key_nor_the_control_the_gateway_s(
    gateway: SimulatedGateway,
) -> None:
    with pytest.raises(ValueError, match="a key of its own"):
        ControlServer(gateway, key=SimulatedKey.parse(gateway.api_key))
    assert ControlServer(gateway).key not in (ControlServer(gateway).key, gateway.api_key)


def test_every_loopback_address_is_one() -> None:
    hosts = [ControlServer(SimulatedGateway(), host=host).host for host in ("127.0.0.2", "::1", "localhost")]
    assert hosts == ["127.0.0.2", "::1", "127.0.0.1"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gw.plant", ""])
def test_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ValueError, match="for this machine only"):
        ControlServer(SimulatedGateway(), host=host)


async def test_it_stays_while_the_gateway_restarts_and_ends_with_its_block(gateway: SimulatedGateway) -> None:
    async with ControlServer(gateway, host="localhost") as control:
        with pytest.raises(RuntimeError, match="already running"):
            await control.start()
        async with ControlPeer(control.endpoint, control.key) as caller:
            await caller.do("restart", deployed=True)
            assert (await caller.call("GetStatus")).is_running
    async with ControlPeer(control.endpoint, control.key) as caller:
        assert (await caller.refused("GetStatus"))[0] == "UNAVAILABLE"


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing(gateway: SimulatedGateway) -> None:
    control = ControlServer(gateway, port=gateway.port)
    with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1"):
        await control.start()
    await control.stop()


async def test_no_log_shows_a_key(
    control: ControlServer, caller: ControlPeer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await caller.do("add_key", key="mxgw_new_s3cr3tt3xt")
        await caller.refused("Do", action="add_key", arguments={"key": {"string_value": "s3cr3tt3xt"}})
    assert "s3cr3tt3xt" not in caplog.text
    assert control.key.rpartition("_")[2] not in caplog.text + repr(control) + repr(vars(control))


# What is refused

SET = {"action": "set_tag"}


@each_row(
    ("method", "fields", "status", "sentence"),
    [
        ("Do", {"action": "crash"}, "INVALID_ARGUMENT", "action: 'crash' is unknown; known are fail_next, "),
        ("Do", {}, "INVALID_ARGUMENT", "action: '' is unknown"),
        ("Do", SET, "INVALID_ARGUMENT", "set_tag: the key 'tag' is missing"),
        ("Do", SET | {"arguments": {"tag": value(5)}}, "INVALID_ARGUMENT", "set_tag: tag: this must be of type string, not 5"),
        ("Do", SET | {"arguments": {"tag": {}}}, "INVALID_ARGUMENT", "set_tag: tag: this must be of type string, not None"),
        ("Do", SET | {"arguments": {"tag": value(TAG), "valeu": value(1)}}, "INVALID_ARGUMENT", "set_tag: valeu: the key is unknown; known are tag, value, quality"),
        ("Do", SET | {"arguments": {"tag": value(TAG), "value": value("x")}}, "INVALID_ARGUMENT", "set_tag: 'x' is no INTEGER value"),
        ("Do", SET | {"arguments": {"tag": value("No.Such")}}, "NOT_FOUND", "set_tag: tag: the plant has no tag 'No.Such'"),
        ("Do", {"action": "fail_next", "arguments": {"method": value("OpenSession"), "status": value("OK")}}, "INVALID_ARGUMENT", "fail_next: status: 'OK' is none of CANCELLED, "),
        ("Do", {"action": "restart", "arguments": {"down": value(-1)}}, "INVALID_ARGUMENT", "restart: down: -1 is below 0"),
        ("Do", {"action": "reuse_handle", "arguments": {"handle": value(2**64 - 1)}}, "INVALID_ARGUMENT", "reuse_handle: handle: 18446744073709551615 is above"),
        ("Do", {"action": "crash_worker"}, "NOT_FOUND", "crash_worker: no session is open"),
        ("Do", {"action": "raise_alarm", "arguments": {"alarm": value("No.Such")}}, "NOT_FOUND", "raise_alarm: alarm: the plant has no alarm 'No.Such'"),
        ("Do", {"action": "revoke_key", "arguments": {"key_id": value("nobody")}}, "NOT_FOUND", "revoke_key: key_id: the gateway has no key 'nobody'"),
        ("Do", {"action": "deploy", "arguments": {"plant": value("no-such.toml")}}, "INVALID_ARGUMENT", "deploy: plant: no-such.toml: "),
        ("Do", {"action": "deploy", "arguments": {"remove": value(["Nothing"])}}, "NOT_FOUND", "deploy: "),
        ("Do", {"action": "serve_certificate", "arguments": {"certificate": value("c.pem")}}, "INVALID_ARGUMENT", "serve_certificate: the gateway does not serve TLS"),
        ("SetTag", {"tag": "No.Such"}, "NOT_FOUND", "set_tag: tag: the plant has no tag 'No.Such'"),
        ("SetTag", {"tag": TAG, "quality": 70000}, "INVALID_ARGUMENT", "set_tag: quality: this must be a number from 0 to 65535"),
        ("GetTag", {"tag": "No.Such"}, "NOT_FOUND", "tag: the plant has no tag 'No.Such'"),
        ("Play", {"text": "nothing"}, "INVALID_ARGUMENT", "scenario.toml: "),
        ("Play", {"text": "{", "name": "a.json"}, "INVALID_ARGUMENT", "a.json: "),
        ("Play", {"text": "[[steps]]\nfoo = 1", "name": "a.toml"}, "INVALID_ARGUMENT", "a.toml: line 2: steps[0].foo: the key is unknown"),
        ("Play", {"text": '[[steps]]\nset_tag = { tag = "No.Such" }'}, "INVALID_ARGUMENT", "scenario.toml: line 1: steps[0].set_tag: tag: the plant has no tag"),
        ("AdvanceClock", {"seconds": -1}, "INVALID_ARGUMENT", "seconds: -1 is not from 0 to 1000000000"),
        ("AdvanceClock", {"seconds": float("nan")}, "INVALID_ARGUMENT", "seconds: nan is not from 0"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_one_sentence_with_its_place(
    caller: ControlPeer, gateway: SimulatedGateway, method: str, fields: dict[str, Any], status: str, sentence: str
) -> None:
    before = gateway.tag(TAG).sample
    found = await caller.refused(method, **fields)
    assert found[0] == status
    assert found[1].startswith(sentence), found[1]
    assert "\n" not in found[1]
    assert method == "Play" or not found[1].endswith(" then"), "there is no step whose time that could be"
    assert gateway.tag(TAG).sample is before


async def test_the_machine_s_clock_is_not_moved() -> None:
    async with (
        SimulatedGateway() as gateway,
        ControlServer(gateway) as control,
        ControlPeer(control.endpoint, control.key) as caller,
    ):
        status, sentence = await caller.refused("AdvanceClock", seconds=1)
    assert (status, "--manual-clock" in sentence) == ("FAILED_PRECONDITION", True)


async def test_a_port_that_was_taken_meanwhile_is_said(caller: ControlPeer, gateway: SimulatedGateway) -> None:
    await caller.do("refuse_connections")
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", gateway.port)
    try:
        status, sentence = await caller.refused("Do", action="accept_connections")
    finally:
        taken.close()
    assert status == "FAILED_PRECONDITION"
    assert sentence.startswith(f"accept_connections: cannot listen on 127.0.0.1:{gateway.port}: ")


# What goes on


async def test_a_gateway_that_is_down_is_said_and_a_caller_that_goes_away_does_not_keep_it_down(
    gateway: SimulatedGateway, caller: ControlPeer, clock: ManualClock
) -> None:
    restart = asyncio.ensure_future(caller.do("restart", down=60))
    await until(lambda: not gateway.is_running)
    await until(lambda: clock.pending)
    restart.cancel()
    await asyncio.gather(restart, return_exceptions=True)

    status = await caller.call("GetStatus")
    assert (status.is_running, len(status.sessions), status.connections) == (False, 0, 0)
    for method, fields in (("Do", {"action": "restart"}), ("GetTag", {"tag": TAG}), ("Play", {"text": "[[steps]]\ngo_away = {}"})):  # fmt: skip
        assert await caller.refused(method, **fields) == (
            "UNAVAILABLE",
            "the gateway is down: it restarts, or was stopped",
        )
    await caller.call("AdvanceClock", seconds=60)
    await until(lambda: gateway.is_running)


async def test_a_scenario_is_stopped_when_its_call_ends_unless_it_is_detached(
    gateway: SimulatedGateway, caller: ControlPeer
) -> None:
    text = f'[[steps]]\nset_tag = {{ tag = "{TAG}", value = 1 }}\n[[steps]]\nafter = 60\nset_tag = {{ tag = "{TAG}", value = 2 }}\n'
    steps = caller.play(text)
    assert (await steps.read()).action == "set_tag"
    steps.cancel()
    await until(lambda: all(play.done for play in gateway._plays))
    await caller.call("AdvanceClock", seconds=60)
    assert gateway.tag(TAG).sample.native == 1

    assert [step async for step in caller.play(text, is_detached=True)] == []
    await caller.call("AdvanceClock", seconds=60)
    assert gateway.tag(TAG).sample.native == 2


async def test_a_step_that_could_not_be_done_is_reported_and_the_scenario_goes_on(caller: ControlPeer) -> None:
    text = "[[steps]]\ncrash_worker = {}\n[[steps]]\ngo_away = {}\n"
    steps = [(step.action, step.failure) async for step in caller.play(text)]
    assert steps == [("crash_worker", "no session is open"), ("go_away", "")]


async def test_a_reader_of_steps_who_is_too_slow_ends_his_scenario(
    gateway: SimulatedGateway, caller: ControlPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEP_LIMIT", 20)
    text = f'[[steps]]\nevery = 0.001\nset_tag = {{ tag = "{TAG}", value = 1 }}\n'
    steps = caller.play(text)
    await steps.initial_metadata()
    gateway.clock.advance(10)  # type: ignore[attr-defined]  # all at once
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        while await steps.read() is not grpc.aio.EOF:
            pass
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(play.done for play in gateway._plays)


async def test_a_move_of_the_clock_lets_happen_what_follows_from_what_is_due(
    gateway: SimulatedGateway, caller: ControlPeer
) -> None:
    """A restart takes turns of the event loop; the step behind it is done within the same move."""
    text = f'[[steps]]\nat = 1\nrestart = {{ down = 2 }}\n[[steps]]\nat = 5\nset_tag = {{ tag = "{TAG}", value = 8 }}\n'
    async for _ in caller.play(text, is_detached=True):
        pass
    await caller.call("AdvanceClock", seconds=10)
    await until(lambda: gateway.tag(TAG).sample.native == 8)


async def test_stop_answers_and_then_stops_the_gateway(gateway: SimulatedGateway, caller: ControlPeer) -> None:
    await caller.call("Stop")
    async with asyncio.timeout(10):
        await gateway.serve_forever()
    assert not gateway.is_running


async def test_a_gateway_that_is_stopped_while_it_restarts_stays_stopped() -> None:
    for turns in range(1, 12):
        gateway = SimulatedGateway()
        await gateway.start()
        restart = asyncio.ensure_future(gateway.restart())
        for _ in range(turns):
            await asyncio.sleep(0)
        await gateway.stop()
        await restart
        assert not gateway.is_running, turns


async def test_a_start_that_is_cancelled_loses_no_socket() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(8):
            gateway = SimulatedGateway()
            start = asyncio.ensure_future(gateway.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await gateway.stop()
            del gateway, start
            gc.collect()
    assert [str(each.message) for each in warned if issubclass(each.category, ResourceWarning)] == []


# Values

VALUES: list[Any] = [
    True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 0.0, -1.5, float("inf"), "", "Größe 🙂", b"\x00\xff",
    datetime(2026, 3, 1, 8, 30, tzinfo=UTC), [], [1, "a", [True]], {}, {"a": {"b": [1.5]}},
]  # fmt: skip


def test_every_value_comes_back_as_it_was() -> None:
    for native in VALUES:
        back = from_value(decode(Value, encode(to_value(native))))
        assert (back, type(back) is type(native) or isinstance(native, datetime)) == (native, True)
    assert from_value(Value()) is None
    wrong: list[tuple[Any, type[Exception], str]] = [
        (2**64, ValueError, "at most 64 bits"),
        (-(2**63) - 1, ValueError, "at most 64 bits"),
        (object(), TypeError, "not object"),
        (None, TypeError, "not NoneType"),
    ]
    for native, error, text in wrong:
        with pytest.raises(error, match=text):
            to_value(native)


@each_row(
    ("tag", "native", "field"),
    [
        (TAG, -7, "int64_value"), (LEVEL, 1.5, "double_value"), ("TestChildObject.TestString", "é", "string_value"),
        ("TestChildObject.TestBool", True, "bool_value"), ("TestChildObject.TestIntArray[]", [1, 2, 3], "list_value"),
    ],
)  # fmt: skip
async def test_a_tag_of_each_type_is_set_and_told(caller: ControlPeer, tag: str, native: Any, field: str) -> None:
    await caller.call("SetTag", tag=tag, value=value(native))
    got = await caller.call("GetTag", tag=tag)
    assert got.value.WhichOneof("kind") == field
    assert got.value == type(got.value)(**value(native))


async def test_a_tag_of_bad_quality_has_no_value_but_keeps_it(caller: ControlPeer, clock: ManualClock) -> None:
    await caller.call("SetTag", tag=TAG, quality=0)
    got = await caller.call("GetTag", tag=TAG)
    assert got.quality == 0
    await caller.call("SetTag", tag=TAG)
    got = await caller.call("GetTag", tag=TAG)
    assert (got.quality, got.value.int64_value) == (192, 17)
    assert got.source_time.ToNanoseconds() == clock.now_ns()


async def test_a_play_that_the_end_of_the_gateway_cuts_short_says_so(
    gateway: SimulatedGateway, caller: ControlPeer
) -> None:
    endless = f'[[steps]]\nevery = 1000\nset_tag = {{ tag = "{TAG}", value = 1 }}\n'
    for text, ending in (
        (endless, ("OK", "")),
        (f"{endless}[[steps]]\nat = 3600\ngo_away = {{}}", ("UNAVAILABLE", "the gateway was stopped: 1 of the scenario's steps were not begun")),
    ):  # fmt: skip
        stream = caller.play(text)
        assert (await stream.read()).action == "set_tag"
        await gateway.stop()
        assert ((await stream.code()).name, await stream.details()) == ending
        await gateway.start()
