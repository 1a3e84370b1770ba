"""Splits a bulk call of any length into calls that the gateway accepts, by number of entries and by size."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.values.write_values import WriteValue, value_weight
from mxgateway.wire.garbage_collection import collector_held

T = TypeVar("T")
R = TypeVar("R")

CHUNK_LIMIT: Final = 1_000
"""The maximum number of entries in one call.

The gateway's worker runs one command after another: longer ones would delay all others.
"""

_FRAME_BYTES: Final = 64
"""More than a request takes besides its entries and ids: kind, server handle, timeout, tags and lengths."""
_ENTRY_BYTES: Final = 128
"""More than an entry takes besides its text or value: handles, users, time, tags and lengths of its fields."""


async def for_each(values: Iterable[T], act: Callable[[int, T], R]) -> list[R]:
    """Return the results of `act(index, value)` for all values, and yield to the loop after each thousand."""
    results: list[R] = []
    numbered = enumerate(values)
    while chunk := list(islice(numbered, CHUNK_LIMIT)):
        if results:
            await asyncio.sleep(0)
        with collector_held():
            results += [act(index, value) for index, value in chunk]
    return results


def frame_weight(*ids: str) -> int:
    """Return an upper limit on the size of a request with these ids, not counting its entries, in bytes."""
    return _FRAME_BYTES + sum(_size(text) for text in ids)


def chunks(weights: Sequence[int], limit: int, frame: int, place: Callable[[int], str]) -> list[range]:
    """Return the chunks in which entries are sent, as ranges of their indexes.

    Args:
        weights: An upper limit on the size of each entry, in bytes.
        limit: The message limit in bytes.
        frame: An upper limit on the size of a message without its entries, in bytes.
        place: Returns the name in error texts of the entry at an index.

    Raises:
        MxGatewayInvalidRequestError: One entry alone exceeds the limit.
    """
    room = limit - frame
    for index, weight in enumerate(weights):
        if weight > room:
            raise MxGatewayInvalidRequestError(
                f"{place(index)} takes {weight} bytes, but a message may have {limit}, {frame} of them for other fields",
                hint="the gateway's limit is 16 MiB each way (max_send_bytes here); nothing was sent",
                phase="request",
            )
    return list(_cut(weights, room))


def _cut(weights: Sequence[int], room: int) -> Iterator[range]:
    begin = used = 0
    for index, weight in enumerate(weights):
        if index - begin == CHUNK_LIMIT or used + weight > room:
            yield range(begin, index)
            begin, used = index, 0
        used += weight
    yield range(begin, len(weights))


class Prefetch(Generic[R]):
    """Yields chunks with their requests; builds the next request while the gateway carries out the one before.

    A context manager that returns an iterator.

    Args:
        chunks: The chunks.
        build: Builds the request of a chunk; called once for each, in order.
    """

    def __init__(self, chunks: Iterable[range], build: Callable[[range], R]) -> None:
        self._chunks = deque(chunks)
        self._build = build
        self._built: list[R] = []
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Iterator[tuple[range, R]]:
        return self._pairs()

    def __exit__(self, *exc_info: object) -> None:
        self._cancel()

    def _pairs(self) -> Iterator[tuple[range, R]]:
        while self._chunks:
            self._build_next()
            pair = self._chunks.popleft(), self._built.pop()
            if self._chunks:
                self._timer = asyncio.get_running_loop().call_later(_PREFETCH_DELAY, self._build_next)
            yield pair
            del pair

    def _build_next(self) -> None:
        self._cancel()
        if not self._built:
            with collector_held():
                self._built.append(self._build(self._chunks[0]))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_PREFETCH_DELAY: Final = 0.005
"""Seconds until a request has been sent, so that building the next one does not delay it."""

HANDLE_WEIGHT: Final = 16
"""More bytes than an entry of one handle takes."""


def text_weight(text: str) -> int:
    """Return an upper limit on the size of an entry with this text, in bytes."""
    return _ENTRY_BYTES + _size(text)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def write_weight(value: WriteValue) -> int:
    """Return an upper limit on the size of an entry with this value, in bytes."""
    return _ENTRY_BYTES + value_weight(value)
