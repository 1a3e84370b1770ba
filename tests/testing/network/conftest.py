"""Fixtures for the tests of the fault proxy."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.testing.network.plain_sockets import Target


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    target = Target()
    server = await asyncio.start_server(target.take, "127.0.0.1", 0, limit=1 << 22)
    target.port = server.sockets[0].getsockname()[1]
    yield target
    server.close()
    for end in target.ends:
        end.writer.transport.abort()
    await server.wait_closed()


@pytest.fixture
async def proxy(target: Target) -> AsyncIterator[FaultProxy]:
    before = asyncio.all_tasks()
    async with FaultProxy(target.port, seed=1) as proxy:
        yield proxy
    left = {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()}
    assert left == set()
    assert proxy.connections == []
    await asyncio.sleep(0)
    gc.collect()  # an unclosed socket warns, and warnings are errors
