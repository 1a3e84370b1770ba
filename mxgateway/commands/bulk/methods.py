"""The session's methods for many items at once: one result for each entry, in order, however many there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from mxgateway import proto
from mxgateway.calling import requests
from mxgateway.calling.argument_checks import (
    check_column,
    check_each,
    check_handle,
    check_handles,
    check_int32,
    check_list,
    check_time,
    check_user_id,
)
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk.chunks import HANDLE_WEIGHT, Prefetch, for_each, write_weight
from mxgateway.commands.bulk.confirming import Confirmations
from mxgateway.commands.bulk.reading import ReadCommands, text_weights
from mxgateway.commands.refused_values import hides_refused_values
from mxgateway.commands.writing import time_value
from mxgateway.errors import MxGatewayError, PartialBulk
from mxgateway.events.writes.write_records import not_accepted
from mxgateway.transport.calls.method import Progress
from mxgateway.values import MxValueInput
from mxgateway.values.write_values import WriteValue, check_value, message_of
from mxgateway.wire.messages.betterproto_seam import Message

Transmit = Callable[[proto.MxCommandRequest, float | None, Progress], Awaitable[proto.MxCommandReply]]
"""Sends the request of one chunk."""


class BulkCommands(ReadCommands):
    """The bulk commands.

    A list may be any iterable, of any length: more than 1,000 entries or the message limit are sent in several calls,
    one after another, with one result for each entry, in order. A failed entry gives a result whose `was_successful` is
    False, never an error. All arguments are checked before anything is sent. If one of several calls fails, the error's
    `partial` says what happened to every entry. `timeout` applies to all calls together (None: the client's
    `call_timeout` for each).
    """

    # -- items

    async def add_item_bulk(
        self,
        server_handle: int,
        tag_addresses: Iterable[str],
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.SubscribeResult]:
        """Add items, as `add_item` does one."""
        return await self._by_address(proto.AddItemBulkCommand, server_handle, tag_addresses, timeout, correlation_id)

    async def advise_item_bulk(
        self, server_handle: int, item_handles: Iterable[int], *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.SubscribeResult]:
        """Subscribe to items, as `advise` does to one."""
        return await self._by_handle(proto.AdviseItemBulkCommand, server_handle, item_handles, timeout, correlation_id)

    async def unadvise_item_bulk(
        self, server_handle: int, item_handles: Iterable[int], *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.SubscribeResult]:
        """End the subscription to items, as `unadvise` does to one."""
        return await self._by_handle(
            proto.UnAdviseItemBulkCommand, server_handle, item_handles, timeout, correlation_id
        )

    async def remove_item_bulk(
        self, server_handle: int, item_handles: Iterable[int], *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.SubscribeResult]:
        """Remove items, as `remove_item` does one."""
        return await self._by_handle(proto.RemoveItemBulkCommand, server_handle, item_handles, timeout, correlation_id)

    async def subscribe_bulk(
        self,
        server_handle: int,
        tag_addresses: Iterable[str],
        *,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.SubscribeResult]:
        """Add items and subscribe to them.

        Keep an event stream open: otherwise their first values pile up at the gateway.
        """
        return await self._by_address(proto.SubscribeBulkCommand, server_handle, tag_addresses, timeout, correlation_id)

    async def unsubscribe_bulk(
        self, server_handle: int, item_handles: Iterable[int], *, timeout: float | None = None, correlation_id: str = ""
    ) -> list[proto.SubscribeResult]:
        """End the subscription to items and remove them."""
        return await self._by_handle(proto.UnsubscribeBulkCommand, server_handle, item_handles, timeout, correlation_id)

    # -- values

    @hides_refused_values
    async def write_bulk(
        self,
        server_handle: int,
        item_handles: Iterable[int],
        values: Iterable[MxValueInput],
        *,
        user_id: int | Iterable[int] = 0,
        data_type: proto.MxDataType | None = None,
        confirm: bool = False,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkWriteResult]:
        """Write advised items, as `write` does one.

        A successful result means accepted; each write has its own OnWriteComplete. With `confirm` it means carried out:
        a failed result then also has what the OnWriteComplete says, or that none was seen, in which case the write may
        still be carried out. The session's event stream is opened for it, and stays open as after `write_confirmed`.

        Args:
            server_handle: From `register`.
            item_handles: Of items that are advised, each once.
            values: One Python value for each item.
            user_id: For all items, or one for each.
            data_type: The MXAccess type of all values, if the Python types should not decide it.
            confirm: Wait until MXAccess has carried out each write.
            timeout: Timeout in seconds, for calls and confirmations together.
        """
        server_handle = check_handle("server_handle", server_handle)
        handles, checked = await _checked_writes(item_handles, values, data_type)
        users = check_each("user_id", user_id, len(handles), check_int32, int)

        def entry(i: int) -> Message:
            return proto.WriteBulkEntry(item_handle=handles[i], value=message_of(checked[i]), user_id=users[i])

        make = partial(proto.WriteBulkCommand, server_handle=server_handle)
        return await self._write_in_chunks(checked, entry, make, timeout, correlation_id, confirm=confirm)

    @hides_refused_values
    async def write2_bulk(
        self,
        server_handle: int,
        item_handles: Iterable[int],
        values: Iterable[MxValueInput],
        timestamps: datetime | Iterable[datetime],
        *,
        user_id: int | Iterable[int] = 0,
        data_type: proto.MxDataType | None = None,
        confirm: bool = False,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkWriteResult]:
        """Write advised items with one timestamp for all values, or one for each; otherwise like `write_bulk`."""
        server_handle = check_handle("server_handle", server_handle)
        handles, checked = await _checked_writes(item_handles, values, data_type)
        users = check_each("user_id", user_id, len(handles), check_int32, int)
        times = await _checked_times(timestamps, len(handles))

        def entry(i: int) -> Message:
            return proto.Write2BulkEntry(
                item_handle=handles[i], value=message_of(checked[i]), timestamp_value=times[i], user_id=users[i]
            )

        make = partial(proto.Write2BulkCommand, server_handle=server_handle)
        return await self._write_in_chunks(checked, entry, make, timeout, correlation_id, confirm=confirm)

    @hides_refused_values
    async def write_secured_bulk(
        self,
        server_handle: int,
        item_handles: Iterable[int],
        values: Iterable[MxValueInput],
        *,
        current_user_id: int | Iterable[int],
        verifier_user_id: int | Iterable[int] | None = None,
        data_type: proto.MxDataType | None = None,
        confirm: bool = False,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkWriteResult]:
        """Write advised items in the name of users, as `write_secured` does one; otherwise like `write_bulk`.

        Users are given once for all items, or one for each.
        """
        server_handle = check_handle("server_handle", server_handle)
        handles, checked = await _checked_writes(item_handles, values, data_type)
        current, verifier = _checked_users(current_user_id, verifier_user_id, len(handles))

        def entry(i: int) -> Message:
            return proto.WriteSecuredBulkEntry(
                item_handle=handles[i], current_user_id=current[i], verifier_user_id=verifier[i],
                value=message_of(checked[i]),
            )  # fmt: skip

        make = partial(proto.WriteSecuredBulkCommand, server_handle=server_handle)
        return await self._write_in_chunks(checked, entry, make, timeout, correlation_id, confirm=confirm)

    @hides_refused_values
    async def write_secured2_bulk(
        self,
        server_handle: int,
        item_handles: Iterable[int],
        values: Iterable[MxValueInput],
        timestamps: datetime | Iterable[datetime],
        *,
        current_user_id: int | Iterable[int],
        verifier_user_id: int | Iterable[int] | None = None,
        data_type: proto.MxDataType | None = None,
        confirm: bool = False,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[proto.BulkWriteResult]:
        """Write like `write_secured_bulk`, with one timestamp for all values, or one for each."""
        server_handle = check_handle("server_handle", server_handle)
        handles, checked = await _checked_writes(item_handles, values, data_type)
        current, verifier = _checked_users(current_user_id, verifier_user_id, len(handles))
        times = await _checked_times(timestamps, len(handles))

        def entry(i: int) -> Message:
            return proto.WriteSecured2BulkEntry(
                item_handle=handles[i], current_user_id=current[i], verifier_user_id=verifier[i],
                value=message_of(checked[i]), timestamp_value=times[i],
            )  # fmt: skip

        make = partial(proto.WriteSecured2BulkCommand, server_handle=server_handle)
        return await self._write_in_chunks(checked, entry, make, timeout, correlation_id, confirm=confirm)

    # -- in chunks

    async def _by_address(
        self,
        make: Callable[..., Message],
        server_handle: int,
        tag_addresses: Iterable[str],
        timeout: float | None,
        correlation_id: str,
    ) -> list[Any]:
        server_handle = check_handle("server_handle", server_handle)
        name = "tag_addresses"
        tags = check_list(name, tag_addresses)
        weights = await text_weights(name, tags)

        def build(chunk: range) -> Message:
            return make(server_handle=server_handle, tag_addresses=tags[chunk.start : chunk.stop])

        budget = self._budget(timeout, correlation_id)
        return await self._in_chunks(weights, lambda i: f"{name}[{i}]", build, budget)

    async def _by_handle(
        self,
        make: Callable[..., Message],
        server_handle: int,
        item_handles: Iterable[int],
        timeout: float | None,
        correlation_id: str,
    ) -> list[Any]:
        server_handle = check_handle("server_handle", server_handle)
        name = "item_handles"
        handles = check_handles(name, item_handles)

        def build(chunk: range) -> Message:
            return make(server_handle=server_handle, item_handles=handles[chunk.start : chunk.stop])

        weights = [HANDLE_WEIGHT] * len(handles)
        budget = self._budget(timeout, correlation_id)
        return await self._in_chunks(weights, lambda i: f"{name}[{i}]", build, budget)

    async def _write_in_chunks(
        self,
        values: Sequence[WriteValue],
        entry: Callable[[int], Message],
        make: Callable[..., Message],
        timeout: float | None,
        correlation_id: str,
        *,
        confirm: bool,
    ) -> list[proto.BulkWriteResult]:
        budget = self._budget(timeout, correlation_id)
        if not confirm:
            return await self._send_writes(values, entry, make, budget)
        waiting = Confirmations(self._writer, self._channel.gate)
        try:
            found = await self._send_writes(values, entry, make, budget, waiting.transmit)
            await waiting.wait(budget.seconds_left(self._timeout(None)))
            return waiting.results(found)
        except MxGatewayError as error:
            if (done := error.partial) is not None:
                error.partial = PartialBulk(tuple(waiting.results(done.results)), done.in_doubt, done.not_sent)
            raise
        finally:
            waiting.forget()

    async def _send_writes(
        self,
        values: Sequence[WriteValue],
        entry: Callable[[int], Message],
        make: Callable[..., Message],
        budget: Budget,
        transmit: Transmit | None = None,
    ) -> list[proto.BulkWriteResult]:
        """Write values: `entry` builds the entry at an index, `make` the command for some entries."""

        def build(chunk: range) -> Message:
            return make(entries=[entry(i) for i in chunk])

        weights = await for_each(values, lambda _, value: write_weight(value))
        return await self._in_chunks(weights, lambda i: f"values[{i}]", build, budget, transmit)

    async def _in_chunks(
        self,
        weights: Sequence[int],
        place: Callable[[int], str],
        build: Callable[[range], Message],
        budget: Budget,
        transmit: Transmit | None = None,
    ) -> list[Any]:
        """Send entries in as many calls as needed, and return one result for each.

        Args:
            weights: An upper limit on the size of each entry, in bytes.
            place: Returns the name in error texts of the entry at an index.
            build: Builds the command for the entries with these indexes.
            budget: The timeout of all calls together.
            transmit: Sends one chunk.
        """
        results: list[Any] = []

        def make(chunk: range) -> tuple[proto.MxCommandRequest, Progress]:
            request = self._message(requests.wrap(build(chunk)), budget.correlation_id)
            return request, Progress(frame=requests.framed_ahead(self._channel, request))

        with Prefetch(self._chunks(weights, place, budget.correlation_id), make) as prefetched:
            for chunk, (request, progress) in prefetched:
                try:
                    left = budget.left()
                    self._check_open(budget.correlation_id)
                    reply = await (transmit or self._transmit)(request, left, progress)
                    results += self._results(reply, request.command, len(chunk), budget.correlation_id)
                except MxGatewayError as error:
                    done = chunk.start if not progress.sent or not_accepted(error) else chunk.stop
                    in_doubt, not_sent = range(chunk.start, done), range(done, len(weights))
                    error.add_partial(PartialBulk(tuple(results), in_doubt, not_sent))
                    raise
        return results


async def _checked_writes(
    item_handles: Iterable[int], values: Iterable[MxValueInput], data_type: proto.MxDataType | None
) -> tuple[list[int], list[WriteValue]]:
    handles = check_handles("item_handles", item_handles)
    found = check_column("values", values, len(handles))
    return handles, await for_each(found, lambda i, value: check_value(value, data_type, f"values[{i}]"))


async def _checked_times(timestamps: datetime | Iterable[datetime], count: int) -> list[proto.MxValue]:
    if isinstance(timestamps, datetime):
        return [time_value("timestamps", timestamps)] * count
    moments = check_each("timestamps", timestamps, count, check_time, datetime)
    return await for_each(moments, lambda i, moment: time_value(f"timestamps[{i}]", moment))


def _checked_users(
    current_user_id: int | Iterable[int], verifier_user_id: int | Iterable[int] | None, count: int
) -> tuple[list[int], list[int]]:
    current = check_each("current_user_id", current_user_id, count, check_user_id, int)
    if verifier_user_id is None:
        return current, current
    return current, check_each("verifier_user_id", verifier_user_id, count, check_user_id, int)
