"""Decodes large messages in steps, so that other tasks run in between, and counts their elements.

A message of a few bytes becomes an object of a hundred, which takes a microsecond. So a limit on bytes limits neither
memory nor time. Therefore elements are counted here: messages, list items, map entries, and repeated or unknown fields.
Sixteen numbers of a packed list count as one, since they take that much less.

The compiled functions read large messages piece by piece. The reference reader takes pieces that may need merging with
another piece, and pieces that the functions reject.
"""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

from mxgateway.wire.errors import ElementLimitError
from mxgateway.wire.garbage_collection import collector_held
from mxgateway.wire.schema import DEPTH_LIMIT, FIXED_64, VARINT, FieldSchema

from . import source_text as decoder_source
from .decoder import BUILTIN, TO_REFERENCE, Decoder, Piece
from .reference_reader import Draft, Reader, close_part, holds_fields, part_of
from .unpacking import unpacker

M = TypeVar("M")

AT_ONCE: Final = 128 * 1024
"""Bytes of a message that is decoded at once, unless irregular: a few milliseconds. A ReadBulk reply for 1,000
tags fits."""
STEP: Final = decoder_source.LARGE
"""Bytes per step, at most twice as many: a millisecond, or 20 to 30 ms for messages crafted to be slow."""
_LONGEST_NUMBER: Final = 10  # bytes


class DecodingSteps(Generic[M]):
    """The decoding of one message.

    Args:
        message_type: The generated class.
        data: The encoded message.
        limit: Most elements to accept.
        decoder: The decoder of a contract.

    Attributes:
        message: The message, once `run` has returned True.
    """

    message: M

    def __init__(self, message_type: type[M], data: bytes, limit: int, decoder: Decoder = BUILTIN) -> None:
        self._message_type = message_type
        self._decoder = decoder
        self._data = data
        self._limit = limit
        self._counts = len(data) > limit  # every element has at least one byte
        self._pieces = decoder.counted_pieces if self._counts else decoder.pieces
        self._reader = Reader(data, decoder_source.LARGE)
        self._elements = 0
        self._numbers = 0
        self._steps = self._decode()

    def run(self, seconds: float) -> bool:
        """Continue for `seconds`, at most one step longer, and return True when the message is complete.

        Raises:
            WireError: The bytes are not a valid message of this type.
            ElementLimitError: It has too many elements.
        """
        end = perf_counter() + seconds
        with collector_held():
            for _ in self._steps:
                if perf_counter() >= end:
                    return False
        return True

    def close(self) -> None:
        """Abandon the decoding and drop the partial message. No effect once complete."""
        self._steps.close()

    def _decode(self) -> Generator[None, None, None]:
        if not self._counts and len(self._data) <= AT_ONCE:
            try:
                self.message = self._decoder.decode_regular(self._message_type, self._data)
            except TO_REFERENCE:
                yield
            else:
                return
        draft = Draft(self._decoder.schemas(self._message_type))
        yield from self._fill(draft, 0, len(self._data), DEPTH_LIMIT)
        self.message = draft.finish()

    def _fill(self, draft: Draft, pos: int, end: int, depth: int) -> Generator[None, None, None]:
        """Read the fields of a message into its draft."""
        while pos < end:
            stop = min(pos + STEP, end)
            pos = self._read_piece(draft, pos, stop, end, depth)
            self._check()
            yield
            if pos < stop:
                field, start, stop = self._reader.open(draft.schema, pos, end, depth)
                if holds_fields(field):
                    part = part_of(draft, field)
                    yield from self._fill(part, start, stop, depth - 1)
                    close_part(draft, field, part)
                else:
                    yield from self._unpack(draft, field, start, stop)
                pos = stop

    def _read_piece(self, draft: Draft, pos: int, stop: int, end: int, depth: int) -> int:
        """Read the fields that start before `stop`, except large ones, and return the start of the next."""
        schema = draft.schema
        if depth and schema.is_message:
            tally = [0]
            try:
                piece: Piece = self._pieces[schema.message_type]
                values, unknown, reached = piece(self._data, pos, stop, depth, *([tally] if self._counts else ()))
            except TO_REFERENCE:
                pass
            else:
                if reached <= end and not any(schema.by_name[name].is_merged for name in values):
                    draft.absorb(values, unknown)
                    self._elements += tally[0]
                    return reached
        return self._reader.fill(draft, pos, stop, end, depth)

    def _unpack(self, draft: Draft, field: FieldSchema, pos: int, end: int) -> Generator[None, None, None]:
        """Read a large packed list."""
        unpack = unpacker(field)
        numbers: list[Any] = draft.values.setdefault(field.name, [])
        before = len(numbers)
        while pos < end:
            stop = self._end_of_numbers(field, pos, end)
            try:
                numbers += unpack(self._data, pos, stop)
                pos = stop
            except TO_REFERENCE:
                pos = self._reader.numbers(draft, field, pos, stop, end)
            self._numbers += len(numbers) - before
            before = len(numbers)
            self._check()
            yield

    def _end_of_numbers(self, field: FieldSchema, pos: int, end: int) -> int:
        """Return the end of one step's numbers."""
        stop = min(pos + STEP, end)
        if field.wire_type == VARINT:
            last = min(stop + _LONGEST_NUMBER, end)
            while stop < last and self._data[stop - 1] > 127:
                stop += 1
            return stop
        width = 8 if field.wire_type == FIXED_64 else 4
        return stop if stop == end else pos + STEP // width * width

    def _check(self) -> None:
        if self._elements + self._reader.fields + (self._numbers >> decoder_source.PACKED_SHIFT) > self._limit:
            raise ElementLimitError(self._message_type.__name__, self._limit)
