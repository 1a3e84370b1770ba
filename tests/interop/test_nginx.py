"""nginx, as a plant's administrator puts it before a gateway to have TLS: what it does to calls, and that none of it is lost.

What nginx does at a reload: the worker so far says GOAWAY with the last stream that it serves, answers those, and leaves when the last one has
ended; requests above that stream it drops unseen, and they are sent again. So no call fails, a write neither, and an event stream goes on where it was,
for as long as it lasts. With `worker_shutdown_timeout` the stream is cut when that time is over, and its reader resumes after the last event
it has seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTransportError,
    Session,
    TlsOptions,
    from_mx_value,
    proto,
)
from mxgateway.errors import GrpcStatus
from mxgateway.options import RetryOptions
from mxgateway.simulator import SimulatedGateway
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.connecting.open_channel import Opening
from tests.cli.in_process import mxgw
from tests.client.support import DATA_CHANGE, TAG, advised, change, is_streaming, until
from tests.peers.network.certificates import Authority
from tests.peers.network.nginx import NginxProxy, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

TEXT_TAG = "TestChildObject.TestBigString"
STREAM_EVENTS = "/mxaccess_gateway.v1.MxAccessGateway/StreamEvents"
MIB = 1 << 20


@dataclass(frozen=True)
class Site:
    """A simulated gateway and the nginx before it."""

    gateway: SimulatedGateway
    nginx: NginxProxy
    ca_file: Path

    def client(self, **fields: Any) -> Opening[GatewayClient]:
        tls = TlsOptions(ca_file=self.ca_file)
        return GatewayClient.connect(self.nginx.endpoint, **{"api_key": self.gateway.api_key, "tls": tls, **fields})


@asynccontextmanager
async def behind_nginx(directory: Path, **options: Any) -> AsyncIterator[Site]:
    authority = Authority()
    ca_file = authority.write(directory / "ca.pem")
    prefix = directory / "nginx"
    prefix.mkdir()
    async with SimulatedGateway() as gateway:
        async with NginxProxy(gateway.port, authority.issue("localhost"), prefix, **options) as nginx:
            yield Site(gateway, nginx, ca_file)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with behind_nginx(tmp_path) as running:
        yield running


class Load:
    """Calls of many tasks at once, for the time of the block; a failed call fails the test.

    Args:
        session: Pinged, asked for its state, and given registrations, which are of a kind that must not be made twice.
        tasks: How many call at the same time.
    """

    def __init__(self, session: Session, tasks: int = 20) -> None:
        self._session = session
        self._count = tasks
        self.handles: list[int] = []
        """The registrations that were made."""
        self._stopping = False
        self.answered = 0

    async def more(self, count: int) -> None:
        """Return once `count` further calls were answered."""
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted or any(task.done() for task in self._tasks))

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self._count)]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _call(self, number: int) -> None:
        while not self._stopping:
            if number % 3 == 0:
                self.handles.append(await self._session.register(f"load {number}"))
            elif number % 3 == 1:
                await self._session.ping()
            else:
                assert (await self._session.state()).state == proto.SessionState.READY
            self.answered += 1


class Plant:
    """A tag that counts from 1, a value every millisecond, for the time of the block."""

    def __init__(self, gateway: SimulatedGateway) -> None:
        self._gateway = gateway
        self.last = 0

    async def __aenter__(self) -> Plant:
        self._task = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _count(self) -> None:
        while True:
            self.last += 1
            change(self._gateway, [self.last])
            await asyncio.sleep(0.001)


async def values(events: ServerStream[Any, proto.MxEvent], into: list[Any], after: int = 0) -> None:
    """Read a stream to its end; its events must follow one another."""
    async for event in events:
        assert event.worker_sequence == after + 1
        after = event.worker_sequence
        into.append(from_mx_value(event.value))


def raw_stream(client: GatewayClient, session: Session, after: int = 0) -> ServerStream[Any, proto.MxEvent]:
    request = proto.StreamEventsRequest(session_id=session.session_id, after_worker_sequence=after)
    return client.stream_events_raw(request)


@pytest.mark.parametrize("trust", ["CA file", "first use"])
async def test_smoke_does_the_main_job_through_nginx(site: Site, tmp_path: Path, trust: str) -> None:
    outcome = await mxgw(
        "smoke", "--endpoint", site.nginx.endpoint, "--item", TAG, "--type", "int32", "--value", "123", "--json",
        *(["--ca-file", str(site.ca_file)] if trust == "CA file" else []),
        env={"MXGATEWAY_API_KEY": site.gateway.api_key, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    assert outcome.document["eventFamily"] == "MX_EVENT_FAMILY_ON_WRITE_COMPLETE"
    assert outcome.document["closeStatus"] == "SESSION_STATE_CLOSED"
    assert {call.status for call in site.nginx.calls} == {200}
    assert not site.gateway.sessions


async def test_a_long_event_stream_arrives_whole_and_in_order(site: Site) -> None:
    count, ahead = 10_000, 2_000  # the gateway keeps 10,000 for a reader
    received: list[int] = []
    async with site.client() as client, client.open_session() as session:
        await advised(session)
        async with raw_stream(client, session) as events:
            assert (await anext(events)).worker_sequence == 1
            reading = asyncio.create_task(values(events, received, after=1))
            for start in range(0, count, 100):
                await until(lambda: start - len(received) < ahead or reading.done())  # noqa: B023 - called within the iteration
                change(site.gateway, range(start, start + 100))
            await session.close()
            await reading
    assert received == list(range(count))


async def test_reloads_under_load_fail_no_call_and_the_open_stream_goes_on_until_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = 3
    received: list[int] = []
    async with behind_nginx(tmp_path, calls_per_connection=1_000_000) as site:
        async with site.client() as client, client.open_session() as session:
            async with Plant(site.gateway) as plant, raw_stream(client, session) as events:
                await advised(session)
                await anext(events)
                reading = asyncio.create_task(values(events, received, after=1))
                async with Load(session) as load:
                    for number in range(reloads):
                        await load.more(100)
                        await site.nginx.reload()
                        await until(lambda: client.stats().connections_opened == number + 2)  # noqa: B023 - called within the iteration
                    await load.more(100)
                registered = set(site.gateway.sessions[session.session_id].worker.servers)
                seen = plant.last
                await until(lambda: reading.done() or (received and received[-1] >= seen))
                await session.close()  # ends the stream that the first worker still serves
                await reading
            stats = client.stats()
        await site.nginx.workers_left(reloads)
        calls = site.nginx.calls

    assert received == list(range(received[0], received[0] + len(received)))
    assert (stats.calls_failed, stats.calls_cancelled) == (0, 0)
    assert registered == {1, *load.handles}
    assert stats.reconnects == reloads
    assert {call.status for call in calls} == {200}
    assert len({call.worker for call in calls}) == reloads + 1
    streams = [call for call in calls if call.path == STREAM_EVENTS]
    assert [call.worker for call in streams] == [calls[0].worker]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_stream_that_nginx_cuts_after_a_reload_is_resumed_by_its_reader_and_loses_nothing(
    tmp_path: Path,
) -> None:
    faults: list[MxGatewayError] = []
    received: list[int] = []
    async with (
        behind_nginx(tmp_path, shutdown_timeout=1) as site,
        site.client() as client,
        client.open_session() as session,
        Plant(site.gateway),
    ):

        async def read() -> None:
            while len(faults) < 2:
                try:
                    async with raw_stream(client, session, after=len(received)) as events:
                        await values(events, received, after=len(received))
                except MxGatewayTransportError as fault:
                    faults.append(fault)

        await advised(session)
        reading = asyncio.create_task(read())
        async with Load(session) as load:
            for number in range(2):
                seen = len(received)
                await until(lambda: len(received) > seen + 10)  # noqa: B023 - called within the iteration
                await site.nginx.reload()
                await until(lambda: len(faults) > number)  # noqa: B023 - called within the iteration
            await load.more(100)
        await reading
        failed = client.stats().calls_failed

    assert failed == 2  # the streams
    assert {(fault.grpc_status, fault.retryable) for fault in faults} == {(GrpcStatus.UNAVAILABLE, True)}
    assert received[1:] == list(
        range(received[1], received[1] + len(received) - 1)
    )  # the first is what was there before


async def test_connections_that_nginx_ends_after_so_many_calls_are_replaced_and_fail_no_call(tmp_path: Path) -> None:
    async with (
        behind_nginx(tmp_path, calls_per_connection=200) as site,
        site.client() as client,
        client.open_session() as session,
        session.stream_events() as events,
    ):
        await advised(session)
        assert (await anext(events)).worker_sequence == 1
        async with Load(session, tasks=10) as load:
            await load.more(1000)
        change(site.gateway, [7])
        assert (await anext(events)).worker_sequence == 2
        stats = client.stats()
        assert stats.calls_failed == 0
        assert stats.reconnects >= 5
    assert {call.status for call in site.nginx.calls} == {200}


async def test_leaving_a_stream_frees_it_at_the_gateway(site: Site) -> None:
    async with site.client() as client, client.open_session() as session:
        await advised(session)
        for sequence in (1, 2):
            async with session.stream_events(after_worker_sequence=sequence - 1) as events:
                assert (await anext(events)).worker_sequence == sequence
            await until(lambda: not is_streaming(site.gateway, session))
            change(site.gateway, [sequence])


async def test_large_messages_pass_in_both_directions(site: Site) -> None:
    text = "x" * (15 * MIB)
    async with site.client() as client, client.open_session() as session:
        item = await advised(session, TEXT_TAG)
        await session.write(*item.pair, text)
        async with session.stream_events() as events:
            received = [await anext(events) for _ in range(3)]
    changes = [from_mx_value(event.value) for event in received if event.family == DATA_CHANGE]
    assert changes[-1] == text


async def test_a_request_that_is_too_large_for_nginx_is_refused_and_the_next_call_goes_through(tmp_path: Path) -> None:
    async with (
        behind_nginx(tmp_path, largest_request="1m") as site,
        site.client() as client,
        client.open_session() as session,
    ):
        item = await advised(session, TEXT_TAG)
        for _ in range(3):
            with pytest.raises(MxGatewayTransportError, match="HTTP status 413") as caught:
                await session.write(*item.pair, "x" * (8 * MIB))
            assert not caught.value.retryable
            await session.ping()


async def test_while_the_gateway_is_away_calls_fail_as_unavailable_and_those_that_may_be_repeated_wait_for_it(
    site: Site,
) -> None:
    retry = RetryOptions(max_attempts=100, max_backoff=0.1)
    async with site.client(retry=retry) as client:
        session = await client.open_session()
        await site.gateway.stop()
        with pytest.raises(MxGatewayTransportError, match="HTTP status 502") as caught:
            await session.register("tests")
        assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNAVAILABLE, True)

        ping = asyncio.create_task(session.ping())
        await until(lambda: client.stats().calls_retried > 1)
        await site.gateway.start()
        with pytest.raises(MxGatewaySessionError) as answered:  # by the gateway, whose sessions are gone
            await ping
        assert answered.value.grpc_status is GrpcStatus.NOT_FOUND
        async with client.open_session() as another:
            await another.ping()
