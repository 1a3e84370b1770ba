"""`stream_events(resume=…, on_interruption=…)` reports the interruptions of the stream in their place among its events."""

from __future__ import annotations

import pytest

from mxgateway import MxGatewayError, MxGatewayTransportError, Session
from mxgateway.simulator import SimulatedGateway
from tests.client.support import advised, change, connect, until
from tests.subscription.rig import QUICK


async def lost(session: Session) -> None:
    """Wait until the client knows that the stream is lost."""
    await until(lambda: session.pump._interruption is not None)


@pytest.mark.parametrize("in_batches", [False, True])
async def test_an_interruption_is_reported_in_its_place_among_the_events(in_batches: bool) -> None:
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        told: list[str] = []

        def on_interruption(fault: MxGatewayError | None) -> None:
            told.append("back" if fault is None else "lost")

        async with session.stream_events(resume=QUICK, on_interruption=on_interruption) as events:
            await advised(session)
            await until(lambda: len(events._queue) == 1)
            for value in (1, 2):
                gateway.drop_connections()
                await lost(session)
                change(gateway, [value])
                await until(lambda: len(events._queue) == 1 + 3 * value)  # noqa: B023 - called within the iteration
            assert told == []  # nothing was read
            if in_batches:
                async for batch in events.batches():
                    told += [str(event.worker_sequence) for event in batch]
                    if told[-1] == "3":
                        break
            else:
                async for event in events:
                    told.append(str(event.worker_sequence))
                    if told[-1] == "3":
                        break
    assert told == ["1", "lost", "back", "2", "lost", "back", "3"]


async def test_a_link_that_flaps_while_nothing_is_read_is_one_interruption() -> None:
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        told: list[MxGatewayError | None] = []
        async with session.stream_events(resume=QUICK, on_interruption=told.append) as events:
            await advised(session)
            assert (await anext(events)).worker_sequence == 1
            for _ in range(5):
                gateway.drop_connections()
                await lost(session)
                await until(lambda: session.pump._interruption is None)
            assert len(events._queue) == 2
            change(gateway, [2])
            assert (await anext(events)).worker_sequence == 2
    assert [fault is None for fault in told] == [False, True]


async def test_what_its_report_raises_ends_the_reading() -> None:
    def refuse(fault: MxGatewayError | None) -> None:
        raise fault or AssertionError

    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        async with session.stream_events(resume=True, on_interruption=refuse) as events:
            await advised(session)
            await anext(events)
            gateway.drop_connections()
            with pytest.raises(MxGatewayTransportError):
                await anext(events)
