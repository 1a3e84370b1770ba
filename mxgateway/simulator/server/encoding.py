"""The simulated gateway's encoding, by the numbers of its contract.

A plant repeats itself, and tells many clients the same, so pieces of events are encoded once and then combined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import NANOSECONDS, timestamp
from mxgateway.simulator.mxaccess import statuses
from mxgateway.wire import BUILTIN, Codec
from mxgateway.wire.varint import encode_varint


class Encoding:
    """Encodes and decodes by one contract.

    Args:
        codec: The contract's codec.
        lacks: Returns whether the contract lacks the call of a ``:path``.
    """

    def __init__(self, codec: Codec = BUILTIN, lacks: Callable[[str], bool] = lambda path: False) -> None:
        self.encode, self.decode = codec.encode, codec.decode
        self.lacks = lacks
        encode = codec.encode
        self.sequence = _varint_field(lambda number: encode(mx.MxEvent(worker_sequence=number)))
        """Encodes the sequence number of an event."""
        self.item_handle = _varint_field(lambda number: encode(mx.MxEvent(item_handle=number)))
        """Encodes the item handle of an event."""
        self.head = lru_cache(maxsize=1024)(
            lambda family, session: encode(mx.MxEvent(family=family, session_id=session))
        )
        """Encodes the common start of all events of a family in a session."""
        moment = timestamp(0)
        self._stamp_tags = (
            tag_of(encode, mx.MxEvent(worker_timestamp=moment)),
            tag_of(encode, mx.MxEvent(gateway_receive_timestamp=moment)),
        )
        self._source_tag = tag_of(encode, mx.MxEvent(source_timestamp=moment))
        self._seconds = lru_cache(maxsize=4)(
            lambda seconds: b"\x08" + encode_varint(seconds % 2**64) if seconds else b""
        )
        self.stamps = lru_cache(maxsize=16)(self._stamps)
        """Encodes the timestamps of an event, given in nanoseconds since 1970."""
        self.write_complete = lru_cache(maxsize=64)(
            lambda hresult: encode(mx.MxEvent(hresult=hresult, on_write_complete=mx.OnWriteCompleteEvent()))
        )
        """Encodes the outcome of a write."""
        self.data_change = encode(mx.MxEvent(on_data_change=mx.OnDataChangeEvent()))
        completed = mx.MxEvent(hresult=statuses.S_OK, operation_complete=mx.OperationCompleteEvent())
        self.operation_complete = encode(completed)
        self._ok = encode(mx.MxEvent(statuses=[statuses.OK]))

    def status(self, status: mx.MxStatusProxy) -> bytes:
        """Return the encoded status of an event."""
        return self._ok if status is statuses.OK else self.encode(mx.MxEvent(statuses=[status]))

    def source_time(self, time_ns: int) -> bytes:
        """Return the encoded source time of an event, given in nanoseconds since 1970."""
        return self._moments(time_ns, self._source_tag)

    def _stamps(self, now_ns: int) -> bytes:
        return self._moments(now_ns, *self._stamp_tags)

    def _moments(self, time_ns: int, *tags: bytes) -> bytes:
        # Nearly every event has a time of its own, so this is written by hand: a google.protobuf.Timestamp has the fields
        # 1 and 2 in every contract.
        seconds, nanos = divmod(time_ns, NANOSECONDS)
        moment = self._seconds(seconds) + (b"\x10" + encode_varint(nanos) if nanos else b"")
        sized = bytes((len(moment),)) + moment
        return b"".join([tag + sized for tag in tags if tag])  # a contract may lack the field


def tag_of(encode: Callable[[Any], bytes], holder: Any) -> bytes:
    """Return the tag of the only field set in `holder`; its length-delimited value has at most one byte."""
    data = encode(holder)
    return data[:-1] if data[-1:] == b"\0" else data[:-2]


def _varint_field(encode: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return a faster `encode` for a varint field; zero is encoded as nothing."""
    tag = encode(1)[:-1]
    if encode(1000) != tag + encode_varint(1000):
        return encode
    return lambda number: tag + encode_varint(number) if number else b""
