"""A simulated worker: the MXAccess state of one session, and its events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from grpclib import GRPCError

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import Clock, timestamp
from mxgateway.simulator.history import ExecutedWrite, History, PublishedEvent
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.apartment import Apartment, Outcome
from mxgateway.simulator.mxaccess.events import EventParts
from mxgateway.simulator.mxaccess.items import Item, MxServer, Subscriptions
from mxgateway.simulator.mxaccess.session_parts import WorkerSession
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure
from mxgateway.simulator.mxaccess.values import to_array
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.live_tags import LivePlant, Sample, Tag
from mxgateway.simulator.server.keys import AccessDenied, SimulatedKey
from mxgateway.simulator.switches import Switches
from mxgateway.wire.garbage_collection import collector_held

WORKER_VERSION: Final = "1.0.0-simulated"
MXACCESS_VERSION: Final = "20.1.000-simulated"


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its context."""

    arm: str
    """The command's name in snake case, such as ``add_item``."""
    payload: Any = field(repr=False)
    """The command's own message, which may contain a password."""
    key: SimulatedKey
    """The caller's key."""


Handler = Callable[["Worker", Command], "Outcome | Awaitable[Outcome]"]

# Writes accepted within this time share one timer: a bulk has thousands of them.
_TOGETHER_NS: Final = 1_000_000
# Completions per reading of the clock, which is finer than a Windows machine's.
_SAME_MOMENT: Final = 64


class Completion(NamedTuple):
    """The outcome of an accepted write."""

    status: mx.MxStatusProxy
    hresult: int = statuses.S_OK
    sample: Sample | None = None
    """The tag's new value; None if the write changes nothing."""


ExecuteWrite = Callable[[], Completion]
"""Executes a write when it is due and returns its outcome."""


@dataclass(slots=True)
class _Batch:
    """Writes that are due together."""

    opened_ns: int
    count: int = 0


class Worker:
    """The worker of one session.

    Args:
        session: The session, which receives the events.
        plant: The live plant.
        alarms: The plant's alarms.
        switches: The switches set by a test.
        options: Limits and times.
        process_id: The process id that the worker reports.
    """

    def __init__(
        self,
        session: WorkerSession,
        plant: LivePlant,
        alarms: AlarmSystem,
        switches: Switches,
        options: SimulatorOptions,
        process_id: int,
    ) -> None:
        self.session = session
        self.plant = plant
        self.alarms = alarms
        self.options = options
        self.clock: Clock = plant.clock
        self.encoding = plant.encoding
        self.process_id = process_id
        self.started_at = self.clock.now()
        self.servers: dict[int, MxServer] = {}
        self._switches = switches
        self._last_handle = 0
        self._again: deque[int] = deque()
        self.subscriptions = Subscriptions()
        self._writes: deque[tuple[Item, mx.MxValue, ExecuteWrite]] = deque()
        self._writes_due = 0
        self._batch: _Batch | None = None
        self._moment: int | None = None
        self.apartment = Apartment(
            f"Session {session.session_id}", switches.command_gate, options.pending_command_limit
        )

    def submit(self, handler: Handler, command: Command) -> asyncio.Future[Outcome]:
        """Queue a command and return a future for its outcome.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED if too many commands are pending.
        """
        return self.apartment.submit(partial(handler, self, command))

    def stop(self, reason: GRPCError) -> None:
        """End the worker: pending commands fail with `reason`, every item is dropped."""
        self.alarms.unsubscribe(self.session)
        for server in self.servers.values():
            server.remove_all()
        self.servers.clear()
        self._writes.clear()
        self.apartment.stop(reason)

    # Handles

    def next_handle(self) -> int:
        """Return an unused handle: servers and items share one counter, so that a mix-up shows.

        After `give_again` it returns that handle.
        """
        if self._again:
            return self._again.popleft()
        self._last_handle += 1
        return self._last_handle

    def give_again(self, handle: int) -> None:
        """Let the next item or registration get a handle that was already used."""
        self._again.append(handle)

    def server(self, handle: int) -> MxServer:
        """Return the registration with a handle.

        Raises:
            MxAccessFailure: The handle is unknown.
        """
        try:
            return self.servers[handle]
        except KeyError:
            raise MxAccessFailure from None

    def item(self, server_handle: int, item_handle: int) -> Item:
        """Return the item with these handles.

        Raises:
            MxAccessFailure: One of them is unknown.
        """
        return self.server(server_handle).item(item_handle)

    def add_item(
        self, key: SimulatedKey, server_handle: int, definition: str, context: str = "", kind: type[Item] = Item
    ) -> Item:
        """Add an item to a registration; an unknown reference also gets a handle.

        Raises:
            MxAccessFailure: The server handle is unknown, or the reference is empty.
            AccessDenied: The API key may not read the tag.
        """
        server = self.server(server_handle)
        if not definition.strip():
            raise MxAccessFailure
        tag, index = self.plant.find(definition, context) or (None, None)
        self.check_read(key, tag)
        item = kind(server, self.next_handle(), definition, tag, index, self, context)
        server.items[item.handle] = item
        return item

    def rebind_items(self) -> None:
        """Bind every item to what a deployment has made of its reference."""
        for server in self.servers.values():
            for item in list(server.items.values()):
                item.rebind(*(self.plant.find(item.definition, item.context) or (None, None)))

    def check_read(self, key: SimulatedKey, tag: Tag | None) -> None:
        """Raise unless the key may read the tag.

        Raises:
            AccessDenied: The key may not read it.
        """
        if tag is not None and not key.may_read(self.plant.plant, tag.object, tag.attribute):
            raise AccessDenied(f"API key may not read '{tag.reference}'.")

    def check_write(self, key: SimulatedKey, tag: Tag | None) -> None:
        """Raise unless the key may write the tag.

        Raises:
            AccessDenied: The key may not write it.
        """
        if tag is not None and not key.may_write(self.plant.plant, tag.object, tag.attribute):
            raise AccessDenied(f"API key may not write '{tag.reference}'.")

    # Writes

    def accept_write(self, item: Item, value: mx.MxValue, execute: ExecuteWrite) -> None:
        """Queue an accepted write. Each write gets one OnWriteComplete, in order.

        Args:
            item: The written item.
            value: The written value.
            execute: Executes the write when it is due.
        """
        self._writes.append((item, value, execute))
        batch, write_time = self._batch, self.options.write_time
        if batch is None or (write_time and self.clock.now_ns() - batch.opened_ns >= _TOGETHER_NS):
            batch = self._batch = _Batch(self.clock.now_ns())
            if write_time:
                self.clock.call_later(write_time, partial(self._on_writes_due, batch))
            else:
                asyncio.get_running_loop().call_soon(self._on_writes_due, batch)
        batch.count += 1

    def release_writes(self) -> None:
        """Complete the held writes."""
        due, self._writes_due = self._writes_due, 0
        self._complete_writes(due)

    def _on_writes_due(self, batch: _Batch) -> None:
        if self._batch is batch:
            self._batch = None
        if self._switches.write_gate.is_open:
            self._complete_writes(batch.count)
        else:
            self._writes_due += batch.count

    def _complete_writes(self, count: int) -> None:
        try:
            with collector_held():
                for place in range(min(count, len(self._writes))):
                    if not self._writes:
                        return
                    if place % _SAME_MOMENT == 0:
                        self._moment = self.clock.now_ns()
                    self._complete_write()
        finally:
            self._moment = None

    def _complete_write(self) -> None:
        item, value, execute = self._writes.popleft()
        completion = execute()
        encoding = self.encoding
        body, status = encoding.write_complete(completion.hresult), encoding.status(completion.status)
        self._publish(item, mx.MxEventFamily.ON_WRITE_COMPLETE, body, status)
        if (history := self._switches.history) is not None:
            self._note_write(history, item, value, completion)
        if item.tag is not None and completion.sample is not None:
            item.tag.publish(completion.sample)

    def _note_write(self, history: History, item: Item, value: mx.MxValue, completion: Completion) -> None:
        session, handles = self.session, (item.server.handle, item.handle)
        succeeded = completion.sample is not None
        sequence = session.events.last_sequence
        history.writes.append(ExecutedWrite(session.session_id, item.definition, *handles, value, succeeded, sequence))

    # Events

    def data_changed(self, item: Item, sample: Sample) -> None:
        """Report a new value of an advised item."""
        self._publish(item, mx.MxEventFamily.ON_DATA_CHANGE, self.encoding.data_change, sample.encoded(self.encoding))

    def buffered_data_changed(self, item: Item, samples: list[Sample]) -> None:
        """Report the collected values of a buffered item; a sample without a value contributes only its quality."""
        data_type = samples[-1].data_type
        default = data_type.traits.default
        natives = [default if sample.native is None else sample.native for sample in samples]
        body = mx.OnBufferedDataChangeEvent(
            data_type=data_type.traits.mx_type,
            values=to_array(data_type, natives),
            qualities=[sample.quality for sample in samples],
            timestamps=[timestamp(sample.time_ns) for sample in samples],
        )
        last = mx.MxEvent(
            quality=samples[-1].quality,
            source_timestamp=samples[-1].timestamp,
            statuses=[samples[-1].status],
        )
        family, encode = mx.MxEventFamily.ON_BUFFERED_DATA_CHANGE, self.encoding.encode
        self._publish(item, family, encode(mx.MxEvent(on_buffered_data_change=body)), encode(last))

    def operation_complete(self, item: Item) -> None:
        """Report that a suspend or an activate is done."""
        self._publish(
            item,
            mx.MxEventFamily.OPERATION_COMPLETE,
            self.encoding.operation_complete,
            self.encoding.status(statuses.OK),
        )

    def _publish(self, item: Item, family: mx.MxEventFamily, body: bytes, value: bytes) -> None:
        session = self.session
        before = session.events.last_sequence
        session.publish(EventParts(family, body, item.encoded_handles, value, self._moment))
        if (history := self._switches.history) is not None and session.events.last_sequence > before:
            handles = item.server.handle, item.handle
            event = PublishedEvent(before + 1, family, item.definition, *handles)
            history.note_event(session.session_id, event)
