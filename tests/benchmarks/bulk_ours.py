"""This client as a bulk contender."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial
from typing import Any, Final, Self

from mxgateway import GatewayClient, proto
from tests.benchmarks import bulk_cycle, calls, worker

PORT: Final = int(sys.argv[1])
DATA_CHANGE: Final = proto.MxEventFamily.ON_DATA_CHANGE
WRITE_COMPLETE: Final = proto.MxEventFamily.ON_WRITE_COMPLETE


class OurClient(contextlib.AsyncExitStack):
    """A session of this client."""

    def __init__(self, with_events: bool) -> None:
        super().__init__()
        self._with_events = with_events
        self._counts = {DATA_CHANGE: 0, WRITE_COMPLETE: 0}

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        client = await self.enter_async_context(
            GatewayClient.connect(f"127.0.0.1:{PORT}", plaintext=True, api_key=calls.API_KEY)
        )
        self._session = await self.enter_async_context(client.open_session())
        self._server = await self._session.register("bench")
        if self._with_events:
            events = await self.enter_async_context(self._session.stream_events())
            drain = asyncio.create_task(self._drain(events))
            self.callback(drain.cancel)
        return self

    async def _drain(self, events: Any) -> None:
        counts = self._counts
        async for event in events:
            event.item_handle, event.value, event.quality, event.source_timestamp  # noqa: B018
            counts[event.family] += 1

    async def subscribe(self, tags: list[str]) -> list[int]:
        results = await self._session.subscribe_bulk(self._server, tags)
        assert all(result.was_successful for result in results)
        return [result.item_handle for result in results]

    async def read(self, tags: list[str]) -> list[Any]:
        found = await self._session.read(tags)
        assert all(each.ok for each in found)
        return [each.value for each in found]

    async def read_bulk(self, tags: list[str]) -> None:
        for result in await self._session.read_bulk(self._server, tags):
            assert result.was_successful
            result.value, result.quality, result.source_timestamp  # noqa: B018

    async def write(self, handles: list[int], values: list[Any]) -> None:
        results = await self._session.write_bulk(self._server, handles, values, user_id=bulk_cycle.USER_ID)
        assert all(result.was_successful for result in results)

    async def events(self, *, data_changes: int = 0, completions: int = 0) -> None:
        counts = self._counts
        while self._with_events and (counts[DATA_CHANGE] < data_changes or counts[WRITE_COMPLETE] < completions):
            await asyncio.sleep(bulk_cycle.GLANCE)


if __name__ == "__main__":
    worker.serve({"bulk": partial(bulk_cycle.run, OurClient)})
