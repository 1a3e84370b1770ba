"""What a test lets go wrong with the events of one session: numbers that no event has, events that come twice, or not, or as nonsense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.server.encoding import Encoding

UNREADABLE: Final = b"\x0a\xff\xff\xff\xff\x0f"
"""A message that nobody can decode: its first field claims to be longer than the whole."""


@dataclass(slots=True)
class _Order:
    """What is to become of the next events of a family."""

    family: mx.MxEventFamily | None
    becomes: Callable[[bytes], list[bytes]]
    left: int
    loses: bool = True
    """Whether nobody gets the event as it was."""


class EventFaults:
    """The faults of one session's events, ``gateway.sessions[session_id].events.faults``.

    Each order holds for the next events that are published, of one family or of any. Orders of which several fit one event are carried out
    one after another, the oldest first.

    Args:
        add: Queues an encoded event that gets no number.
        skip: Uses up so many numbers and returns them.
        encoding: How events are encoded.
    """

    def __init__(self, add: Callable[[bytes], None], skip: Callable[[int], range], encoding: Encoding) -> None:
        self._encode = encoding.encode
        self._add = add
        self._skip = skip
        self._orders: list[_Order] = []
        self.missing: set[int] = set()
        """The numbers that no event has for anybody: skipped, lost or spoiled."""

    @property
    def are_due(self) -> bool:
        """Whether something was ordered for an event to come."""
        return bool(self._orders)

    def skip(self, count: int = 1) -> None:
        """Give numbers to no event: the next one comes behind a jump."""
        self.missing.update(self._skip(count))

    def lose_next(self, count: int = 1, *, family: mx.MxEventFamily | None = None) -> None:
        """Give the next events their numbers, and lose them: nobody gets them, also not by resuming.

        Args:
            count: How many.
            family: Events of this family only; None for any.
        """
        self._order(family, lambda data: [], count)

    def repeat_next(self, count: int = 1, *, family: mx.MxEventFamily | None = None) -> None:
        """Send the next events twice, with the same number, the second one right behind the first.

        Args:
            count: How many.
            family: Events of this family only; None for any.
        """
        self._order(family, lambda data: [data, data], count, loses=False)

    def spoil_next(
        self, count: int = 1, *, family: mx.MxEventFamily | None = None, becomes: bytes = UNREADABLE
    ) -> None:
        """Send other bytes instead of the next events, which keep their numbers; a reader that resumes gets these bytes again.

        Args:
            count: How many.
            family: Events of this family only; None for any.
            becomes: The bytes; by default no message that can be decoded.
        """
        self._order(family, lambda data: [becomes], count)

    def inject(self, event: mx.MxEvent | bytes) -> None:
        """Send an event as it is, with the number that it carries, behind those that wait; a reader that resumes does not get it.

        Args:
            event: The event, such as one with a number that is nonsense or a `replay_gap` that is, or the bytes of one.
        """
        self._add(event if isinstance(event, bytes) else self._encode(event))

    def clear(self) -> None:
        """Forget what was ordered."""
        self._orders.clear()

    def copies(self, sequence: int, family: mx.MxEventFamily, data: bytes) -> list[bytes]:
        """Return what is sent for an event: nothing, the event, or something else, as often as it is sent."""
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
