"""`grpc.aio` with google.protobuf's C implementation as a bulk contender: the same calls, written by hand."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Self

import grpc

from tests.benchmarks import bulk_cycle, calls, worker
from tests.peers.protobuf_messages import shipped_contract

ADDRESS: Final = f"127.0.0.1:{sys.argv[1]}"
SERVICE: Final = "/mxaccess_gateway.v1.MxAccessGateway"
METADATA: Final = (("authorization", f"Bearer {calls.API_KEY}"),)

contract: Any = shipped_contract()
OK: Final = contract.number("PROTOCOL_STATUS_CODE_OK")
DATA_CHANGE: Final = contract.number("MX_EVENT_FAMILY_ON_DATA_CHANGE")
WRITE_COMPLETE: Final = contract.number("MX_EVENT_FAMILY_ON_WRITE_COMPLETE")
KINDS: Final = {
    kind: (arm, contract.number(f"MX_DATA_TYPE_{data_type}"), variant)
    for kind, arm, data_type, variant in (
        (bool, "bool_value", "BOOLEAN", "VT_BOOL"),
        (int, "int32_value", "INTEGER", "VT_I4"),
        (float, "double_value", "DOUBLE", "VT_R8"),
        (str, "string_value", "STRING", "VT_BSTR"),
        (datetime, "timestamp_value", "TIME", "VT_DATE"),
    )
}
WIDE: Final = ("int64_value", contract.number("MX_DATA_TYPE_INTEGER"), "VT_I8")


class GrpcioClient(contextlib.AsyncExitStack):
    """A session of `grpc.aio`."""

    def __init__(self, with_events: bool) -> None:
        super().__init__()
        self._with_events = with_events
        self._counts = {DATA_CHANGE: 0, WRITE_COMPLETE: 0}

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._channel = await self.enter_async_context(grpc.aio.insecure_channel(ADDRESS))
        self._invoke = self._method("Invoke", contract.MxCommandRequest, contract.MxCommandReply)
        open_session = self._method("OpenSession", contract.OpenSessionRequest, contract.OpenSessionReply)
        close_session = self._method("CloseSession", contract.CloseSessionRequest, contract.CloseSessionReply)
        session = await open_session(contract.OpenSessionRequest(), metadata=METADATA)
        self._session_id = session.session_id
        request = contract.CloseSessionRequest(session_id=self._session_id)
        self.push_async_callback(close_session, request, metadata=METADATA)
        reply = await self._call("REGISTER", register=contract.RegisterCommand(client_name="bench"))
        self._server = reply.register.server_handle
        if self._with_events:
            drain = asyncio.create_task(self._drain())
            self.callback(drain.cancel)
        return self

    def _method(self, name: str, request: Any, reply: Any) -> Any:
        return self._channel.unary_unary(
            f"{SERVICE}/{name}", request_serializer=request.SerializeToString, response_deserializer=reply.FromString
        )

    async def _call(self, kind: str, **arm: Any) -> Any:
        command = contract.MxCommand(kind=contract.number(f"MX_COMMAND_KIND_{kind}"), **arm)
        request = contract.MxCommandRequest(
            session_id=self._session_id, client_correlation_id=calls.CORRELATION_ID, command=command
        )
        reply = await self._invoke(request, timeout=calls.BULK_TIMEOUT, metadata=METADATA)
        if reply.protocol_status.code != OK:
            raise AssertionError(reply)
        return reply

    async def _drain(self) -> None:
        start = self._channel.unary_stream(
            f"{SERVICE}/StreamEvents",
            request_serializer=contract.StreamEventsRequest.SerializeToString,
            response_deserializer=contract.MxEvent.FromString,
        )
        counts = self._counts
        async for event in start(contract.StreamEventsRequest(session_id=self._session_id), metadata=METADATA):
            event.item_handle, event.value, event.quality, event.source_timestamp.seconds  # noqa: B018
            counts[event.family] += 1

    async def subscribe(self, tags: list[str]) -> list[int]:
        handles: list[int] = []
        for part in _parts(tags):
            command = contract.SubscribeBulkCommand(server_handle=self._server, tag_addresses=part)
            reply = await self._call("SUBSCRIBE_BULK", subscribe_bulk=command)
            results = reply.subscribe_bulk.results
            assert all(result.was_successful for result in results)
            handles += [result.item_handle for result in results]
        return handles

    async def _read(self, part: list[str]) -> Any:
        command = contract.ReadBulkCommand(server_handle=self._server, tag_addresses=part)
        reply = await self._call("READ_BULK", read_bulk=command)
        return reply.read_bulk.results

    async def read(self, tags: list[str]) -> list[Any]:
        values = []
        for part in _parts(tags):
            for result in await self._read(part):
                assert result.was_successful
                result.quality, result.source_timestamp.ToDatetime(UTC)
                values.append(_python_value(result.value))
        return values

    async def read_bulk(self, tags: list[str]) -> None:
        found: list[Any] = []
        for part in _parts(tags):
            found += await self._read(part)
        for result in found:
            assert result.was_successful
            result.value, result.quality, result.source_timestamp.seconds  # noqa: B018

    async def write(self, handles: list[int], values: list[Any]) -> None:
        for part in _parts(range(len(handles))):
            entries = [
                contract.WriteBulkEntry(item_handle=handles[i], value=_message(values[i]), user_id=bulk_cycle.USER_ID)
                for i in part
            ]
            command = contract.WriteBulkCommand(server_handle=self._server, entries=entries)
            reply = await self._call("WRITE_BULK", write_bulk=command)
            assert all(result.was_successful for result in reply.write_bulk.results)

    async def events(self, *, data_changes: int = 0, completions: int = 0) -> None:
        counts = self._counts
        while self._with_events and (counts[DATA_CHANGE] < data_changes or counts[WRITE_COMPLETE] < completions):
            await asyncio.sleep(bulk_cycle.GLANCE)


def _parts(entries: Any) -> Iterator[Any]:
    for start in range(0, len(entries), bulk_cycle.PART):
        yield entries[start : start + bulk_cycle.PART]


def _python_value(message: Any) -> Any:
    value = getattr(message, message.WhichOneof("kind"))
    return value.ToDatetime(UTC) if message.HasField("timestamp_value") else value


def _message(value: Any) -> Any:
    wide = type(value) is int and not -(2**31) <= value < 2**31
    arm, data_type, variant = WIDE if wide else KINDS[type(value)]
    message = contract.MxValue(data_type=data_type, variant_type=variant)
    if arm == "timestamp_value":
        message.timestamp_value.FromDatetime(value)
    else:
        setattr(message, arm, value)
    return message


if __name__ == "__main__":
    worker.serve({"bulk": partial(bulk_cycle.run, GrpcioClient)})
