"""The codec of a contract, and the codec for grpclib's channels and servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from grpclib.encoding.base import CodecBase

from mxgateway.wire.decode.decoder import Decoder, decode
from mxgateway.wire.decode.fitting import check_fit
from mxgateway.wire.decode.steps import DecodingSteps
from mxgateway.wire.encode.encoder import Encoder, encode
from mxgateway.wire.projection.plans import Plan
from mxgateway.wire.projection.projection import Projection

from .decode import decoder as decoding
from .encode import encoder as encoding
from .schema import SIZE_LIMIT, Schemas

M = TypeVar("M")


class Codec:
    """Encodes and decodes generated messages by the numbers of one contract.

    Attributes:
        decode: `wire.decode` with these numbers.
        encode: `wire.encode` with these numbers.
    """

    def __init__(self, decoder: Decoder, encoder: Encoder) -> None:
        self._decoder = decoder
        self.decode = decoder.decode
        self.encode = encoder.encode
        self._decoders: dict[type, Callable[[bytes], Any]] = {}
        self._projections: dict[Any, Projection] = {}

    @classmethod
    def of(cls, schemas: Schemas) -> Codec:
        """Return the codec for the numbers in `schemas`."""
        return cls(Decoder(schemas), Encoder(schemas))

    def decoder_of(self, message_type: type[M]) -> Callable[[bytes], M]:
        """Return the decode function for one message type. It raises `MisfitError` for messages of another contract."""
        if (found := self._decoders.get(message_type)) is not None:
            return found
        decode, schemas = self.decode, self._decoder.schemas

        def decode_fitting(data: bytes) -> M:
            message = decode(message_type, data)
            if message.__dict__.get("_unknown_fields"):
                check_fit(message, schemas(message_type))
            return message

        self._decoders[message_type] = decode_fitting
        return decode_fitting

    def steps_of(self, message_type: type[M]) -> Callable[[bytes, int], DecodingSteps[M]]:
        """Return the function that starts decoding a large message; it takes the bytes and the element limit."""
        return partial(DecodingSteps, message_type, decoder=self._decoder)

    def projection(self, message_type: Callable[[], type[Any]], plan: Callable[[Decoder], Plan]) -> Projection:
        """Return the projection of a plan; each plan has one."""
        found = self._projections.get(plan)
        if found is None:
            found = self._projections[plan] = Projection(message_type, plan, self._decoder)
        return found


BUILTIN: Final = Codec(decoding.BUILTIN, encoding.BUILTIN)
"""The codec of the contract from which the package was generated."""


class WireCodec(CodecBase):
    """Encodes and decodes generated messages with the compiled codec.

    Args:
        size_limit: Most bytes in one message, in either direction.
    """

    __content_subtype__ = "proto"

    def __init__(self, *, size_limit: int = SIZE_LIMIT) -> None:
        self._size_limit = size_limit

    def encode(self, message: Any, message_type: Any) -> bytes:
        """Return the bytes of a message.

        Raises:
            WireError: The message cannot be encoded, or exceeds the limit.
            TypeError: It is not of the method's message type.
        """
        if not isinstance(message, message_type):
            raise TypeError(f"the method needs a {message_type.__name__}, not a {type(message).__name__}")
        return encode(message, size_limit=self._size_limit)

    def decode(self, data: bytes, message_type: Any) -> Any:
        """Return the message decoded from bytes.

        Raises:
            WireError: The bytes are not a valid message of this type, or exceed the limit.
        """
        return decode(message_type, data, size_limit=self._size_limit)
