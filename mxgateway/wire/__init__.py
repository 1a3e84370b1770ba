"""Bytes and JSON on one side, generated messages on the other.

`encode` and `decode` do what betterproto's own methods do, with functions that are compiled for each message type on
first use: strictly, with the bytes of protobuf's deterministic serialization, and with times that keep every digit.
Everything that betterproto does at run time is behind this package.

What is known to differ from google.protobuf:

- Groups, and the field number 0 in any message, are errors.
- Unknown fields inside of a Timestamp, a Duration or a wrapper are dropped: their Python types have no place for them.
- The entries of a map are written in the ascending order of their keys, as by google's implementation in Python; the
  order of its C core changes between versions.
- A signalling nan of 32 bits comes back as a quiet one.
- Lists of numbers are written packed, even if declared `packed = false`, and maps of wrappers are refused: betterproto
  keeps neither.
- JSON: Any and FieldMask are refused, base64 with other characters in it is, and a time out of range is written as the
  nearest one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxgateway.wire.decode.decoder import decode
from mxgateway.wire.decode.fitting import has_strangers
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
    "has_strangers",
    "to_json",
    "to_json_dict",
    "which_one_of",
]


def __getattr__(name: str) -> Any:
    # Not every program speaks JSON, and every one pays for what it imports.
    if name in ("from_json", "from_json_dict", "to_json", "to_json_dict"):
        from .json import convert as json

        value = globals()[name] = getattr(json, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
