"""Encodes messages to bytes with one Python function per message type, generated from its schema on first use.

The bytes are protobuf's deterministic serialization, whatever the order in which fields were set. As in the decoder, a
function raises for anything unexpected; the reference writer then encodes the whole message, or reports the field that
cannot be encoded.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.compiling.warming import ALLOWANCE, WarmingFunctions
from mxgateway.wire.errors import IrregularError, WireError
from mxgateway.wire.messages.betterproto_seam import PLACEHOLDER
from mxgateway.wire.schema import (
    DEPTH_LIMIT,
    FIXED_STRUCTS,
    SIZE_LIMIT,
    Schemas,
    instance_dict,
    is_message,
    schema_of,
)
from mxgateway.wire.times.codec import write_duration, write_timestamp
from mxgateway.wire.times.parsing import EPOCH

from . import reference_writer as writer
from .source_text import message_source

_BYTES_PER_VALUE: Final = 16  # an estimate
_TO_REFERENCE: Final = (IrregularError, AttributeError, OverflowError, TypeError, ValueError, struct.error)


class Encoder:
    """The functions that encode the messages of one contract.

    Args:
        schemas: Returns the schema of a message type, with the contract's numbers.
    """

    def __init__(self, schemas: Schemas = schema_of) -> None:
        self.schemas = schemas
        self.linker = _EncoderLinker(schemas, _NAMES)
        self._functions = WarmingFunctions(
            self.linker.functions,
            reference=lambda message_type, message, depth: writer.write(schemas(message_type), message, depth),
            size=lambda _type, message, _depth: _BYTES_PER_VALUE * _count_values(message),
        )

    def encode(self, message: Any, *, size_limit: int = SIZE_LIMIT) -> bytes:
        """Return the bytes of a message.

        Args:
            message: A message of any generated class.
            size_limit: Most bytes to produce.

        Raises:
            WireError: A value does not fit its field, or the message is too large or nested too deeply.
            TypeError: It is not a message.
        """
        try:
            data = self._functions[type(message)](message, DEPTH_LIMIT)
        except _TO_REFERENCE:
            data = None  # only the reference writer's error is shown
        if data is None:
            data = writer.write(self.schemas(type(message)), message, DEPTH_LIMIT)
        if len(data) > size_limit:
            reason = f"{len(data)} bytes are more than the limit of {size_limit}"
            raise WireError(reason, message_name=type(message).__name__)
        return data  # type: ignore[no-any-return]


class _EncoderLinker(Linker):
    def source(self, message_type: type[Any]) -> str:
        return message_source(self.schemas(message_type), self)


def _count_values(message: Any) -> int:
    """Return the number of values in a message; counting stops when they are too many for the reference code."""
    count = 0
    left = [message]
    while left and count * _BYTES_PER_VALUE <= ALLOWANCE:
        value = left.pop()
        count += 1
        if is_message(value):
            left.extend(instance_dict(value).values())
        elif isinstance(value, list | dict):
            count += len(value)
            left.extend(value if isinstance(value, list) else value.values())
    return count


_NAMES: Final[Mapping[str, Any]] = {
    "IrregularError": IrregularError,
    "PLACEHOLDER": PLACEHOLDER,
    "instance_dict": instance_dict,
    "pack": struct.pack,
    "write_duration": write_duration,
    "write_timestamp": write_timestamp,
    "zero_duration": timedelta(0),
    "zero_timestamp": EPOCH,
    **{f"pack_{kind}": form.pack for kind, form in FIXED_STRUCTS.items()},
}
BUILTIN: Final = Encoder()
encode = BUILTIN.encode
