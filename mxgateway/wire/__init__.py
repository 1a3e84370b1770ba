"""Converts generated messages to and from bytes and JSON.

`encode` and `decode` replace betterproto's own methods. They compile a function for each message type on first use, are
strict, write protobuf's deterministic serialization, and keep every digit of a time. All run-time use of betterproto is
behind this package.

Known differences from google.protobuf:

- Groups, and the field number 0 in any message, are errors.
- Unknown fields inside of a Timestamp, a Duration or a wrapper are dropped: their Python types cannot hold them.
- Map entries are written in ascending order of their keys, as by google's Python implementation; the order of its C
core changes between versions.
- A signalling 32-bit NaN becomes a quiet one.
- Maps of wrappers are rejected: betterproto does not record which wrapper they hold. It does not record `packed = false`
either: the generator adds that to our classes, and betterproto's own are always written packed.
- JSON: Any is rejected, as are base64 with other characters in it and a FieldMask that would be read as another one. A
time out of range is written as the nearest valid one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxgateway.wire.decode.decoder import decode
from mxgateway.wire.decode.fitting import has_unnamed_fields
from mxgateway.wire.encode.encoder import encode
from mxgateway.wire.messages.presence import has_field, which_one_of
from mxgateway.wire.times.duration import Duration
from mxgateway.wire.times.timestamp import Timestamp

from .codec import BUILTIN, Codec, WireCodec
from .errors import JsonError, LackingError, MisfitError, WireError

if TYPE_CHECKING:
    from mxgateway.wire.json.convert import from_json, from_json_dict, to_json, to_json_dict

__all__ = [
    "BUILTIN",
    "Codec",
    "Duration",
    "JsonError",
    "LackingError",
    "MisfitError",
    "Timestamp",
    "WireCodec",
    "WireError",
    "decode",
    "encode",
    "from_json",
    "from_json_dict",
    "has_field",
    "has_unnamed_fields",
    "to_json",
    "to_json_dict",
    "which_one_of",
]


def __getattr__(name: str) -> Any:
    # Many programs never use JSON, so it is imported on demand.
    if name in ("from_json", "from_json_dict", "to_json", "to_json_dict"):
        from .json import convert as json

        value = globals()[name] = getattr(json, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
