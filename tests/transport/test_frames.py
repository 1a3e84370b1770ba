"""The few frames that the transport reads and writes by itself, against hyperframe, which h2 uses."""

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.transport import frames

stream_ids = st.integers(1, 2**31 - 1)


@given(
    st.binary(max_size=300), st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=20)
)
def test_a_frame_header_is_read_wherever_it_stands(
    payload: bytes, kind: int, stream_id: int, flags: int, before: bytes
):
    header = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
    assert frames.parse_header(before + header + payload, len(before)) == (
        len(payload), kind, flags, stream_id & 0x7FFFFFFF,
    )  # fmt: skip


@given(stream_ids, st.binary(max_size=100), st.integers(0, 255))
def test_padding_is_taken_off(stream_id: int, data: bytes, padding: int):
    written = DataFrame(stream_id, data, pad_length=padding, flags=["PADDED"]).serialize()
    length, kind, flags, found = frames.parse_header(written, 0)
    assert (kind, found, flags & frames.PADDED) == (frames.DATA, stream_id, frames.PADDED)
    assert length == len(written) - frames.HEADER_SIZE
    assert frames.unpad(written[frames.HEADER_SIZE :]) == data


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd", b"\xff" + b"x" * 254])
def test_padding_that_leaves_no_room_is_refused(payload: bytes):
    with pytest.raises(frames.FrameError, match="padding"):
        frames.unpad(payload)


@given(stream_ids, st.integers(0, 2**32 - 1), st.binary(max_size=50))
def test_a_goaway_tells_last_stream_code_and_debug_data(last: int, code: int, debug: bytes):
    written = GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=debug).serialize()
    assert frames.parse_header(written, 0)[1] == frames.GOAWAY
    assert frames.parse_goaway(written[frames.HEADER_SIZE :]) == (last, code, debug)


@pytest.mark.parametrize("size", range(8))
def test_a_goaway_that_is_too_short_is_refused(size: int):
    with pytest.raises(frames.FrameError, match="too short"):
        frames.parse_goaway(bytes(size))


@given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_a_window_update_is_what_hyperframe_writes(stream_id: int, increment: int):
    assert (
        frames.window_update(stream_id, increment)
        == WindowUpdateFrame(stream_id, window_increment=increment).serialize()
    )


@given(stream_ids)
def test_the_end_of_a_stream_is_an_empty_data_frame(stream_id: int):
    written = frames.end_of_stream(stream_id)
    frame, length = Frame.parse_frame_header(memoryview(written[:9]))
    assert isinstance(frame, DataFrame)
    assert (frame.stream_id, length, "END_STREAM" in frame.flags) == (stream_id, 0, True)
