"""grpcio's clients, with google.protobuf's C: `grpc.aio`, the sync client, and its single-threaded variant."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any, Final

import grpc
from grpc import experimental

from tests.benchmarks import calls, worker
from tests.benchmarks.memory import Peak
from tests.peers.protobuf_messages import shipped_contract

ADDRESS: Final = f"127.0.0.1:{sys.argv[1]}"
SERVICE: Final = "/mxaccess_gateway.v1.MxAccessGateway"
SESSION_ID: Final = "session-0d9c2b64f5e84f7ab7f0b9a1c2d3e4f5"
METADATA: Final = (("authorization", f"Bearer {calls.API_KEY}"),)
SINGLE_THREADED: Final = ((experimental.ChannelOptions.SingleThreadedUnaryStream, 1),)

contract: Any = shipped_contract()
ADD_ITEM: Final = contract.number("MX_COMMAND_KIND_ADD_ITEM")


def events_of(channel: Any) -> Any:
    """Start the stream of events."""
    start = channel.unary_stream(
        f"{SERVICE}/StreamEvents",
        request_serializer=contract.StreamEventsRequest.SerializeToString,
        response_deserializer=contract.MxEvent.FromString,
    )
    return start(contract.StreamEventsRequest(session_id=SESSION_ID), metadata=METADATA)


async def stream_aio(events: int) -> dict[str, float]:
    """Read every event of a stream with `grpc.aio`."""
    async with grpc.aio.insecure_channel(ADDRESS) as channel:
        await channel.channel_ready()
        count, watch = 0, worker.Stopwatch()
        async for event in events_of(channel):
            event.item_handle, event.value.double_value, event.quality, event.source_timestamp.seconds  # noqa: B018
            count += 1
        return watch.stop(count, events)


async def subscribe_aio(events: int, tags: int) -> dict[str, float]:
    """Do by hand with `grpc.aio` what a fault-free subscription does, and read every event."""
    async with grpc.aio.insecure_channel(ADDRESS) as channel:
        await channel.channel_ready()
        session_id, received = await _open_session(channel), events_of(channel)
        await received.initial_metadata()
        registered = await _invoke(channel, session_id, register=contract.RegisterCommand(client_name="bench"))
        body = contract.SubscribeBulkCommand(
            server_handle=registered.register.server_handle, tag_addresses=calls.tags(tags)
        )
        reply = await _invoke(channel, session_id, subscribe_bulk=body)
        items = {result.item_handle: result.tag_address for result in reply.subscribe_bulk.results}
        count, last, watch = 0, 0, worker.Stopwatch()
        async for event in received:
            if event.worker_sequence != last + 1:
                raise AssertionError(event)
            last, value, time = event.worker_sequence, event.value, event.source_timestamp
            items[event.item_handle], getattr(value, value.WhichOneof("kind")), event.quality, time.seconds, time.nanos
            count += 1
            if count == events:
                break
        outcome = watch.stop(count, events)
        received.cancel()
        return outcome


async def _open_session(channel: Any) -> str:
    open_session = channel.unary_unary(
        f"{SERVICE}/OpenSession",
        request_serializer=contract.OpenSessionRequest.SerializeToString,
        response_deserializer=contract.OpenSessionReply.FromString,
    )
    reply = await open_session(contract.OpenSessionRequest(client_session_name="bench"), metadata=METADATA)
    return str(reply.session_id)


async def _invoke(channel: Any, session_id: str, **body: Any) -> Any:
    invoke = channel.unary_unary(
        f"{SERVICE}/Invoke",
        request_serializer=contract.MxCommandRequest.SerializeToString,
        response_deserializer=contract.MxCommandReply.FromString,
    )
    command = contract.MxCommand(**body)
    return await invoke(contract.MxCommandRequest(session_id=session_id, command=command), metadata=METADATA)


def stream_sync(events: int, options: Iterable[tuple[str, Any]] = ()) -> dict[str, float]:
    """Read every event of a stream with the synchronous client."""
    with grpc.insecure_channel(ADDRESS, options=tuple(options)) as channel:
        grpc.channel_ready_future(channel).result()
        count, watch = 0, worker.Stopwatch()
        for event in events_of(channel):
            event.item_handle, event.value.double_value, event.quality, event.source_timestamp.seconds  # noqa: B018
            count += 1
        return watch.stop(count, events)


async def galaxy(objects: int, attributes: int, page_size: int, *, memory: bool = False) -> dict[str, float]:
    """Read every object of the galaxy with `grpc.aio`, keeping none."""
    options = (("grpc.max_receive_message_length", -1),)
    async with grpc.aio.insecure_channel(ADDRESS, options=options) as channel:
        await channel.channel_ready()
        discover = channel.unary_unary(
            "/galaxy_repository.v1.GalaxyRepository/DiscoverHierarchy",
            request_serializer=contract.DiscoverHierarchyRequest.SerializeToString,
            response_deserializer=contract.DiscoverHierarchyReply.FromString,
        )
        count, token, watch = 0, "", worker.Stopwatch()
        with Peak(active=memory) as peak:
            while count == 0 or token:
                request = contract.DiscoverHierarchyRequest(page_size=page_size, page_token=token)
                page = await discover(request, timeout=calls.TIMEOUT, metadata=METADATA)
                token = page.next_page_token
                for each in page.objects:
                    each.gobject_id, each.tag_name, each.parent_gobject_id, each.is_area  # noqa: B018
                    for attribute in each.attributes:
                        attribute.full_tag_reference, attribute.mx_data_type  # noqa: B018
                    count += len(each.attributes) == attributes
        return watch.stop(count, objects) | {"first": peak.first, "growth": peak.growth}


async def unary(job: str, count: int) -> dict[str, float]:
    """Make unary calls with `grpc.aio`."""
    async with grpc.aio.insecure_channel(ADDRESS) as channel:
        await channel.channel_ready()
        invoke = channel.unary_unary(
            f"{SERVICE}/Invoke",
            request_serializer=contract.MxCommandRequest.SerializeToString,
            response_deserializer=contract.MxCommandReply.FromString,
        )

        async def call() -> None:
            reply = await invoke(_add_item(), timeout=calls.TIMEOUT, metadata=METADATA)
            if reply.add_item.item_handle != calls.ITEM_HANDLE:
                raise AssertionError(reply)

        return await calls.JOBS[job](call, count)


def _add_item() -> Any:
    return contract.MxCommandRequest(
        session_id=SESSION_ID,
        client_correlation_id=calls.CORRELATION_ID,
        command=contract.MxCommand(
            kind=ADD_ITEM,
            add_item=contract.AddItemCommand(server_handle=1, item_definition=calls.ITEM_DEFINITION),
        ),
    )


if __name__ == "__main__":
    worker.serve(
        {
            "stream": lambda **arguments: asyncio.run(stream_aio(**arguments)),
            "subscribe": lambda **arguments: asyncio.run(subscribe_aio(**arguments)),
            "stream_sync": stream_sync,
            "stream_single_threaded": lambda events: stream_sync(events, SINGLE_THREADED),
            "galaxy": lambda **arguments: asyncio.run(galaxy(**arguments)),
            "unary": lambda **arguments: asyncio.run(unary(**arguments)),
        }
    )
