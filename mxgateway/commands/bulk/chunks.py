"""How a bulk call of any length becomes calls that the gateway accepts: in order, by number of entries and by bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values.write_values import WriteValue, value_weight
from mxgateway.wire.collector import collector_held

T = TypeVar("T")
R = TypeVar("R")

PART_LIMIT: Final = 1_000
"""Entries of one call. The gateway's worker carries out one command after another: longer ones would hold up everybody else's."""

_FRAME_BYTES: Final = 64
"""More than what a request has besides its entries and its ids: kind, server handle, time-out, tags and lengths."""
_ENTRY_BYTES: Final = 128
"""More than what an entry has besides its text or value: handles, users, time, tags and lengths of its fields."""


async def for_each(values: Iterable[T], act: Callable[[int, T], R]) -> list[R]:
    """Return what `act` makes of each value and its index, and let others have their turn after each thousand."""
    made: list[R] = []
    numbered = enumerate(values)
    while part := list(islice(numbered, PART_LIMIT)):
        if made:
            await asyncio.sleep(0)
        with collector_held():
            made += [act(index, value) for index, value in part]
    return made


def frame_weight(*ids: str) -> int:
    """Return the most bytes that a request takes besides its entries, with these ids in it."""
    return _FRAME_BYTES + sum(_size(text) for text in ids)


def parts(weights: Sequence[int], limit: int, frame: int, place: Callable[[int], str]) -> list[range]:
    """Return the parts in which entries are sent, as ranges of their indexes.

    Args:
        weights: The most bytes that each entry takes.
        limit: The message limit in bytes.
        frame: The most bytes that a message takes besides its entries.
        place: What messages call the entry at an index.

    Raises:
        MxGatewayInvalidRequestError: One entry alone exceeds the limit.
    """
    room = limit - frame
    for index, weight in enumerate(weights):
        if weight > room:
            raise MxGatewayInvalidRequestError(
                f"{place(index)} takes {weight} bytes, but one message holds {limit}, {frame} of them for other things",
                hint="the gateway's limit is 16 MiB each way (max_send_bytes here); nothing was sent",
                phase="request",
            )
    return list(_cut(weights, room))


def _cut(weights: Sequence[int], room: int) -> Iterator[range]:
    begin = used = 0
    for index, weight in enumerate(weights):
        if index - begin == PART_LIMIT or used + weight > room:
            yield range(begin, index)
            begin, used = index, 0
        used += weight
    yield range(begin, len(weights))


class MadeAhead(Generic[R]):
    """Parts and what is made of each: of the next one while the gateway carries out the one before, which takes it longer.

    A context manager, and an iterator inside its block.

    Args:
        pieces: The parts.
        make: Makes something of a part; it is called once for each, in order.
    """

    def __init__(self, pieces: Iterable[range], make: Callable[[range], R]) -> None:
        self._pieces = deque(pieces)
        self._make = make
        self._made: list[R] = []
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Iterator[tuple[range, R]]:
        return self._pairs()

    def __exit__(self, *exc_info: object) -> None:
        self._cancel()

    def _pairs(self) -> Iterator[tuple[range, R]]:
        while self._pieces:
            self._make_next()
            pair = self._pieces.popleft(), self._made.pop()
            if self._pieces:
                self._timer = asyncio.get_running_loop().call_later(_UNTIL_SENT, self._make_next)
            yield pair
            del pair

    def _make_next(self) -> None:
        self._cancel()
        if not self._made:
            with collector_held():
                self._made.append(self._make(self._pieces[0]))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_UNTIL_SENT: Final = 0.005
"""Seconds after which a part has left, so that making the next one does not hold it up."""

HANDLE_WEIGHT: Final = 16
"""More than what an entry of one handle takes."""


def text_weight(text: str) -> int:
    """Return the most bytes that an entry with this text takes."""
    return _ENTRY_BYTES + _size(text)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def write_weight(value: WriteValue) -> int:
    """Return the most bytes that an entry with this value takes."""
    return _ENTRY_BYTES + value_weight(value)
