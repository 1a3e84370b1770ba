"""Tables of the transport: no row leaves anything behind."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests import rows
from tests.garbage import leave_alone_what_there_is


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fail when a task is left running, or a socket or transport that only the garbage collector closes."""
    before = asyncio.all_tasks()
    leave_alone_what_there_is()
    yield
    left = {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()}
    assert not left
    await asyncio.sleep(0)  # a transport that was closed or aborted takes one turn of the loop
    gc.collect()  # an unclosed one warns, and warnings are errors


each_row = functools.partial(rows.each_row, around=nothing_left)
