"""The session's methods for tags by name: reads without registration, and writes with their outcomes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from mxgateway import proto
from mxgateway.calling.argument_checks import check_int32, check_list, check_mapping, check_text, check_uint32
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk.chunks import for_each, text_weight, write_weight
from mxgateway.commands.bulk.confirming import Confirmations
from mxgateway.commands.bulk.methods import BulkCommands
from mxgateway.commands.bulk.reading import Read, text_weights
from mxgateway.commands.item_cache import LINGER
from mxgateway.commands.items import ItemCommands
from mxgateway.commands.refused_values import hides_refused_values
from mxgateway.errors import MxGatewayError, MxGatewayInvalidRequestError, MxGatewayTimeoutError, PartialBulk
from mxgateway.events.writes.item_writes import Item
from mxgateway.events.writes.write_records import not_accepted
from mxgateway.transport.calls.method import Progress
from mxgateway.values import MxValueInput, to_mx_value
from mxgateway.values.tag_values import TagValue, TagWrite, completed_write, tag_value, tag_write, unconfirmed_write
from mxgateway.values.type_rules import DATA_TYPES
from mxgateway.wire.messages.betterproto_seam import Message

OWN_CLIENT_NAME: Final = "mxgateway"
"""The client name of the session's own registration, for tags read and written by name."""

ADD_ATTEMPTS: Final = 8
"""How often an item is added again because its handle belonged to an item with writes in doubt."""

_E_INVALIDARG: Final = 0x80070057 - 2**32
"""MXAccess's HRESULT for an unknown handle, and for an item that is not advised."""


class _WriteLease(NamedTuple):
    """Tags whose items stay advised during a write, and the results of those whose item could not be added."""

    tags: list[str]
    refused: dict[str, TagWrite]


class TagCommands(BulkCommands, ItemCommands):
    """Tags by name, in the session's own registration, which is made on first use."""

    async def read(
        self, tags: Iterable[str], *, timeout_ms: int = 0, timeout: float | None = None, correlation_id: str = ""
    ) -> list[TagValue]:
        """Read tags, in order, each with its own outcome: one bad tag never fails the others.

        Args:
            tags: ``Object.Attribute``, any number of them.
            timeout_ms: How long the gateway waits for a tag's first value, in milliseconds; 0 uses the worker's
                default.
            timeout: Timeout in seconds for all calls together.
        """
        timeout_ms = check_uint32("timeout_ms", timeout_ms)
        names = check_list("tags", tags)
        weights = await text_weights("tags", names)
        budget = self._budget(timeout, correlation_id)
        chunks = self._chunks(weights, lambda i: f"tags[{i}]", budget.correlation_id)
        self._tag_cache.reads += 1
        try:
            read = Read(await self._own_server(budget), names, chunks, timeout_ms, budget)
            return await self._read_in_chunks(read, self._tag_value)
        finally:
            self._tag_cache.reads -= 1

    def _tag_value(self, tag: str, result: proto.BulkReadResult) -> TagValue:
        value = tag_value(tag, result)
        self._tag_cache.note_type(tag, value.data_type)
        return value

    @hides_refused_values
    async def write_tags(
        self,
        values: Mapping[str, MxValueInput],
        *,
        confirm: bool = False,
        user_id: int = 0,
        data_type: proto.MxDataType | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
    ) -> list[TagWrite]:
        """Write tags, in order, each with its own outcome: one bad tag never fails the others.

        A plain Python value is sent as the tag's last known type; a tag that was not read before is read first. The
        tags are advised during the write, and the session's event stream stays open from the first such write on, as
        after `write_confirmed`.

        Args:
            values: The new value of each tag.
            confirm: Wait until MXAccess has carried out each write, and report its OnWriteComplete.
            user_id: The id of the MXAccess user who writes.
            data_type: The MXAccess type of all values, instead of the tags' own.
            timeout: Timeout in seconds for all calls and confirmations together.

        Raises:
            MxGatewayInvalidRequestError: A value does not fit its tag's type; nothing was written.
            MxGatewayError: A call failed; `partial` says what happened to every tag, with a `TagWrite` for each result.
        """
        given = {check_text("a tag in values", tag): value for tag, value in check_mapping("values", values).items()}
        check_int32("user_id", user_id)
        budget = self._budget(timeout, correlation_id)
        weights = await for_each(given, lambda _, tag: text_weight(tag))  # what is too large is refused
        self._chunks(weights, lambda i: f"the tag of {_place(given, i)}", budget.correlation_id)
        try:
            messages = await self._typed(given, data_type, budget)
            if confirm or self._owned:
                await self._keep_stream_open(budget)
            lease = await self._lease(list(given), budget)
        except MxGatewayError as error:
            if isinstance(error, MxGatewayTimeoutError):  # the call that timed out was no write
                error.hint = "nothing was written; try again, or allow more time"
            error.add_partial(PartialBulk((), range(0), range(len(given))))
            raise
        try:
            written = await self._write_items(lease.tags, messages, confirm, user_id, budget)
        finally:
            self._give_back(lease)
        outcomes = lease.refused | {write.tag: write for write in written}
        return [outcomes[tag] for tag in given]

    # -- types

    async def _typed(
        self, values: Mapping[str, MxValueInput], data_type: proto.MxDataType | None, budget: Budget
    ) -> dict[str, proto.MxValue]:
        """Return the message for each tag, in the tag's own type unless another is requested."""
        cache = self._tag_cache
        if data_type is None:
            plain = [tag for tag, value in values.items() if not isinstance(value, Message | None)]
            if unknown := [tag for tag in plain if cache.types.get(tag) is None]:
                await self._check_values(values, budget.correlation_id)
                await self.read(unknown, timeout=budget.left(), correlation_id=budget.correlation_id)

        def message(tag: str, value: MxValueInput) -> proto.MxValue:
            known = data_type
            if known is None and not isinstance(value, Message | None):
                last = cache.types.get(tag)
                known = last if last is not None and last.name in DATA_TYPES else None
            return to_mx_value(value, data_type=known, name=f"values[{tag!r:.100}]")

        made = await for_each(values.items(), lambda _, pair: message(*pair))
        await self._check_sizes(values, made, budget.correlation_id)
        return dict(zip(values, made, strict=True))

    async def _check_values(self, values: Mapping[str, MxValueInput], correlation_id: str) -> None:
        """Refuse values that no tag could accept, before the tags' types are read."""
        made = await for_each(values.items(), lambda _, pair: _any_message(f"values[{pair[0]!r:.100}]", pair[1]))
        await self._check_sizes(values, made, correlation_id)

    async def _check_sizes(
        self, values: Mapping[str, MxValueInput], messages: list[proto.MxValue], correlation_id: str
    ) -> None:
        weights = await for_each(messages, lambda _, message: write_weight(message))
        self._chunks(weights, lambda i: _place(values, i), correlation_id)

    # -- items

    async def _own_server(self, budget: Budget) -> int:
        """Return the server handle of the session's own registration."""
        cache = self._tag_cache
        if not cache.server_handle:
            if self.source.is_left:  # nobody would end it
                raise self.source.closed_error(budget.correlation_id)
            async with budget.waiting("a call with tags", "the session's registration"):
                await cache.registering.join(partial(self._register, budget.correlation_id))
        return cache.server_handle

    async def _register(self, correlation_id: str) -> None:
        """Make the session's own registration, for all who wait for it: with its own timeout, so that none is lost."""
        self._tag_cache.server_handle = await self.register(OWN_CLIENT_NAME, correlation_id=correlation_id)

    async def _keep_stream_open(self, budget: Budget) -> None:
        """Read completions and first values: unread, they would fill the gateway's queue, and the session would fault.

        In an attached session that is left to its owner: the gateway allows one event stream for each session.
        """
        async with budget.waiting("a call with tags", "the event stream", self._timeout(None)):
            await self.pump.until_live()

    async def _lease(self, tags: list[str], budget: Budget) -> _WriteLease:
        """Ensure an advised item for each tag, unless MXAccess refuses it.

        This completes even if the caller is cancelled: only the replies say what must be released.
        """
        async with budget.waiting("a call with tags", "the tags' items"):
            return await self.detached_calls.run(
                lambda: self._acquire(tags, budget), Progress(sent=True), orphaned=self._give_back
            )

    async def _acquire(self, tags: list[str], budget: Budget) -> _WriteLease:
        cache = self._tag_cache
        async with cache.advising:
            server = await self._own_server(budget)
            refused: dict[str, TagWrite] = {}
            in_doubt: list[int] = []
            try:
                for _ in range(ADD_ATTEMPTS):
                    in_doubt += self._forget_items_in_doubt(server, tags)
                    if idle := [tag for tag in tags if cache.handles.get(tag) is not None and tag not in cache.advised]:
                        await self._advise_again(server, idle, budget)
                    new = [tag for tag in tags if cache.handles.get(tag) is None and tag not in refused]
                    if not new:
                        break
                    await self._subscribe(server, new, refused, budget)
                if in_doubt:  # only after the new items were added, so that those get other handles
                    await self.unsubscribe_bulk(server, in_doubt, timeout=budget.left())
            except BaseException as error:
                cache.untidy |= not (isinstance(error, MxGatewayError) and not_accepted(error))
                self._sweep_soon()
                raise
            usable = [tag for tag in tags if tag not in refused]
            cache.take(usable)
            return _WriteLease(usable, refused)

    def _forget_items_in_doubt(self, server: int, tags: list[str]) -> list[int]:
        """Forget the items that cannot confirm a write, because an earlier one is in doubt; return their handles."""
        cache, handles = self._tag_cache, []
        for tag in tags:
            handle = cache.handles.get(tag)
            if handle is not None and self._writes.is_in_doubt(Item(server, handle)):
                handles.append(handle)
                cache.forget_tag(tag)
        return handles

    async def _advise_again(self, server: int, tags: list[str], budget: Budget) -> None:
        """Advise cached items again; forget those that the gateway no longer knows."""
        handles = [self._tag_cache.handles.get(tag) or 0 for tag in tags]
        results = await self.advise_item_bulk(
            server, handles, timeout=budget.left(), correlation_id=budget.correlation_id
        )
        for tag, handle, result in zip(tags, handles, results, strict=True):
            if result.was_successful:
                self._tag_cache.note_advised(tag, handle)
            else:
                self._tag_cache.forget_tag(tag)

    async def _subscribe(self, server: int, tags: list[str], refused: dict[str, TagWrite], budget: Budget) -> None:
        results: Iterable[proto.SubscribeResult] = ()
        try:
            results = await self.subscribe_bulk(
                server, tags, timeout=budget.left(), correlation_id=budget.correlation_id
            )
        except MxGatewayError as error:
            results = error.partial.results if error.partial is not None else ()
            raise
        finally:
            for tag, result in zip(tags, results, strict=False):
                if result.was_successful:
                    self._tag_cache.note_advised(tag, result.item_handle)
                else:
                    refused[tag] = tag_write(tag, result)

    def _give_back(self, lease: _WriteLease) -> None:
        """End a write; tags that stay idle are unadvised later."""
        self._tag_cache.give_back(lease.tags, asyncio.get_running_loop().time())
        self._sweep_soon()

    def _sweep_soon(self) -> None:
        cache = self._tag_cache
        if cache.lingers and (cache.sweeper is None or cache.sweeper.done()) and not self.closed:
            cache.sweeper = self.detached_calls.start(self._sweep())

    async def _sweep(self) -> None:
        """Unadvise idle tags, and remove items beyond the cache limit."""
        cache = self._tag_cache
        while cache.lingers:
            await asyncio.sleep(LINGER)
            with contextlib.suppress(MxGatewayError):
                async with cache.advising:
                    await self._release_idle()

    async def _release_idle(self) -> None:
        cache, now = self._tag_cache, asyncio.get_running_loop().time()
        server = cache.server_handle
        if cache.untidy and cache.is_unused(now):
            cache.forget_server(server)
            await self.unregister(server)  # asked once: unanswered, another registration may have its handle
            return
        try:
            if surplus := cache.surplus():
                handles = [cache.handles.get(tag) or 0 for tag in surplus]
                for tag in surplus:
                    cache.forget_tag(tag)
                await self.unsubscribe_bulk(server, handles)
            if idle := cache.idle(now):
                cache.advised.difference_update(idle)
                await self.unadvise_item_bulk(server, [cache.handles.get(tag) or 0 for tag in idle])
        except MxGatewayError:
            cache.untidy = True
            raise

    # -- writing

    async def _write_items(
        self, tags: list[str], messages: dict[str, proto.MxValue], confirm: bool, user_id: int, budget: Budget
    ) -> list[TagWrite]:
        if not tags:
            return []
        cache, server = self._tag_cache, self._tag_cache.server_handle
        handles = [cache.handles.get(tag) or 0 for tag in tags]
        values = [messages[tag] for tag in tags]
        waiting = Confirmations(self._writer, self._channel.gate)

        def entry(i: int) -> Message:
            return proto.WriteBulkEntry(item_handle=handles[i], value=values[i], user_id=user_id)

        try:
            make = partial(proto.WriteBulkCommand, server_handle=server)
            results = await self._send_writes(values, entry, make, budget, waiting.transmit if confirm else None)
            writes = [tag_write(tag, result) for tag, result in zip(tags, results, strict=True)]
            if confirm:
                await waiting.wait(budget.seconds_left(self._timeout(None)))
                writes = [_outcome(*both) for both in zip(writes, waiting.events(), strict=True)]
        except MxGatewayError as error:
            if (state := error.partial) is not None:
                done = tuple(tag_write(tag, result) for tag, result in zip(tags, state.results, strict=False))
                error.partial = PartialBulk(done, state.in_doubt, state.not_sent)
            raise
        finally:
            waiting.forget()
        for write in writes:
            if not write.ok:
                cache.types.pop(write.tag, None)
            if write.hresult == _E_INVALIDARG and not write.confirmed:  # someone else removed the item
                cache.forget_tag(write.tag)
        return writes


def _place(values: Mapping[str, MxValueInput], index: int) -> str:
    """Return the name in error texts of the value of one tag."""
    return f"values[{list(values)[index]!r:.100}]"


def _any_message(name: str, value: MxValueInput) -> proto.MxValue:
    """Return the message for a value in the first type that accepts it."""
    try:
        return to_mx_value(value, name=name)
    except MxGatewayInvalidRequestError:
        for data_type in DATA_TYPES:
            with contextlib.suppress(MxGatewayInvalidRequestError):
                return to_mx_value(value, data_type=proto.MxDataType[data_type], name=name)
        raise


def _outcome(write: TagWrite, event: proto.MxEvent | str | None) -> TagWrite:
    if event is None:
        return write
    return unconfirmed_write(write.tag, event) if isinstance(event, str) else completed_write(write.tag, event)
