"""MXAccess state in a worker: servers (registrations), their items, and the items' subscriptions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Protocol

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import Clock, Timer
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.statuses import MxAccessFailure
from mxgateway.simulator.mxaccess.values import DataType
from mxgateway.simulator.options import SimulatedUser
from mxgateway.simulator.plant.live_tags import Sample, Tag
from mxgateway.simulator.server.encoding import Encoding


class EventSink(Protocol):
    """Receives the items' events."""

    clock: Clock
    encoding: Encoding

    def data_changed(self, item: Item, sample: Sample) -> None:
        """Report a new value of an advised item."""

    def buffered_data_changed(self, item: Item, samples: list[Sample]) -> None:
        """Report the collected values of a buffered item."""


class Item:
    """One item handle.

    Args:
        server: The registration that owns it.
        handle: The item handle.
        definition: The reference as given by the client.
        tag: The tag of the reference; None for an unknown reference.
        index: The array element, counted from 1; None for the whole.
        sink: Receives the events.
        context: The start of a relative reference; empty for an absolute one.
    """

    answers_reads: ClassVar[bool] = True
    """Whether ReadBulk may answer with the item's last value."""

    def __init__(
        self,
        server: MxServer,
        handle: int,
        definition: str,
        tag: Tag | None,
        index: int | None,
        sink: EventSink,
        context: str = "",
    ) -> None:
        self.server = server
        self.handle = handle
        self.definition = definition
        self.context = context
        self.tag = tag
        self.index = index
        self.is_advised = False
        self.is_supervisory = False
        self.is_suspended = False
        self.last: Sample | None = None
        """The sample of the last OnDataChange."""
        self.encoded_handles = server.encoded_handle + sink.encoding.item_handle(handle)
        """The item's encoded handles, which every one of its events contains."""
        self._sink = sink
        self._timer: Timer | None = None

    def advise(self, *, supervisory: bool = False) -> None:
        """Subscribe; the current value is reported at once, unless the item is suspended.

        A second advise only changes the supervisory mark.
        """
        self.is_supervisory = self.is_supervisory or supervisory
        if not self.is_advised:
            self.is_advised = True
            if self.answers_reads:
                self.server.subscriptions.note(self)
            if not self.is_suspended:
                self._await_first_value()

    def unadvise(self) -> None:
        """End the subscription; no effect if there is none."""
        self.is_advised = self.is_supervisory = self.is_suspended = False
        self.last = None
        self.server.subscriptions.forget(self)
        self._disconnect()

    def suspend(self) -> None:
        """Keep the subscription but report nothing."""
        self.is_suspended = True
        self._disconnect()

    def activate(self) -> None:
        """Report again, starting with the current value."""
        self.is_suspended = False
        if self.is_advised:
            self._await_first_value()

    def rebind(self, tag: Tag | None, index: int | None) -> None:
        """Bind to what a deployment has made of the reference; no effect if that is the same tag.

        A subscription reports the first value of the new tag, or, if there is none, that the reference is unknown.
        """
        if tag is self.tag and index == self.index:
            return
        self.server.subscriptions.forget(self)
        self._disconnect()
        self.tag, self.index, self.last = tag, index, None
        if self.is_advised:
            if self.answers_reads:
                self.server.subscriptions.note(self)
            if not self.is_suspended:
                self._await_first_value()

    def deliver(self, sample: Sample) -> None:
        """Report one sample."""
        self.last = sample
        self._sink.data_changed(self, sample)

    def _await_first_value(self) -> None:
        wait = self.tag.attribute.response_time if self.tag is not None else 0.0
        if wait == 0.0:
            self._connect()
        elif wait != math.inf:
            self._timer = self._sink.clock.call_later(wait, self._connect)

    def _connect(self) -> None:
        if self.tag is None:
            self.deliver(unknown_reference(self._sink.clock))
            return
        self.tag.observe(self, self._changed)
        if not self.tag.is_silent:
            self._changed(self.tag.sample)

    def _disconnect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.tag is not None:
            self.tag.forget(self)

    def _changed(self, sample: Sample) -> None:
        self.deliver(sample.element(self.index))


class BufferedItem(Item):
    """An item that subscribes by itself and reports its values in batches, one per update interval."""

    # It has no OnDataChange, and its newest sample may still be in the next batch.
    answers_reads: ClassVar[bool] = False

    def __init__(
        self,
        server: MxServer,
        handle: int,
        definition: str,
        tag: Tag | None,
        index: int | None,
        sink: EventSink,
        context: str = "",
    ) -> None:
        super().__init__(server, handle, definition, tag, index, sink, context)
        self._samples: list[Sample] = []
        self._flush_timer: Timer | None = None

    def deliver(self, sample: Sample) -> None:
        """Keep one sample for the next batch."""
        self.last = sample
        self._samples.append(sample)
        if self._flush_timer is None:
            self._flush_timer = self._sink.clock.call_later(self.server.buffered_update_interval, self._flush)

    def rebind(self, tag: Tag | None, index: int | None) -> None:
        """Bind to what a deployment has made of the reference; samples of the old tag are reported before."""
        if tag is not None and tag.attribute.is_array and index is None:
            tag = None  # a whole array cannot be buffered
        if tag is not self.tag or index != self.index:
            self._stop_collecting()
            self._report()
        super().rebind(tag, index)

    def unadvise(self) -> None:
        """End the subscription and drop the collected samples."""
        super().unadvise()
        self._samples.clear()
        self._stop_collecting()

    def _stop_collecting(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None

    def _flush(self) -> None:
        self._flush_timer = None
        self._report()

    def _report(self) -> None:
        samples, self._samples = self._samples, []
        if samples:
            self._sink.buffered_data_changed(self, samples)


class MxServer:
    """One server handle: a client's registration.

    Args:
        handle: The server handle.
        client_name: The client's name in Register.
        buffered_update_interval: Seconds between two batches of a buffered item.
        subscriptions: The session's advised items, also of its other registrations.
        encoding: How events are encoded.
    """

    def __init__(
        self,
        handle: int,
        client_name: str,
        buffered_update_interval: float,
        subscriptions: Subscriptions,
        encoding: Encoding,
    ) -> None:
        self.handle = handle
        self.client_name = client_name
        self.buffered_update_interval = buffered_update_interval
        self.subscriptions = subscriptions
        self.items: dict[int, Item] = {}
        self.encoded_handle = encoding.encode(mx.MxEvent(server_handle=handle))
        """The encoded server handle."""
        self._users: dict[SimulatedUser, int] = {}

    def item(self, handle: int) -> Item:
        """Return the item with a handle.

        Raises:
            MxAccessFailure: The handle is unknown.
        """
        try:
            return self.items[handle]
        except KeyError:
            raise MxAccessFailure from None

    def remove(self, handle: int) -> None:
        """Unadvise and drop the item with a handle.

        Raises:
            MxAccessFailure: The handle is unknown.
        """
        self.item(handle).unadvise()
        del self.items[handle]

    def remove_all(self) -> None:
        """Unadvise and drop every item."""
        for handle in list(self.items):
            self.remove(handle)

    def admit(self, user: SimulatedUser, new_id: Callable[[], int]) -> int:
        """Return the user's id for this server handle.

        Args:
            user: The user.
            new_id: Returns an id above 0 that no other server handle of the session uses.
        """
        if user not in self._users:
            self._users[user] = new_id()
        return self._users[user]

    def knows(self, user_id: int) -> bool:
        """Return whether a user id belongs to this server handle."""
        return user_id in self._users.values()


class Subscriptions:
    """The advised items of a session, by tag and element."""

    def __init__(self) -> None:
        self._items: dict[tuple[Tag, int | None], dict[Item, None]] = {}

    def note(self, item: Item) -> None:
        """Add an advised item."""
        if item.tag is not None:
            self._items.setdefault((item.tag, item.index), {})[item] = None

    def forget(self, item: Item) -> None:
        """Remove an item that is no longer advised; no effect if it is not listed."""
        if item.tag is not None and (same := self._items.get((item.tag, item.index))) is not None:
            same.pop(item, None)
            if not same:
                del self._items[item.tag, item.index]

    def answer(self, tag: Tag, index: int | None) -> Item | None:
        """Return the item of a tag whose last OnDataChange answers a read; None if none has reported a value.

        A suspended item answers only if no other does: it may have missed values that the others reported.
        """
        suspended = None
        for item in self._items.get((tag, index), ()):
            if item.last is not None:
                if not item.is_suspended:
                    return item
                suspended = item
        return suspended


def unknown_reference(clock: Clock) -> Sample:
    """Return the sample of an item with an unknown reference."""
    return Sample(DataType.INTEGER, None, statuses.BAD, clock.now_ns(), statuses.UNKNOWN_REFERENCE)
