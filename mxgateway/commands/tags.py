"""The session's methods for tags by name: reads that just read, and writes that are known to have happened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from mxgateway import proto
from mxgateway.calling.arguments import check_int32, check_list, check_mapping, check_text, check_uint32
from mxgateway.calling.replies import hide_secrets
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.bulk.chunks import for_each, text_weight, write_weight
from mxgateway.commands.bulk.methods import BulkCommands
from mxgateway.commands.bulk.reading import Read, text_weights
from mxgateway.commands.hiding import hides_refused_values
from mxgateway.commands.item_cache import LINGER
from mxgateway.commands.items import ItemCommands
from mxgateway.errors import MxGatewayError, MxGatewayInvalidRequestError, PartialBulk
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import Gate
from mxgateway.events.writes.book import written_items
from mxgateway.events.writes.item_writes import Completion, Item, forget
from mxgateway.transport.calls.method import Progress
from mxgateway.values import MxValueInput, to_mx_value
from mxgateway.values.rules import DATA_TYPES
from mxgateway.values.tag_values import TagValue, TagWrite, completed_write, tag_value, tag_write, unconfirmed_write
from mxgateway.wire.messages.betterproto_seam import Message

log = logger("mxgateway.session")

OWN_CLIENT_NAME: Final = "mxgateway"
"""As what a session registers for the tags that it reads and writes by name."""

HANDLES: Final = 8
"""How often an item is added anew because its handle was that of an item whose writes may still be completed."""

_E_INVALIDARG: Final = 0x80070057 - 2**32
"""What MXAccess says of a handle that it does not know, and of an item that is not advised."""


class _Use(NamedTuple):
    """Tags whose items are advised as long as somebody writes them, and those of which no item could be had."""

    tags: list[str]
    refused: dict[str, TagWrite]


class TagCommands(BulkCommands, ItemCommands):
    """Tags by name, in a registration of the session's own, which is made on first use."""

    async def read(
        self, tags: Iterable[str], *, timeout_ms: int = 0, timeout: float | None = None, correlation_id: str = ""
    ) -> list[TagValue]:
        """Read tags, in order, each with its own outcome: one bad tag never fails the others.

        Args:
            tags: ``Object.Attribute``, any number of them.
            timeout_ms: How long the gateway waits for a tag's first value, in milliseconds; 0 takes the worker's default.
            timeout: Bound in seconds of all calls together.
            correlation_id: For the gateway's log.
        """
        timeout_ms = check_uint32("timeout_ms", timeout_ms)
        names = check_list("tags", tags)
        weights = await text_weights("tags", names)
        budget = Budget(self._bound(timeout) if timeout is not None else None, self._site, correlation_id)
        pieces = self._parts(weights, lambda i: f"tags[{i}]", budget.correlation_id)
        read = Read(await self._own_server(budget), names, pieces, timeout_ms, budget)
        return await self._read_in_parts(read, self._tag_value)

    def _tag_value(self, tag: str, result: proto.BulkReadResult) -> TagValue:
        value = tag_value(tag, result)
        self._book.note_type(tag, value.data_type)
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

        A plain Python value is sent as the tag's last known type; a tag that was not read before is read for it. The tags are advised for the time of
        writing, and the session's event stream stays open from the first such write on, as after `write_confirmed`.

        Args:
            values: The new value of each tag.
            confirm: Wait until MXAccess has carried out each write, and report its OnWriteComplete.
            user_id: Of the MXAccess user who writes.
            data_type: The MXAccess type to send all values as, instead of the tags' own.
            timeout: Bound in seconds of all calls and confirmations together.
            correlation_id: For the gateway's log.

        Raises:
            MxGatewayInvalidRequestError: A value does not fit its tag's type; nothing was written.
            MxGatewayError: A call failed; `partial` tells what became of every tag, in `TagWrite` as far as there are results.
        """
        given = {check_text("a tag in values", tag): value for tag, value in check_mapping("values", values).items()}
        check_int32("user_id", user_id)
        budget = Budget(self._bound(timeout) if timeout is not None else None, self._site, correlation_id)
        weights = await for_each(given, lambda _, tag: text_weight(tag))
        self._parts(
            weights, lambda i: f"the tag of {_place(given, i)}", budget.correlation_id
        )  # refuses what is too large
        messages = await self._typed(given, data_type, budget)
        await self._keep_stream_open(confirm=confirm)
        use = await self._used(list(given), budget)
        try:
            written = await self._write_items(use.tags, messages, confirm, user_id, budget)
        finally:
            self._give_back(use)
        outcomes = use.refused | {write.tag: write for write in written}
        return [outcomes[tag] for tag in given]

    # -- types

    async def _typed(
        self, values: Mapping[str, MxValueInput], data_type: proto.MxDataType | None, budget: Budget
    ) -> dict[str, proto.MxValue]:
        """Return the message for each tag, in the tag's own type where no other is asked for."""
        book = self._book
        if data_type is None:
            plain = [tag for tag, value in values.items() if not isinstance(value, Message | None)]
            if unknown := [tag for tag in plain if book.types.get(tag) is None]:
                await self._check_values(values, budget.correlation_id)
                await self.read(unknown, timeout=budget.left(), correlation_id=budget.correlation_id)

        def message(tag: str, value: MxValueInput) -> proto.MxValue:
            known = data_type
            if known is None and not isinstance(value, Message | None):
                last = book.types.get(tag)
                known = last if last is not None and last.name in DATA_TYPES else None
            return to_mx_value(value, data_type=known, name=f"values[{tag!r:.100}]")

        made = await for_each(values.items(), lambda _, pair: message(*pair))
        await self._check_sizes(values, made, budget.correlation_id)
        return dict(zip(values, made, strict=True))

    async def _check_values(self, values: Mapping[str, MxValueInput], correlation_id: str) -> None:
        """Refuse what could be written to no tag, before the tags are asked for their types."""
        made = await for_each(values.items(), lambda _, pair: _any_message(f"values[{pair[0]!r:.100}]", pair[1]))
        await self._check_sizes(values, made, correlation_id)

    async def _check_sizes(
        self, values: Mapping[str, MxValueInput], messages: list[proto.MxValue], correlation_id: str
    ) -> None:
        weights = await for_each(messages, lambda _, message: write_weight(message))
        self._parts(weights, lambda i: _place(values, i), correlation_id)

    # -- items

    async def _own_server(self, budget: Budget) -> int:
        """Return the server handle of the session's own registration."""
        book = self._book
        async with book.registering:
            if not book.server_handle:
                book.server_handle = await self.register(
                    OWN_CLIENT_NAME, timeout=budget.left(), correlation_id=budget.correlation_id
                )
            return book.server_handle

    async def _keep_stream_open(self, *, confirm: bool) -> None:
        """Let completions and first values be read: they would fill up the session's queue at the gateway, which then faults the session.

        In a session of somebody else that is up to its owner: the gateway has one event stream for each session.
        """
        if confirm or self._owned:
            await self._pump.until_live()

    async def _used(self, tags: list[str], budget: Budget) -> _Use:
        """Have an advised item for each tag, as far as MXAccess gives one.

        That goes on when the caller is cancelled: only the replies tell what has to be let go of.
        """
        try:
            return await self._channel.unattended.run(
                lambda: self._use(tags, budget), Progress(sent=True), orphaned=self._give_back
            )
        except MxGatewayError as error:
            error.partial = PartialBulk((), range(0), range(len(tags)))  # nothing was written
            raise

    async def _use(self, tags: list[str], budget: Budget) -> _Use:
        book = self._book
        server = await self._own_server(budget)
        async with book.advising:
            refused: dict[str, TagWrite] = {}
            in_doubt: list[int] = []
            try:
                for _ in range(HANDLES):
                    in_doubt += self._forget_items_in_doubt(server, tags)
                    if idle := [tag for tag in tags if book.handles.get(tag) is not None and tag not in book.advised]:
                        await self._advise_again(server, idle, budget)
                    new = [tag for tag in tags if book.handles.get(tag) is None and tag not in refused]
                    if not new:
                        break
                    await self._subscribe(server, new, refused, budget)
                if in_doubt:  # not before the new ones are there, so that those have other handles
                    await self.unsubscribe_bulk(server, in_doubt, timeout=budget.left())
            except BaseException:
                self._sweep_soon()
                raise
            usable = [tag for tag in tags if tag not in refused]
            book.take(usable)
            return _Use(usable, refused)

    def _forget_items_in_doubt(self, server: int, tags: list[str]) -> list[int]:
        """Forget the items that could confirm nothing, because an earlier write of theirs is in doubt; return their handles."""
        book, handles = self._book, []
        for tag in tags:
            handle = book.handles.get(tag)
            if handle is not None and self._writes.is_in_doubt(Item(server, handle)):
                handles.append(handle)
                book.forget_tag(tag)
        return handles

    async def _advise_again(self, server: int, tags: list[str], budget: Budget) -> None:
        """Advise items that are kept; one that the gateway does not know any more is forgotten."""
        handles = [self._book.handles.get(tag) or 0 for tag in tags]
        results = await self.advise_item_bulk(
            server, handles, timeout=budget.left(), correlation_id=budget.correlation_id
        )
        for tag, handle, result in zip(tags, handles, results, strict=True):
            if result.was_successful:
                self._book.note_advised(tag, handle)
            else:
                self._book.forget_tag(tag)

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
                    self._book.note_advised(tag, result.item_handle)
                else:
                    refused[tag] = tag_write(tag, result)

    def _give_back(self, use: _Use) -> None:
        """Let the tags be unadvised when nobody writes them for a while."""
        self._book.give_back(use.tags, asyncio.get_running_loop().time())
        self._sweep_soon()

    def _sweep_soon(self) -> None:
        book = self._book
        if book.lingers and (book.sweeper is None or book.sweeper.done()) and not self.closed:
            book.sweeper = self._channel.unattended.start(self._sweep())

    async def _sweep(self) -> None:
        """Unadvise what nobody writes any more, and remove what is too much to be kept."""
        book = self._book
        with contextlib.suppress(MxGatewayError):  # the next write of a tag advises it again
            while book.lingers:
                await asyncio.sleep(LINGER)
                async with book.advising:
                    await self._let_go()

    async def _let_go(self) -> None:
        book = self._book
        server = book.server_handle
        if surplus := book.surplus():
            handles = [book.handles.get(tag) or 0 for tag in surplus]
            for tag in surplus:
                book.forget_tag(tag)
            await self.unsubscribe_bulk(server, handles)
        if idle := book.idle(asyncio.get_running_loop().time()):
            book.advised.difference_update(idle)
            await self.unadvise_item_bulk(server, [book.handles.get(tag) or 0 for tag in idle])

    # -- writing

    async def _write_items(
        self, tags: list[str], messages: dict[str, proto.MxValue], confirm: bool, user_id: int, budget: Budget
    ) -> list[TagWrite]:
        if not tags:
            return []
        book, server = self._book, self._book.server_handle
        handles = [book.handles.get(tag) or 0 for tag in tags]
        values = [messages[tag] for tag in tags]
        completions: list[Completion | None] = []

        def build(part: range) -> Message:
            entries = [proto.WriteBulkEntry(item_handle=handles[i], value=values[i], user_id=user_id) for i in part]
            return proto.WriteBulkCommand(server_handle=server, entries=entries)

        async def transmit(
            request: proto.MxCommandRequest, timeout: float | None, progress: Progress
        ) -> proto.MxCommandReply:
            items = written_items(request.command)
            reply, sent = await self._writer.write_to_confirm(items, request, timeout, progress)
            completions.extend(sent)
            return reply

        try:
            results = await self._write_in_parts(
                values, build, budget.left(), budget.correlation_id, transmit if confirm else None
            )
            writes = [tag_write(tag, result) for tag, result in zip(tags, results, strict=True)]
            if confirm:
                writes = await self._confirmed(writes, completions, budget)
        except MxGatewayError as error:
            if (partial := error.partial) is not None:
                done = tuple(tag_write(tag, result) for tag, result in zip(tags, partial.results, strict=False))
                error.partial = PartialBulk(done, partial.in_doubt, partial.not_sent)
            raise
        finally:
            forget(completions)
        for write in writes:
            if not write.ok:
                book.types.pop(write.tag, None)
            if write.hresult == _E_INVALIDARG and not write.confirmed:  # somebody else has removed the item
                book.forget_tag(write.tag)
        return writes

    async def _confirmed(
        self, writes: list[TagWrite], completions: list[Completion | None], budget: Budget
    ) -> list[TagWrite]:
        """Wait for the completions of the writes that were accepted, and return what they say."""
        waiting = [each for each in completions if each is not None]
        seconds = budget.seconds_left(self._bound(None))
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)
        return [
            write if each is None else _outcome(write.tag, each, self._channel.gate)
            for write, each in zip(writes, completions, strict=True)
        ]


def _place(values: Mapping[str, MxValueInput], index: int) -> str:
    """Return what messages call the value of one tag."""
    return f"values[{list(values)[index]!r:.100}]"


def _any_message(name: str, value: MxValueInput) -> proto.MxValue:
    """Return the message of a value in the first type that takes it."""
    try:
        return to_mx_value(value, name=name)
    except MxGatewayInvalidRequestError:
        for data_type in DATA_TYPES:
            with contextlib.suppress(MxGatewayInvalidRequestError):
                return to_mx_value(value, data_type=proto.MxDataType[data_type], name=name)
        raise


def _outcome(tag: str, completion: Completion, gate: Gate) -> TagWrite:
    if not completion.done():
        return unconfirmed_write(tag, "accepted, but not confirmed in time: the write may still be carried out")
    if (error := completion.exception()) is not None:
        return unconfirmed_write(tag, f"accepted, but its completion was not seen: {error}")
    event = completion.result()
    hide_secrets(event, gate)
    return completed_write(tag, event)
