"""The codec that grpclib's channels and servers use for every message."""

from __future__ import annotations

from typing import Any

from grpclib.encoding.base import CodecBase

from .decoder import decode
from .encoder import encode
from .schema import SIZE_LIMIT


class WireCodec(CodecBase):
    """Encodes and decodes generated messages with the compiled codec.

    Args:
        size_limit: The most bytes of one message, in either direction.
    """

    __content_subtype__ = "proto"

    def __init__(self, *, size_limit: int = SIZE_LIMIT) -> None:
        self._size_limit = size_limit

    def encode(self, message: Any, message_type: Any) -> bytes:
        """Return the bytes of a message.

        Raises:
            WireError: The message has no valid bytes, or more than the limit.
            TypeError: It is not of the method's type.
        """
        if not isinstance(message, message_type):
            raise TypeError(f"the method needs a {message_type.__name__}, not a {type(message).__name__}")
        return encode(message, size_limit=self._size_limit)

    def decode(self, data: bytes, message_type: Any) -> Any:
        """Return the message of a method's type that the bytes hold.

        Raises:
            WireError: The bytes are no valid message of this type, or more than the limit.
        """
        return decode(message_type, data, size_limit=self._size_limit)
