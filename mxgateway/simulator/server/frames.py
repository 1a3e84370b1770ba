"""HTTP/2's frames on the gateway's side: h2, with the gateway's limits."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import StreamInputs
from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hpack.exceptions import HPACKError

from mxgateway.simulator.options import SimulatorOptions

# Largest frame that a peer may send: the protocol's default.
_LARGEST_FRAME: Final = 16 * 1024
# The window of a new connection.
_FIRST_WINDOW: Final = 65_535
_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEADER: Final = 9
_FRAME: Final = struct.Struct(">BHBBI")
"""The header of a frame: its length in two fields, its type, its flags and its stream."""
_HEADERS, _END_STREAM, _END_HEADERS = 1, 1, 4
# The blocks of one connection that are decoded once.
_KNOWN_BLOCKS: Final = 64
_SMALL_BLOCK: Final = 1024
_ACKNOWLEDGEMENT: Final = (4, 1)
"""Type and flags of the SETTINGS frame that has no payload."""

Headers = tuple[tuple[str, str], ...]


class WrongSize(Exception):
    """A frame is larger than it may be."""

    error_code = ErrorCodes.FRAME_SIZE_ERROR


class Http2(H2Connection):
    """One side of HTTP/2 that refuses a stream too many by itself, and not the whole connection.

    Args:
        options: Limits.
    """

    MAX_CLOSED_STREAMS = 1000  # how each stream ended is remembered: h2's own number would be megabytes

    def __init__(self, options: SimulatorOptions) -> None:
        # Headers stay bytes: `header_rules` checks them, because h2 would end the connection for one bad request.
        configuration = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        super().__init__(configuration)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: options.streams_per_connection,
                SettingCodes.INITIAL_WINDOW_SIZE: options.stream_window,
                SettingCodes.MAX_FRAME_SIZE: _LARGEST_FRAME,
                SettingCodes.MAX_HEADER_LIST_SIZE: options.header_limit,
            },
        )
        self.decoder = _Decoder(options.header_limit)
        self._sizes = _FrameSizes(_LARGEST_FRAME)
        self.initiate_connection()
        if more := options.connection_window - _FIRST_WINDOW:
            self.increment_flow_control_window(more)

    def receive_data(self, data: Any) -> list[Event]:
        """Return what received bytes mean.

        Raises:
            WrongSize: A frame is too large.
            ProtocolError: Another rule is broken.
        """
        self._sizes.check(data)
        return super().receive_data(data)

    def send_reply(self, stream_id: int, headers: Headers, data: bytes, trailers: Headers) -> None:
        """Send the headers, the data and the trailers of a stream.

        Raises:
            H2Error: The stream has ended.
        """
        if self.encoder.header_table.resized:  # the next block tells so
            self.send_headers(stream_id, headers)
            self.send_data(stream_id, data)
            self.send_headers(stream_id, trailers, end_stream=True)
            return
        self._send_block(stream_id, headers, StreamInputs.SEND_HEADERS)
        self.send_data(stream_id, data)
        self._send_block(stream_id, trailers, StreamInputs.SEND_HEADERS, StreamInputs.SEND_END_STREAM)

    def _send_block(self, stream_id: int, headers: Headers, *inputs: StreamInputs) -> None:
        # Not as h2 sends them: it encodes the same headers for each reply.
        self.state_machine.process_input(ConnectionInputs.SEND_HEADERS)
        for each in inputs:
            self.streams[stream_id].state_machine.process_input(each)
        block = _block(headers)
        flags = _END_HEADERS | (_END_STREAM if StreamInputs.SEND_END_STREAM in inputs else 0)
        self._data_to_send += _FRAME.pack(0, len(block), _HEADERS, flags, stream_id) + block

    def _prepare_for_sending(self, frames: list[Any]) -> None:
        self._data_to_send += b"".join([frame.serialize() for frame in frames])  # without h2's check of its own work

    @property
    def open_inbound_streams(self) -> int:
        """None, as far as h2's own limit is concerned."""
        super().open_inbound_streams  # noqa: B018 - h2 forgets closed streams when it counts them
        return 0


class _Decoder(Decoder):
    """Decodes a block once that needs nothing of the table of headers: a client sends the same ones again and again."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._known: dict[bytes, Iterable[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """Return the headers of a block."""
        if (known := self._known.get(data)) is not None:
            return known
        headers = super().decode(data, raw)
        changes_size = data[0] >> 5 == 1 if data else True
        if not self.header_table.dynamic_entries and not changes_size and len(data) <= _SMALL_BLOCK:
            if len(self._known) >= _KNOWN_BLOCKS:
                self._known.clear()
            self._known[data] = headers
        return headers


class _FrameSizes:
    """Refuses a frame of a wrong size when its header arrives; h2 would buffer the frame before.

    Args:
        largest: The most bytes of a frame's payload.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._ahead = _PREFACE
        """Bytes before the next frame header."""
        self._header = b""
        """The part of that header which has arrived."""

    def check(self, data: bytes) -> None:
        """Go on with the next bytes.

        Raises:
            WrongSize: The header of a frame announces too many bytes.
        """
        place, end = self._ahead, len(data)
        while place < end:
            missing = _HEADER - len(self._header)
            self._header += data[place : place + missing]
            place += missing
            if place > end:
                place = end
                break
            length = int.from_bytes(self._header[:3], "big")
            limit = 0 if (self._header[3], self._header[4] & 1) == _ACKNOWLEDGEMENT else self._largest
            if length > limit:
                raise WrongSize(f"a frame of {length} bytes, the limit is {limit}")
            self._header = b""
            place += length
        self._ahead = place - end


@cache
def _block(headers: Headers) -> bytes:
    """Return headers encoded without the table of a connection: a block for all of them."""
    block: bytes = Encoder().encode([NeverIndexedHeaderTuple(*field) for field in headers])
    return block


def error_code(error: Exception) -> ErrorCodes:
    """Return what a GOAWAY says about an error in handling received bytes."""
    if type(error) is ProtocolError and isinstance(error.__cause__, HPACKError):
        return ErrorCodes.COMPRESSION_ERROR
    code: ErrorCodes = getattr(error, "error_code", ErrorCodes.INTERNAL_ERROR)
    return code
