"""The codec of a contract, and the one that grpclib's channels and servers use for every message."""

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
    """Bytes on one side, generated messages on the other, by the numbers of one contract.

    Attributes:
        decode: `wire.decode` by these numbers.
        encode: `wire.encode` by these numbers.
    """

    def __init__(self, decoder: Decoder, encoder: Encoder) -> None:
        self._decoder = decoder
        self.decode = decoder.decode
        self.encode = encoder.encode
        self._decoders: dict[type[Any], Callable[[bytes], Any]] = {}
        self._steps: dict[type[Any], Callable[[bytes, int], Any]] = {}
        self._projections: dict[Any, Projection] = {}

    @classmethod
    def of(cls, schemas: Schemas) -> Codec:
        """Return the codec of what `schemas` numbers."""
        return cls(Decoder(schemas), Encoder(schemas))

    def decoder_of(self, message_type: type[M]) -> Callable[[bytes], M]:
        """Return the function that decodes what a peer sends as messages of one type, and raises `MisfitError` for what another contract has made."""
        found = self._decoders.get(message_type)
        if found is None:
            found = self._decoders[message_type] = self._fitting_decoder(message_type)
        return found

    def steps_of(self, message_type: type[M]) -> Callable[[bytes, int], DecodingSteps[M]]:
        """Return what begins to decode large messages of one type: it takes the bytes and the most elements."""
        found = self._steps.get(message_type)
        if found is None:
            found = self._steps[message_type] = partial(DecodingSteps, message_type, decoder=self._decoder)
        return found

    def _fitting_decoder(self, message_type: type[M]) -> Callable[[bytes], M]:
        decode, schemas = self.decode, self._decoder.schemas

        def decode_fitting(data: bytes) -> M:
            message = decode(message_type, data)
            if message.__dict__.get("_unknown_fields"):
                check_fit(message, schemas(message_type))
            return message

        return decode_fitting

    def projection(self, message_type: Callable[[], type[Any]], plan: Callable[[Decoder], Plan]) -> Projection:
        """Return the projection of a plan; there is one for each."""
        found = self._projections.get(plan)
        if found is None:
            found = self._projections[plan] = Projection(message_type, plan, self._decoder)
        return found


BUILTIN: Final = Codec(decoding.BUILTIN, encoding.BUILTIN)
"""The codec of the contract that the package was generated from."""


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
