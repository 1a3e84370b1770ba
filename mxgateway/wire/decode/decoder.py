"""Decodes bytes to messages with one Python function per message type, generated from its schema on first use.

Peers write the fields of a message in the order of their numbers, so a type's function expects that order: it compares
the tag with the first field's, the next one's, and so on, and reads the next tag after each field. Only a tag out of
order makes it start again at the first field.

The functions check little while they read. A length that exceeds its message leaves the position after the message's
end, which is tested once, after the last field. Anything unexpected raises, and the reference reader then reads the
whole input again: it accepts every valid form and reports exact errors for the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Final, TypeVar

from mxgateway.wire.compiling.linking import Functions, Linker
from mxgateway.wire.compiling.warming import WarmingFunctions
from mxgateway.wire.errors import IrregularError, WireError
from mxgateway.wire.garbage_collection import collector_held
from mxgateway.wire.schema import DEPTH_LIMIT, FIXED_STRUCTS, SIZE_LIMIT, Schemas, instance_dict, schema_of
from mxgateway.wire.times.codec import read_duration, read_timestamp
from mxgateway.wire.varint import (
    encode_varint,
    more_int32,
    more_int64,
    more_size,
    more_uint32,
    more_uint64,
    read_varint,
)

from . import reference_reader as reader
from .repeats import may_repeat, remembering
from .source_text import message_source, piece_source
from .unpacking import UNPACKERS

M = TypeVar("M")
Piece = Callable[..., tuple[dict[str, Any], list[bytes], int]]
"""Returns the fields of a piece by name, those that the type does not know, and the position after it."""
MANY_OBJECTS: Final = 8192
"""Bytes from which a message probably consists of several hundred objects."""
TO_REFERENCE: Final = (IrregularError, IndexError, UnicodeDecodeError, OverflowError, struct.error)


class Decoder:
    """The functions that decode the messages of one contract.

    Args:
        schemas: Returns the schema of a message type, with the contract's numbers.
    """

    def __init__(self, schemas: Schemas = schema_of) -> None:
        self.schemas = schemas
        self.linker = _DecoderLinker(schemas)
        self.pieces = self.linker.pieces
        """The functions that read a piece of a message, by message type."""
        self.counted_pieces = _DecoderLinker(schemas, self.linker).pieces
        """These functions take a tally after the depth: a list whose first item is the count."""
        self._functions = WarmingFunctions(
            self.linker.functions,
            reference=lambda message_type, data, _pos, _end, depth: reader.read(schemas(message_type), data, depth),
            size=lambda _type, _data, _pos, end, _depth: end,
        )

    def decode(self, message_type: type[M], data: bytes | bytearray | memoryview, *, size_limit: int = SIZE_LIMIT) -> M:
        """Return the message decoded from bytes.

        Args:
            message_type: The generated class.
            data: The whole encoded message.
            size_limit: Most bytes to accept.

        Raises:
            WireError: The bytes are not a valid message of this type.
            TypeError: `message_type` is not a message class, or `data` is not bytes.
        """
        if type(data) is not bytes:
            data = memoryview(data).tobytes()
        size = len(data)
        if size > size_limit:
            reason = f"{size} bytes are more than the limit of {size_limit}"
            raise WireError(reason, message_name=message_type.__name__, offset=size_limit)
        function = self._functions[message_type]
        try:
            if size < MANY_OBJECTS:
                return function(data, 0, size, DEPTH_LIMIT)  # type: ignore[no-any-return]
            with collector_held():
                return function(data, 0, size, DEPTH_LIMIT)  # type: ignore[no-any-return]
        except TO_REFERENCE:
            pass  # only the reference reader's error is shown
        return reader.read(self.schemas(message_type), data, DEPTH_LIMIT)  # type: ignore[no-any-return]

    def decode_regular(self, message_type: type[M], data: bytes) -> M:
        """Return the message decoded by the compiled function alone.

        Raises:
            Exception: One of `TO_REFERENCE`, if the message is invalid or merely unusual.
        """
        return self.linker.functions[message_type](data, 0, len(data), DEPTH_LIMIT)  # type: ignore[no-any-return]


def skip_field(data: bytes, pos: int, end: int) -> int:
    """Return the position after an unknown field.

    Raises:
        IrregularError: The field is invalid, or its tag is longer than necessary.
    """
    start = pos
    tag = data[pos]
    pos += 1
    if tag > 127:
        tag, pos = read_varint(data, start, more_size)
    if tag < 8 or tag > 0xFFFF_FFFF or len(encode_varint(tag)) != pos - start:
        raise IrregularError
    wire_type = tag & 7
    if wire_type == 0:
        stop = pos + 10
        while data[pos] > 127:
            pos += 1
        pos += 1
        if pos > stop:
            raise IrregularError
    elif wire_type == 2:
        size, pos = read_varint(data, pos, more_size)
        pos += size
    elif wire_type == 1:
        pos += 8
    elif wire_type == 5:
        pos += 4
    else:
        raise IrregularError
    if pos > end:
        raise IrregularError
    return pos


class _DecoderLinker(Linker):
    """Links the decode functions.

    Args:
        schemas: Returns the schema of a message type.
        plain: For functions that count elements: messages without anything to count use its plain, caching functions.
    """

    def __init__(self, schemas: Schemas, plain: _DecoderLinker | None = None) -> None:
        super().__init__(schemas, _NAMES)
        self._counted = plain is not None
        self._plain = plain or self

    @cached_property
    def pieces(self) -> Functions:
        return Functions(self, lambda each: piece_source(self.schemas(each), self, counted=self._counted))

    def source(self, message_type: type[Any]) -> str:
        return message_source(self.schemas(message_type), self, counted=self._counted)

    def link(self, name: str, message_type: type[Any]) -> None:
        if not may_repeat(self.schemas(message_type)):
            super().link(name, message_type)
            return
        plain = self._plain.functions[message_type]
        self.named(name, remembering(message_type, plain, give_up=partial(self.named, name, plain)))


_NAMES: Final[Mapping[str, Any]] = {
    "IrregularError": IrregularError,
    "instance_dict": instance_dict,
    "more_int32": more_int32,
    "more_int64": more_int64,
    "more_size": more_size,
    "more_uint32": more_uint32,
    "more_uint64": more_uint64,
    "new": object.__new__,
    "read_duration": read_duration,
    "read_timestamp": read_timestamp,
    "skip_field": skip_field,
    **{f"unpack_{kind}": unpack for kind, unpack in UNPACKERS.items()},
    **{f"read_{kind}": form.unpack_from for kind, form in FIXED_STRUCTS.items()},
}
BUILTIN: Final = Decoder()
decode = BUILTIN.decode
