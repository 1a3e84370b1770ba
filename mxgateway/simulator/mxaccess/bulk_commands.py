"""The bulk commands: one result per entry, in order; a failed entry never fails the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.apartment import Outcome
from mxgateway.simulator.mxaccess.items import Item, MxServer, unknown_reference
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure
from mxgateway.simulator.mxaccess.worker import Command, Handler, Worker
from mxgateway.simulator.mxaccess.writes import WriteRequest, accept, write_request
from mxgateway.simulator.plant.live_tags import Sample, Tag
from mxgateway.simulator.server.keys import AccessDenied
from mxgateway.wire.garbage_collection import collector_held

_ByHandle = Callable[[Worker, Command, Item], None]

# Entries executed without a pause. Then the event stream runs, so that the reader's pace and not the length of a list
# determines whether the event queue fills up.
_SLICE: Final = 1000

E = TypeVar("E")
R = TypeVar("R")


async def _each(entries: Sequence[E], act: Callable[[E], R]) -> list[R]:
    """Return the result of `act` for each entry, in order."""
    results: list[R] = []
    for start in range(0, len(entries), _SLICE):
        if start:
            await asyncio.sleep(0)
        with collector_held():
            results.extend(map(act, entries[start : start + _SLICE]))
    return results


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
    async def handler(worker: Worker, command: Command) -> Outcome:
        server_handle = command.payload.server_handle

        def add(address: str) -> mx.SubscribeResult:
            try:
                handle = act(worker, command, address).handle
            except (MxAccessFailure, AccessDenied) as failure:
                text = str(failure)
                return mx.SubscribeResult(server_handle=server_handle, tag_address=address, error_message=text)
            return mx.SubscribeResult(
                server_handle=server_handle, tag_address=address, item_handle=handle, was_successful=True
            )

        results = await _each(command.payload.tag_addresses, add)
        return Outcome(command.arm, mx.BulkSubscribeReply(results=results))

    return handler


def _for_handles(act: _ByHandle) -> Handler:
    async def handler(worker: Worker, command: Command) -> Outcome:
        server_handle = command.payload.server_handle

        def run(handle: int) -> mx.SubscribeResult:
            address = ""
            try:
                item = worker.item(server_handle, handle)
                address = item.definition
                act(worker, command, item)
            except (MxAccessFailure, AccessDenied) as failure:
                text = str(failure)
                return mx.SubscribeResult(server_handle=server_handle, tag_address=address, error_message=text)
            return mx.SubscribeResult(
                server_handle=server_handle, tag_address=address, item_handle=handle, was_successful=True
            )

        results = await _each(command.payload.item_handles, run)
        return Outcome(command.arm, mx.BulkSubscribeReply(results=results))

    return handler


async def write_bulk(worker: Worker, command: Command) -> Outcome:
    """Accept the writes of any of the four kinds; each accepted write has its own OnWriteComplete."""
    handle = command.payload.server_handle
    # A malformed entry rejects the whole call before anything is accepted.
    writes = await _each(command.payload.entries, lambda entry: write_request(entry, handle))
    results = await _each(writes, lambda write: _write(worker, command, write))
    return Outcome(command.arm, mx.BulkWriteReply(results=results))


def _write(worker: Worker, command: Command, write: WriteRequest) -> mx.BulkWriteResult:
    server_handle = write.server_handle
    try:
        accept(worker, command, write)
    except MxAccessFailure as failure:
        return mx.BulkWriteResult(
            server_handle=server_handle,
            hresult=failure.hresult,
            statuses=failure.statuses,
            error_message=str(failure),
        )
    except AccessDenied as denied:
        return mx.BulkWriteResult(server_handle=server_handle, error_message=str(denied))
    return mx.BulkWriteResult(
        server_handle=server_handle, item_handle=write.item_handle, was_successful=True, hresult=statuses.S_OK
    )


@dataclass(slots=True)
class _Read:
    """One entry of ReadBulk: answered from a subscription, or by waiting for a first value."""

    address: str
    sample: Sample | None = None
    item: Item | None = None
    """The item whose last OnDataChange is the answer; None for a fetched value."""
    error: str = ""
    first: asyncio.Future[Sample] | None = None
    """The awaited value."""


async def read_bulk(worker: Worker, command: Command) -> Outcome:
    """Answer each tag from its subscription if there is one, else from an awaited first value."""
    payload = command.payload
    seconds = payload.timeout_ms / 1000 if payload.timeout_ms else worker.options.read_timeout
    reads = await _each(payload.tag_addresses, lambda address: _start_read(worker, command, address))
    await _first_values(worker, [read for read in reads if read.first is not None], seconds)
    results = await _each(reads, lambda read: _read_result(payload.server_handle, read))
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
        read.error = str(failure)
        return read
    if tag is None:
        read.sample = unknown_reference(worker.clock)
    elif (item := worker.subscriptions.answer(tag, index)) is not None:
        read.sample, read.item = item.last, item
    elif not (tag.attribute.response_time or tag.is_silent):
        read.sample = tag.sample.element(index)
    else:
        read.first = asyncio.get_running_loop().create_future()
        _Probe(server, read.address, tag, index, worker, read.first).advise()
    return read


class _Probe(Item):
    """The worker's own subscription, invisible to the session: it ends with its first value."""

    answers_reads: ClassVar[bool] = False

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
    """Wait until every value has arrived or the time is up."""
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
    sample, item = read.sample, read.item
    if sample is None:
        return mx.BulkReadResult(server_handle=server_handle, tag_address=read.address, error_message=read.error)
    is_known = sample.status is not statuses.UNKNOWN_REFERENCE
    return mx.BulkReadResult(
        # The item may belong to another registration of the session: both handles identify it.
        server_handle=server_handle if item is None else item.server.handle,
        tag_address=read.address,
        item_handle=0 if item is None else item.handle,
        was_successful=is_known,
        was_cached=item is not None,
        value=sample.message,
        quality=sample.quality,
        source_timestamp=sample.timestamp,
        statuses=[sample.status],
        error_message="" if is_known else sample.status.diagnostic_text,
    )


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
"""The handler of each bulk command, by its name in snake case."""
