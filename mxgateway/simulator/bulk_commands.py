"""The bulk commands: one result per entry, in order; a failed entry never fails the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import statuses
from mxgateway.simulator.apartment import Outcome
from mxgateway.simulator.auth import AccessDenied
from mxgateway.simulator.items import Item, MxServer, unknown_reference
from mxgateway.simulator.statuses import MxAccessFailure
from mxgateway.simulator.tags import Sample, Tag
from mxgateway.simulator.worker import Command, Handler, Worker
from mxgateway.simulator.writes import WriteRequest, accept, write_request

_ByHandle = Callable[[Worker, Command, Item], None]


def _add(worker: Worker, command: Command, address: str) -> Item:
    return worker.add_item(command.key, command.payload.server_handle, address)


def _subscribe(worker: Worker, command: Command, address: str) -> Item:
    item = _add(worker, command, address)
    item.advise()
    return item


def _advise(worker: Worker, command: Command, item: Item) -> None:
    worker.check_read(command.key, item.tag)
    item.advise()


def _unadvise(worker: Worker, command: Command, item: Item) -> None:
    item.unadvise()


def _remove(worker: Worker, command: Command, item: Item) -> None:
    item.server.remove(item.handle)


def _for_addresses(act: Callable[[Worker, Command, str], Item]) -> Handler:
    def handler(worker: Worker, command: Command) -> Outcome:
        results = []
        for address in command.payload.tag_addresses:
            result = mx.SubscribeResult(server_handle=command.payload.server_handle, tag_address=address)
            try:
                result.item_handle = act(worker, command, address).handle
                result.was_successful = True
            except (MxAccessFailure, AccessDenied) as failure:
                result.error_message = _text(failure)
            results.append(result)
        return Outcome(command.arm, mx.BulkSubscribeReply(results=results))

    return handler


def _for_handles(act: _ByHandle) -> Handler:
    def handler(worker: Worker, command: Command) -> Outcome:
        server_handle = command.payload.server_handle
        results = []
        for handle in command.payload.item_handles:
            result = mx.SubscribeResult(server_handle=server_handle)
            try:
                item = worker.item(server_handle, handle)
                result.tag_address = item.definition
                act(worker, command, item)
                result.item_handle = handle
                result.was_successful = True
            except (MxAccessFailure, AccessDenied) as failure:
                result.error_message = _text(failure)
            results.append(result)
        return Outcome(command.arm, mx.BulkSubscribeReply(results=results))

    return handler


def write_bulk(worker: Worker, command: Command) -> Outcome:
    """Accept the writes of any of the four kinds; each accepted one has its own OnWriteComplete."""
    handle = command.payload.server_handle
    writes = [write_request(entry, handle) for entry in command.payload.entries]
    return Outcome(command.arm, mx.BulkWriteReply(results=[_write(worker, command, write) for write in writes]))


def _write(worker: Worker, command: Command, write: WriteRequest) -> mx.BulkWriteResult:
    result = mx.BulkWriteResult(server_handle=write.server_handle)
    try:
        accept(worker, command, write)
    except MxAccessFailure as failure:
        result.hresult = failure.hresult
        result.statuses = failure.statuses
        result.error_message = _text(failure)
    except AccessDenied as denied:
        result.error_message = _text(denied)
    else:
        result.item_handle = write.item_handle
        result.was_successful = True
        result.hresult = statuses.S_OK
    return result


@dataclass(slots=True)
class _Read:
    """One entry of ReadBulk: answered from a subscription, or by waiting for a first value."""

    address: str
    sample: Sample | None = None
    handle: int = 0
    was_cached: bool = False
    error: str = ""
    first: asyncio.Future[Sample] | None = None
    """The value that is waited for."""


async def read_bulk(worker: Worker, command: Command) -> Outcome:
    """Answer each tag from its subscription where there is one, else from a first value that it waits for."""
    payload = command.payload
    seconds = payload.timeout_ms / 1000 if payload.timeout_ms else worker.options.read_timeout
    reads = [_start_read(worker, command, address) for address in payload.tag_addresses]
    await _first_values(worker, [read for read in reads if read.first is not None], seconds)
    results = [_read_result(payload.server_handle, read) for read in reads]
    return Outcome(command.arm, mx.BulkReadReply(results=results))


def _start_read(worker: Worker, command: Command, address: str) -> _Read:
    read = _Read(address)
    try:
        server = worker.server(command.payload.server_handle)
        if not address.strip():
            raise MxAccessFailure
        tag, index = worker.plant.find(address) or (None, None)
        worker.check_read(command.key, tag)
    except (MxAccessFailure, AccessDenied) as failure:
        read.error = _text(failure)
        return read
    if tag is None:
        read.sample = unknown_reference(worker.clock)
    elif (item := server.subscribed(tag, index)) is not None:
        read.sample, read.handle, read.was_cached = item.last, item.handle, True
    elif not tag.attribute.response_time:
        read.sample = tag.sample.element(index)
    else:
        read.first = asyncio.get_running_loop().create_future()
        _Probe(server, read.address, tag, index, worker, read.first).advise()
    return read


class _Probe(Item):
    """A subscription of the worker's own, which the session does not see: it ends with its first value."""

    def __init__(
        self,
        server: MxServer,
        definition: str,
        tag: Tag,
        index: int | None,
        worker: Worker,
        first: asyncio.Future[Sample],
    ) -> None:
        super().__init__(server, 0, definition, tag, index, worker)
        self._first = first
        first.add_done_callback(lambda _: self.unadvise())

    def deliver(self, sample: Sample) -> None:
        """Take the first value."""
        if not self._first.done():
            self._first.set_result(sample)


async def _first_values(worker: Worker, reads: list[_Read], seconds: float) -> None:
    """Wait until every value is there or the time is over."""
    futures = [read.first for read in reads if read.first is not None]
    if not futures:
        return

    def give_up() -> None:
        for future in futures:
            future.cancel()

    timer = worker.clock.call_later(seconds, give_up)
    try:
        await asyncio.wait(futures)
    finally:
        timer.cancel()
        give_up()
    for read, future in zip(reads, futures, strict=True):
        if future.cancelled():
            read.error = f"No value within {round(seconds * 1000)} ms."
        else:
            read.sample = future.result()


def _read_result(server_handle: int, read: _Read) -> mx.BulkReadResult:
    result = mx.BulkReadResult(
        server_handle=server_handle, tag_address=read.address, item_handle=read.handle, was_cached=read.was_cached
    )
    if read.sample is None:
        result.error_message = read.error
        return result
    result.value = read.sample.message
    result.quality = read.sample.quality
    result.source_timestamp = read.sample.timestamp
    result.statuses = [read.sample.status]
    result.was_successful = read.sample.status is not statuses.UNKNOWN_REFERENCE
    result.error_message = "" if result.was_successful else read.sample.status.diagnostic_text
    return result


def _text(failure: MxAccessFailure | AccessDenied) -> str:
    return str(failure)


HANDLERS: Final[dict[str, Handler]] = {
    "add_item_bulk": _for_addresses(_add),
    "advise_item_bulk": _for_handles(_advise),
    "remove_item_bulk": _for_handles(_remove),
    "un_advise_item_bulk": _for_handles(_unadvise),
    "subscribe_bulk": _for_addresses(_subscribe),
    "unsubscribe_bulk": _for_handles(_remove),
    "write_bulk": write_bulk,
    "write2_bulk": write_bulk,
    "write_secured_bulk": write_bulk,
    "write_secured2_bulk": write_bulk,
    "read_bulk": read_bulk,
}
"""What runs each bulk command, by its name in snake case."""
