"""`ControlClient`: the control in Python, with values as they are in Python, and the errors of the library."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mxgateway import (
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayNotFoundError,
    MxGatewayTransportError,
    Secret,
    Timestamp,
)
from mxgateway.control import ControlClient, PlayedStep
from mxgateway.simulator import ControlServer, ManualClock, SimulatedGateway
from tests.scenarios.rig import until

TAG = "TestChildObject.TestInt"


@pytest.fixture
async def server(gateway: SimulatedGateway) -> AsyncIterator[ControlServer]:
    async with ControlServer(gateway) as server:
        yield server


@pytest.fixture
async def client(server: ControlServer) -> AsyncIterator[ControlClient]:
    async with ControlClient.connect(server.endpoint, server.key) as client:
        yield client


async def test_tags_have_values_of_python(client: ControlClient, clock: ManualClock) -> None:
    moment = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    for tag, value in (("TestChildObject.TestTime", moment), ("TestChildObject.TestIntArray[]", [4, 5]), (TAG, -3)):
        await client.set_tag(tag, value)
        found = await client.get_tag(tag)
        assert (found.value, found.quality, found.source_time) == (value, 192, Timestamp.from_datetime(clock.now()))
    assert isinstance((await client.get_tag("TestChildObject.TestTime")).value, Timestamp)
    await client.set_tag(TAG, quality=0)
    assert (await client.get_tag(TAG)).quality == 0
    assert (await client.get_tag("TestChildObject.TestIntArray[]")).is_array


async def test_a_scenario_is_played_step_by_step_or_begun(client: ControlClient, gateway: SimulatedGateway) -> None:
    text = f'[[steps]]\nset_tag = {{ tag = "{TAG}", value = 1 }}\n[[steps]]\nafter = 5\ncrash_worker = {{}}\n'
    seen: list[PlayedStep] = []
    async with client.play(text) as steps:
        async for step in steps:
            seen.append(step)
            await client.advance_clock(5)
    assert [(step.seconds, step.action, step.failure) for step in seen] == [
        (0.0, "set_tag", ""),
        (5.0, "crash_worker", "no session is open"),
    ]
    async with client.play(text) as steps:
        await anext(steps)
    await until(lambda: all(play.done for play in gateway._plays))
    await client.begin(text.replace("crash_worker = {}", f'set_tag = {{ tag = "{TAG}", value = 2 }}'))
    assert (await client.advance_clock(5)).epoch_nanoseconds == gateway.clock.now_ns()
    assert gateway.tag(TAG).sample.native == 2


@pytest.mark.parametrize(
    ("call", "error", "status"),
    [
        (lambda client: client.do("crash_worker"), MxGatewayNotFoundError, GrpcStatus.NOT_FOUND),
        (lambda client: client.get_tag("No.Such"), MxGatewayNotFoundError, GrpcStatus.NOT_FOUND),
        (lambda client: client.do("nothing"), MxGatewayInvalidRequestError, GrpcStatus.INVALID_ARGUMENT),
        (lambda client: client.set_tag(TAG, "x"), MxGatewayInvalidRequestError, GrpcStatus.INVALID_ARGUMENT),
        (lambda client: client.set_tag(TAG, object()), MxGatewayInvalidRequestError, None),
        (lambda client: client.do("hold", {"method": None}), MxGatewayInvalidRequestError, None),
        (lambda client: client.begin("nothing"), MxGatewayInvalidRequestError, GrpcStatus.INVALID_ARGUMENT),
    ],
)  # fmt: skip
async def test_a_refusal_is_an_error_of_the_library(
    client: ControlClient, call: Any, error: type[MxGatewayError], status: GrpcStatus | None
) -> None:
    with pytest.raises(error) as refusal:
        await call(client)
    assert (type(refusal.value), refusal.value.grpc_status) == (error, status)
    assert "session" not in refusal.value.hint


async def test_a_wrong_key_and_a_control_that_is_gone_are_said(
    gateway: SimulatedGateway, server: ControlServer
) -> None:
    async with ControlClient.connect(server.endpoint, gateway.api_key) as stranger:
        with pytest.raises(MxGatewayAuthenticationError, match="pass the control's own key"):
            await stranger.status()
    async with ControlClient.connect(server.endpoint, server.key, timeout=5) as client:
        assert (await client.status()).is_running
        await client.stop()
        await server.stop()
        with pytest.raises(MxGatewayTransportError):
            await client.status()
    with pytest.raises(MxGatewayTransportError, match="nothing is listening"):
        await ControlClient.connect(server.endpoint, server.key)


async def test_while_the_gateway_is_down_a_call_says_so_and_may_be_tried_again(
    client: ControlClient, gateway: SimulatedGateway
) -> None:
    await client.begin("[[steps]]\nrestart = { down = 60 }\n")
    await until(lambda: not gateway.is_running)
    with pytest.raises(MxGatewayTransportError, match="the gateway is down") as refusal:
        await client.do("restart")
    assert refusal.value.retryable
    await client.advance_clock(60)
    await until(lambda: gateway.is_running)


async def test_a_key_among_the_arguments_shows_nowhere(
    client: ControlClient, gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await client.do("add_key", {"key": Secret("mxgw_new_s3cr3tt3xt")})
        assert gateway.key_ids == {"simulator", "new"}
        with pytest.raises(MxGatewayInvalidRequestError) as refusal:
            await client.do("add_key", {"key": Secret("s3cr3tt3xt"), "scopes": ["wrong"]})
    frames, trace = [], refusal.value.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals["__name__"].startswith("mxgateway."):
            frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert "s3cr3tt3xt" not in caplog.text + str(refusal.value) + "".join(frames)
