"""A client that comes and goes a thousand times leaves nothing in its process; the gateway runs in another one."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections import Counter
from typing import Final

import pytest

from mxgateway import ClientOptions, GatewayClient
from tests.client.suspensions import descriptors
from tests.garbage import leave_alone_what_there_is
from tests.peers.gateway_process import GatewayProcess

WARM_UP: Final = 100
CYCLES: Final = 1000
TRACED: Final = 200
"""Cycles whose memory is traced, which makes them twice as slow."""

MOST_OBJECTS: Final = CYCLES // 10
"""So many further objects of one type are no growth: cancelled timers, for example, stay in the event loop until they are many."""
MOST_BYTES: Final = TRACED * 256
"""Far below what a connection holds, and above what the measuring itself needs."""


class Census:
    """What there is in this process once everything is collected that can be."""

    def __init__(self) -> None:
        gc.collect()
        self.objects = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
        self.tasks = asyncio.all_tasks()
        self.descriptors = len(descriptors())
        self.blocks = sys.getallocatedblocks()


@pytest.fixture(autouse=True)
def young_objects_only() -> None:
    """Collect and count nothing older than the test; the test run itself holds a great deal."""
    leave_alone_what_there_is()


async def test_a_thousand_times_connect_call_and_disconnect_leave_nothing() -> None:
    with GatewayProcess() as gateway:
        options = ClientOptions(api_key=gateway.api_key, plaintext=True)
        async with GatewayClient.connect(gateway.endpoint, options) as owner, owner.open_session() as session:

            async def come_and_go(times: int) -> None:
                for _ in range(times):
                    async with GatewayClient.connect(gateway.endpoint, options) as client:
                        await client.attach_session(session.session_id).ping()

            await come_and_go(WARM_UP)
            before = Census()
            await come_and_go(CYCLES - TRACED)
            tracemalloc.start()
            try:
                await come_and_go(TRACED // 2)
                gc.collect()
                bytes_before = tracemalloc.get_traced_memory()[0]
                await come_and_go(TRACED // 2)
                gc.collect()
                bytes_after = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            after = Census()

    assert {name: count for name, count in (after.objects - before.objects).items() if count > MOST_OBJECTS} == {}
    assert after.tasks == before.tasks
    assert after.descriptors == before.descriptors
    assert bytes_after - bytes_before < MOST_BYTES
    assert after.blocks - before.blocks < 10 * CYCLES
    print(bytes_after - bytes_before, after.blocks - before.blocks, (after.objects - before.objects).most_common(5))
