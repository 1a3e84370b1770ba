"""Faults that a test injects into one session's events: skipped, lost, repeated or corrupted events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.server.encoding import Encoding

UNREADABLE: Final = b"\x0a\xff\xff\xff\xff\x0f"
"""A message that cannot be decoded: its first field is longer than the message."""


@dataclass(slots=True)
class _Order:
    """A fault ordered for the next events of a family."""

    family: mx.MxEventFamily | None
    becomes: Callable[[bytes], list[bytes]]
    left: int
    loses: bool = True
    """Whether the original event is never delivered."""


class EventFaults:
    """The faults of one session's events: ``gateway.sessions[session_id].events.faults``.

    Each order applies to the next published events, of one family or of any. If several orders fit an event, they are
    applied one after another, the oldest first.

    Args:
        add: Queues an encoded event without a number.
        skip: Consumes sequence numbers and returns them.
        encoding: How events are encoded.
    """

    def __init__(self, add: Callable[[bytes], None], skip: Callable[[int], range], encoding: Encoding) -> None:
        self._encode, self._decode = encoding.encode, encoding.decode
        self._add = add
        self._skip = skip
        self._orders: list[_Order] = []
        self.missing: set[int] = set()
        """The sequence numbers that nobody receives an intact event for: skipped, lost or spoiled."""

    @property
    def are_due(self) -> bool:
        """Whether an order is pending."""
        return bool(self._orders)

    def skip(self, count: int = 1) -> None:
        """Skip sequence numbers, so that the next event follows a gap."""
        self.missing.update(self._skip(count))

    def lose_next(self, count: int = 1, *, family: mx.MxEventFamily | None = None) -> None:
        """Number the next events and lose them: nobody receives them, not even by resuming.

        Args:
            count: How many.
            family: Events of this family only; None for any.
        """
        self._order(family, lambda data: [], count)

    def repeat_next(self, count: int = 1, *, family: mx.MxEventFamily | None = None) -> None:
        """Send the next events twice, with the same number and directly after each other.

        Args:
            count: How many.
            family: Events of this family only; None for any.
        """
        self._order(family, lambda data: [data, data], count, loses=False)

    def spoil_next(
        self, count: int = 1, *, family: mx.MxEventFamily | None = None, becomes: bytes = UNREADABLE
    ) -> None:
        """Replace the bytes of the next events, which keep their numbers; a resuming reader gets the same bytes.

        Args:
            count: How many.
            family: Events of this family only; None for any.
            becomes: The bytes; by default a message that cannot be decoded.
        """
        self._order(family, lambda data: [becomes], count)

    def renumber_next(self, by: int, count: int = 1, *, family: mx.MxEventFamily | None = None) -> None:
        """Give the next events other numbers than theirs.

        Args:
            by: How far from their own; a negative number makes the sequence decrease.
            count: How many.
            family: Events of this family only; None for any.
        """

        def renumbered(data: bytes) -> list[bytes]:
            event = self._decode(mx.MxEvent, data)
            event.worker_sequence = max(event.worker_sequence + by, 0)
            return [self._encode(event)]

        self._order(family, renumbered, count)

    def inject(self, event: mx.MxEvent | bytes) -> None:
        """Queue an event with the number that it carries; a resuming reader does not get it.

        Args:
            event: The event or its bytes, for example with an invalid number or `replay_gap`.
        """
        self._add(event if isinstance(event, bytes) else self._encode(event))

    def clear(self) -> None:
        """Clear all orders."""
        self._orders.clear()

    def copies(self, sequence: int, family: mx.MxEventFamily, data: bytes) -> list[bytes]:
        """Return what to send for an event: nothing, the event or something else, once or several times."""
        for order in self._orders:
            if order.family in (None, family):
                order.left -= 1
                if order.left <= 0:
                    self._orders.remove(order)
                if order.loses:
                    self.missing.add(sequence)
                return order.becomes(data)
        return [data]

    def _order(
        self,
        family: mx.MxEventFamily | None,
        becomes: Callable[[bytes], list[bytes]],
        count: int,
        *,
        loses: bool = True,
    ) -> None:
        self._orders.append(_Order(family, becomes, count, loses))
