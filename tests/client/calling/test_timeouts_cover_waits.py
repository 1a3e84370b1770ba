"""A call's timeout covers what it waits for before it is sent: other calls, the registration, the event stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mxgateway import MxGatewayInvalidRequestError, MxGatewayTimeoutError, Session
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing import FaultProxy
from tests.client.support import TAG, Item, advised, connect, in_words, until

OTHER_TAG = "TestChildObject.TestDouble"
SOON = 0.05
LATE = 5.0
"""Seconds after which a wait that has no bound of its own fails."""


@asynccontextmanager
async def site() -> AsyncIterator[tuple[SimulatedGateway, FaultProxy, Session, Item]]:
    async with (
        SimulatedGateway() as gateway,
        FaultProxy(gateway.port) as proxy,
        connect(gateway, endpoint=proxy.endpoint) as client,
    ):
        session = await client.open_session()
        item = await advised(session)
        yield gateway, proxy, session, item
        gateway.release_commands()


async def held(gateway: SimulatedGateway, work: Awaitable[Any], method: str) -> asyncio.Future[Any]:
    """Start a call that the gateway does not answer."""
    gateway.hold_commands()
    before = len(gateway.received)
    task = asyncio.ensure_future(work)
    await until(lambda: any(call.method == method for call in list(gateway.received)[before:]))
    return task


async def test_the_timeout_of_a_call_covers_its_waits_for_other_calls() -> None:
    async with site() as (gateway, _, session, item):
        await session.write_tags({TAG: 1})
        await session.read([OTHER_TAG])
        rows: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]] = {
            "a write behind a write": (lambda: session.write(*item.pair, 1), lambda: session.write(*item.pair, 2, timeout=SOON)),
            "a bulk behind a bulk": (
                lambda: session.write_bulk(item.server, [item.handle], [1]),
                lambda: session.write_bulk(item.server, [item.handle], [2], timeout=SOON),
            ),
            "tags behind tags": (
                lambda: session.write_tags({OTHER_TAG: 1.0}), lambda: session.write_tags({OTHER_TAG: 2.0}, timeout=SOON),
            ),
        }  # fmt: skip
        for row, (first, second) in rows.items():
            task = await held(gateway, first(), "Invoke")
            with pytest.raises(MxGatewayTimeoutError) as unsent:
                async with asyncio.timeout(LATE):
                    await second()
            assert in_words(unsent.value, "was not sent within 0.0", "it was waiting for"), row
            gateway.release_commands()
            await task


async def test_the_timeout_of_the_first_call_by_name_covers_the_registration_and_none_is_made_twice() -> None:
    async with site() as (gateway, _, session, _):
        servers = gateway.sessions[session.session_id].worker.servers
        gateway.hold_commands()
        for _ in range(3):
            with pytest.raises(MxGatewayTimeoutError) as unsent:
                async with asyncio.timeout(LATE):
                    await session.read([TAG], timeout=SOON)
            assert in_words(unsent.value, "it was waiting for the session's registration")
        gateway.release_commands()
        assert [value.value for value in await session.read([TAG])]
        assert len(servers) == 2, "that of the test and the session's own"


async def test_the_timeout_of_a_write_by_name_covers_the_wait_for_the_event_stream() -> None:
    async with site() as (_, proxy, session, _):
        await session.write_tags({TAG: 1})
        await proxy.refuse()
        proxy.reset_all()
        await until(lambda: session.pump.state is not PumpState.LIVE)
        client_timeout = 30.0
        for timeout in (SOON, None):  # the client's own as well
            session._channel.options = replace(session._channel.options, call_timeout=client_timeout)
            with pytest.raises(MxGatewayTimeoutError) as unsent:
                async with asyncio.timeout(LATE):
                    await session.write_tags({TAG: 2}, confirm=True, timeout=timeout)
            assert in_words(unsent.value, "for the event stream", "1 were not carried out (0)", "nothing was written")
            assert unsent.value.partial is not None
            assert len(unsent.value.partial.not_sent) == 1
            client_timeout = SOON
        await proxy.accept()


async def test_what_fails_before_a_write_by_name_is_told_as_not_written() -> None:
    async with site() as (gateway, _, session, _):
        await session.read([TAG])
        gateway.hold_commands()
        with pytest.raises(MxGatewayTimeoutError) as unsent:
            await session.write_tags({OTHER_TAG: 1.0}, timeout=SOON)  # its type is read first
        assert in_words(unsent.value, "of 1 entries 1 were not carried out (0)", "nothing was written")
        assert "may" not in str(unsent.value)


async def test_the_timeout_of_a_second_close_covers_the_wait_for_the_first() -> None:
    async with site() as (gateway, _, session, _):
        gateway.hold("CloseSession")
        first = asyncio.create_task(session.close())
        await until(lambda: any(call.method == "CloseSession" for call in gateway.received))
        with pytest.raises(MxGatewayTimeoutError, match="waiting for the answer to the first one"):
            async with asyncio.timeout(LATE):
                await session.close(timeout=SOON)
        gateway.release("CloseSession")
        await first
        await session.close(timeout=SOON)


async def test_a_timeout_that_no_float_holds_is_refused() -> None:
    async with site() as (_, _, session, item):
        for call in (
            lambda timeout: session.ping(timeout=timeout),
            lambda timeout: session.write(*item.pair, 1, timeout=timeout),
            lambda timeout: session.write_tags({TAG: 1}, timeout=timeout),
            lambda timeout: session.close(timeout=timeout),
        ):
            with pytest.raises(MxGatewayInvalidRequestError, match="timeout is 1000"):
                await call(10**400)
        await session.write(*item.pair, 1, timeout=10**300)
