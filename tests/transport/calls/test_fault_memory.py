"""Memory stays bounded whatever a peer claims or sends: to a stream that nobody reads, so that the transport keeps what it keeps."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import dataclass

import pytest

from mxgateway.transport.streams.stream import STREAM_WINDOW
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import on_request, ping, telling
from tests.peers.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.transport.fault_rows import nothing_escapes
from tests.transport.rig import channel_to, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KIB = 1024
MEASURED = 20_000
"""Frames of a flood that the client bears: measuring is slow, and so many show what is kept of each."""


@dataclass(frozen=True)
class Most:
    """The most KiB that client and server may take together, and in the end still hold; some twice what they do."""

    peak: int
    kept: int
    count: int | None = None
    """How many frames a flood has, where that is not what it has anyhow."""


NEXT_TO_NOTHING = Most(peak=768, kept=64, count=MEASURED)

LIMITS = {
    "huge_prefix": Most(peak=768, kept=128),
    "oversize_frame": Most(peak=768, kept=128),
    "oversize_data": Most(peak=1024, kept=512),
    "header_bomb": Most(peak=768, kept=128),
    "header_list_too_large": Most(peak=5 * KIB, kept=512),  # three times the list's 1 MiB is the server's own
    "trailers_too_large": Most(peak=5 * KIB, kept=512),
    "exceed_window": Most(peak=STREAM_WINDOW // KIB * 3 // 2, kept=STREAM_WINDOW // KIB * 3 // 2),
    "continuation_flood": Most(peak=1024, kept=512),
    "empty_data_flood": Most(peak=1536, kept=1536),
    "settings_flood": Most(peak=1536, kept=1536),
    "ping_flood": Most(peak=4 * KIB, kept=1024, count=MEASURED),  # the answers to one read are a MiB of objects
    "rst_flood": NEXT_TO_NOTHING,
    "window_update_flood": NEXT_TO_NOTHING,
    "priority_flood": NEXT_TO_NOTHING,
    "unknown_frame_flood": NEXT_TO_NOTHING,
    "informational_flood": Most(peak=768, kept=256),
}


def test_every_flood_is_measured() -> None:
    assert [name for name in MISBEHAVIOURS if name.endswith("_flood") and name not in LIMITS] == []


@each_row("name", LIMITS)
async def test_memory_stays_bounded(name: str) -> None:
    most = LIMITS[name]
    arguments = {} if most.count is None else {"count": most.count}
    sent = asyncio.Event()
    script = on_request(MISBEHAVIOURS[name](**arguments), ping(), telling(sent))
    async with nothing_escapes(), Http2Server(script) as server, channel_to(server) as channel:
        connection = await channel.ready()
        tracemalloc.start()
        try:
            async with stream(channel) as unread:
                await unread.open()
                over = [asyncio.create_task(each.wait()) for each in (sent, connection.lost)]
                await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
                kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        for task in over:
            task.cancel()
        seen = Most(peak=peak // KIB, kept=kept // KIB)
        assert seen.peak <= most.peak, seen
        assert seen.kept <= most.kept, seen
