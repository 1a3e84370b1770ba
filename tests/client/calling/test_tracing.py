"""A tracer is told of every call in order: its start, what passes, and exactly one end."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    CallInfo,
    CallTrace,
    ClientOptions,
    GatewayClient,
    MxGatewayError,
    MxGatewayTransportError,
    RetryOptions,
    Tracer,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import advised, change, connect, until


@dataclass
class Trace:
    """What was told of one call, in order."""

    info: CallInfo
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def message_sent(self, size: int) -> None:
        self.told.append(("sent", size))

    def messages_received(self, count: int) -> None:
        self.told.append(("received", count))

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        self.told.append(("retrying", error, delay))

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        self.told.append(("ended", error, cancelled))

    @property
    def steps(self) -> list[str]:
        """What was told, by name."""
        return [name for name, *_ in self.told]

    @property
    def outcome(self) -> tuple[MxGatewayError | None, bool]:
        """The end, which comes once and last."""
        assert self.steps.count("ended") == 1
        assert self.steps[-1] == "ended"
        _, error, cancelled = self.told[-1]
        return error, cancelled


class Recorder:
    """A tracer that keeps everything."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def call_started(self, call: CallInfo) -> Trace:
        self.traces.append(Trace(call))
        return self.traces[-1]

    def of(self, method: str) -> list[Trace]:
        """Return the traces of one method."""
        return [trace for trace in self.traces if trace.info.method == f"MxAccessGateway/{method}"]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


SUCCESS = (None, False)
GIVEN_UP = (None, True)
QUICK = RetryOptions(max_attempts=3, initial_backoff=0.001)


async def test_a_call_that_succeeds(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder, call_timeout=20) as client, client.open_session() as session:
        request = proto.MxCommandRequest(
            session_id=session.session_id, client_correlation_id="c-7",
            command=proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand()),
        )  # fmt: skip
        await client.invoke_raw(request, timeout=7)
        (trace,) = recorder.of("Invoke")
        assert trace.info == CallInfo(
            endpoint=gateway.endpoint, method="MxAccessGateway/Invoke", session_id=session.session_id,
            correlation_id="c-7", timeout=7,
        )  # fmt: skip
        assert trace.steps == ["sent", "received", "ended"]
        assert trace.told[:2] == [("sent", len(bytes(request))), ("received", 1)]
        assert trace.outcome == SUCCESS
    (opening,) = recorder.of("OpenSession")
    assert (opening.info.timeout, opening.info.session_id, opening.outcome) == (
        60,
        "",
        SUCCESS,
    )  # the caller waits for 20 s, the call goes on for a late session's sake
    assert opening.info.correlation_id
    assert [trace.info.session_id for trace in recorder.of("CloseSession")] == [session.session_id]


async def test_a_call_that_fails(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        gateway.fail_next("Invoke.Register", Status.INTERNAL, "no luck today")
        with pytest.raises(MxGatewayError) as caught:
            await session.register("tests")
    (trace,) = recorder.of("Invoke")
    assert trace.steps == ["sent", "ended"]
    assert trace.outcome == (caught.value, False)


async def test_a_call_that_cannot_be_sent(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder, max_send_bytes=300) as client, client.open_session() as session:
        with pytest.raises(MxGatewayError) as caught:
            await session.register("x" * 400)
        (trace,) = recorder.of("Invoke")
        assert trace.steps == ["ended"]
        assert trace.outcome == (caught.value, False)


async def test_a_call_that_finds_no_gateway(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client:
        await gateway.stop()
        with pytest.raises(MxGatewayTransportError) as caught:
            await client.open_session()
        (trace,) = recorder.traces
        assert trace.steps == ["ended"]
        assert trace.outcome == (caught.value, False)


async def test_a_call_that_is_cancelled(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        gateway.hold_commands()
        call = asyncio.create_task(session.register("tests"))
        await until(lambda: recorder.of("Invoke") and recorder.of("Invoke")[0].told)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        (trace,) = recorder.of("Invoke")
        assert trace.steps == ["sent", "ended"]
        assert trace.outcome == GIVEN_UP
        gateway.release_commands()


@pytest.mark.parametrize(("failures", "last"), [(1, "received"), (2, "received"), (3, "sent")])
async def test_a_call_that_is_tried_again(
    gateway: SimulatedGateway, recorder: Recorder, failures: int, last: str
) -> None:
    async with connect(gateway, tracer=recorder, retry=QUICK) as client, client.open_session() as session:
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, "not now", times=failures)
        (error,) = await asyncio.gather(session.ping(), return_exceptions=True)
    (trace,) = recorder.of("Invoke")
    retries = min(failures, 2)
    assert trace.steps == ["sent", "retrying"] * retries + ["sent"] + (["received"] if failures < 3 else []) + ["ended"]
    assert trace.steps[-2] == last
    assert trace.outcome == (error, False)
    for _, reason, delay in [each for each in trace.told if each[0] == "retrying"]:
        assert isinstance(reason, MxGatewayError)
        assert "not now" in str(reason)
        assert 0 <= delay <= 2.0


async def test_a_stream_tells_of_batches_and_of_its_end(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        await advised(session)
        async with session.stream_events() as events:
            change(gateway, range(9))
            for _ in range(10):
                await anext(events)
        (trace,) = recorder.of("StreamEvents")
        assert trace.info.session_id == session.session_id
        assert trace.info.timeout is None
        assert trace.steps[0] == "sent"
        assert set(trace.steps[1:-1]) == {"received"}
        assert sum(count for name, count, *_ in trace.told if name == "received") == 10
        assert trace.outcome == GIVEN_UP


async def test_a_stream_that_fails(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        gateway.fail_next("StreamEvents", Status.INTERNAL, "no events today")
        with pytest.raises(MxGatewayError) as caught:
            await anext(session.stream_events())
    (trace,) = recorder.of("StreamEvents")
    assert trace.steps == ["sent", "ended"]
    error, cancelled = trace.outcome
    assert (type(error), str(error), cancelled) == (type(caught.value), str(caught.value), False)


async def test_a_stream_that_is_dropped_without_being_closed(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        await advised(session)
        async for _ in client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)):
            break
        gc.collect()
        (trace,) = recorder.of("StreamEvents")
        await until(lambda: trace.steps[-1] == "ended")
        assert trace.steps == ["sent", "received", "ended"]
        assert trace.outcome == GIVEN_UP


async def test_a_stream_that_is_closed_twice_and_read_after_that(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client, client.open_session() as session:
        events = client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id))
        await events.open()
        for _ in range(2):
            await events.aclose()
            assert await events.messages() == []
        del events
        gc.collect()
        await session.ping()
        (trace,) = recorder.of("StreamEvents")
        assert trace.outcome == GIVEN_UP


async def test_every_call_of_a_busy_client_ends_once(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder, retry=QUICK) as client:
        session = await client.open_session()
        await advised(session)
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, times=4)
        calls: list[asyncio.Task[Any]] = [asyncio.create_task(session.ping()) for _ in range(20)]
        calls += [asyncio.create_task(session.state(timeout=1e-6)) for _ in range(5)]
        await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        await asyncio.sleep(0.005)
        gateway.drop_connections()
        await asyncio.wait(calls)
    for trace in recorder.traces:
        assert trace.outcome[1] in (True, False)
    stats = client.stats()
    assert len(recorder.traces) == stats.calls_started
    assert sum(trace.outcome == GIVEN_UP for trace in recorder.traces) == stats.calls_cancelled
    assert sum(trace.outcome == SUCCESS for trace in recorder.traces) == stats.calls_succeeded
    assert sum(trace.steps.count("retrying") for trace in recorder.traces) == stats.calls_retried
    assert sum(trace.steps.count("sent") for trace in recorder.traces) == stats.messages_sent


async def test_no_bound_is_told_as_none(gateway: SimulatedGateway, recorder: Recorder) -> None:
    async with connect(gateway, tracer=recorder) as client:
        await (await client.open_session(timeout=math.inf)).close()
    assert recorder.of("OpenSession")[0].info.timeout is None


# -- tracers that are no help


class Broken(Recorder):
    """A tracer that raises in one of its methods."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def call_started(self, call: CallInfo) -> Trace:
        trace = super().call_started(call)
        if self._where == "call_started":
            raise RuntimeError("the tracer is broken")
        setattr(trace, self._where, self._fail)
        return trace

    def _fail(self, *_: object, **__: object) -> None:
        raise RuntimeError("the tracer is broken")


@pytest.mark.parametrize("where", ["call_started", "message_sent", "messages_received", "retrying", "ended"])
async def test_a_tracer_that_raises_disturbs_nothing_and_is_logged_once_for_each_call(
    gateway: SimulatedGateway, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = Broken(where)
    async with connect(gateway, tracer=tracer, retry=QUICK) as client, client.open_session() as session:
        caplog.clear()
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, times=2)
        await session.ping()
        (trace,) = tracer.of("Invoke")
        records = [record for record in caplog.records if record.name == "mxgateway.tracing"]
        assert len(records) == 1
        assert records[0].levelno == logging.ERROR
        assert "MxAccessGateway/Invoke" in records[0].getMessage()
        assert records[0].exc_info is not None
        before = {
            "call_started": [], "message_sent": [], "messages_received": ["sent", "retrying"] * 2 + ["sent"],
            "retrying": ["sent"], "ended": ["sent", "retrying"] * 2 + ["sent", "received"],
        }  # fmt: skip
        assert trace.steps == before[where]  # a trace that has failed is told nothing more
        stats = client.stats()
        assert (stats.calls_failed, stats.calls_retried) == (0, 2)


async def test_a_tracer_may_leave_calls_untraced(gateway: SimulatedGateway) -> None:
    class Choosy(Recorder):
        def call_started(self, call: CallInfo) -> Trace | None:  # type: ignore[override]
            return super().call_started(call) if call.method.endswith("/Invoke") else None

    tracer = Choosy()
    async with connect(gateway, tracer=tracer) as client, client.open_session() as session:
        await session.ping()
    assert [trace.info.method for trace in tracer.traces] == ["MxAccessGateway/Invoke"]


async def test_without_a_tracer_nothing_is_made_for_one(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object, **__: object) -> None:
        raise AssertionError("nobody asked")

    for name in ("CallInfo", "Call._begin_trace", "Call._notify"):
        monkeypatch.setattr(f"mxgateway.transport.calls.call.{name}", unexpected)
    async with connect(gateway, retry=QUICK) as client, client.open_session() as session:
        gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE)
        await session.ping()
        gateway.fail_next("Invoke.Register", Status.INTERNAL)
        with pytest.raises(MxGatewayError):
            await session.register("tests")
        async with session.stream_events():
            pass


def test_a_tracer_is_what_has_its_method() -> None:
    assert isinstance(Recorder(), Tracer)
    assert not isinstance(object(), Tracer)
    trace: CallTrace = Recorder().call_started(
        CallInfo(endpoint="gw:5000", method="S/M", session_id="", correlation_id="", timeout=None)
    )
    assert trace is not None
    assert ClientOptions(tracer=Recorder()).tracer is not None


async def test_what_a_tracer_is_told_holds_no_secret(gateway: SimulatedGateway, recorder: Recorder) -> None:
    secret = gateway.api_key.split("_", 2)[2]
    async with GatewayClient.connect(
        gateway.endpoint, api_key=gateway.api_key, plaintext=True, tracer=recorder, retry=QUICK
    ) as client:
        gateway.fail_next("OpenSession", Status.INTERNAL, f"you sent {gateway.api_key}")
        with pytest.raises(MxGatewayError):
            await client.open_session()
        async with client.open_session() as session:
            gateway.fail_next("Invoke.Ping", Status.UNAVAILABLE, f"you sent {gateway.api_key}")
            await session.ping()
    assert len(recorder.traces) == 4
    assert secret not in repr(recorder.traces)
