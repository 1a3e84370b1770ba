"""Values to be written: all are checked before anything is sent, and each becomes a message just before its call."""

from __future__ import annotations

from typing import Final, NamedTuple

from mxgateway import proto
from mxgateway.values.kinds import Kind, Plain, is_plain
from mxgateway.values.to_mx import scalar_value, to_mx_value
from mxgateway.values.type_rules import INFERRED, fit_value
from mxgateway.values.types import MxValueInput
from mxgateway.wire import encode


class FittedValue(NamedTuple):
    """A checked scalar of one of Python's own types; it takes a fifth of its message's memory."""

    kind: Kind
    plain: Plain


WriteValue = FittedValue | proto.MxValue
"""A checked value."""


def check_value(value: MxValueInput, data_type: proto.MxDataType | None, name: str) -> WriteValue:
    """Return a value that can be sent.

    Args:
        value: What `to_mx_value` accepts.
        data_type: The MXAccess type, if the Python type should not decide it.
        name: The value's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: The value, or one element of it, does not fit.
    """
    if data_type is None and is_plain(value):
        return FittedValue(*fit_value(value, INFERRED, name))
    return to_mx_value(value, data_type=data_type, name=name)


def message_of(value: WriteValue) -> proto.MxValue:
    """Return the message of a value."""
    return scalar_value(*value) if isinstance(value, FittedValue) else value


def value_weight(value: WriteValue) -> int:
    """Return an upper limit on the encoded size of a value, in bytes."""
    if isinstance(value, FittedValue):
        plain = value.plain
        if isinstance(plain, str):
            return SCALAR_BYTES + (len(plain) if plain.isascii() else len(plain.encode()))
        return SCALAR_BYTES + (len(plain) if isinstance(plain, bytes) else 0)
    variant = value.variant_type
    if _LARGE_FIELDS.isdisjoint(vars(value)) and len(variant) <= _VARIANT_BYTES and variant.isascii():
        return SCALAR_BYTES
    return len(encode(value))


SCALAR_BYTES: Final = 64
"""More than a scalar takes with its types, whose names have at most _VARIANT_BYTES; the bytes of a text come on top."""
_VARIANT_BYTES: Final = 16

_LARGE_FIELDS: Final = frozenset(
    {"string_value", "array_value", "raw_value", "sparse_array_value", "raw_diagnostic", "_unknown_fields"}
)
