"""The few frames that the transport reads and writes by itself, against hyperframe, which h2 uses."""

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.transport.http2 import frames
from tests.rows import each_row

stream_ids = st.integers(1, 2**31 - 1)


@given(
    st.binary(max_size=300), st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=20)
)
def test_a_frame_header_is_read_wherever_it_stands(
    payload: bytes, kind: int, stream_id: int, flags: int, before: bytes
) -> None:
    header = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
    assert frames.parse_header(before + header + payload, len(before)) == (
        len(payload), kind, flags, stream_id & 0x7FFFFFFF,
    )  # fmt: skip


@given(stream_ids, st.binary(max_size=100), st.integers(0, 255))
def test_padding_is_taken_off(stream_id: int, data: bytes, padding: int) -> None:
    written = DataFrame(stream_id, data, pad_length=padding, flags=["PADDED"]).serialize()
    length, kind, flags, found = frames.parse_header(written, 0)
    assert (kind, found, flags & frames.PADDED) == (frames.DATA, stream_id, frames.PADDED)
    assert length == len(written) - frames.HEADER_SIZE
    assert frames.unpad(written[frames.HEADER_SIZE :]) == data


@each_row("payload", [b"", b"\x01", b"\x05abcd", b"\xff" + b"x" * 254])
def test_padding_that_leaves_no_room_is_refused(payload: bytes) -> None:
    with pytest.raises(frames.FrameError, match="padding"):
        frames.unpad(payload)


@given(stream_ids, st.integers(0, 2**32 - 1), st.binary(max_size=50))
def test_a_goaway_tells_last_stream_code_and_debug_data(last: int, code: int, debug: bytes) -> None:
    written = GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=debug).serialize()
    assert frames.parse_header(written, 0)[1] == frames.GOAWAY
    assert frames.parse_goaway(written[frames.HEADER_SIZE :]) == (last, code, debug)


@each_row("size", range(8))
def test_a_goaway_that_is_too_short_is_refused(size: int) -> None:
    with pytest.raises(frames.FrameError, match="too short"):
        frames.parse_goaway(bytes(size))


@given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_a_window_update_is_what_hyperframe_writes(stream_id: int, increment: int) -> None:
    assert (
        frames.window_update(stream_id, increment)
        == WindowUpdateFrame(stream_id, window_increment=increment).serialize()
    )


@given(stream_ids, st.integers(0, 2**32 - 1))
def test_a_reset_is_what_hyperframe_writes_and_reads_back(stream_id: int, code: int) -> None:
    written = frames.rst_stream(stream_id, code)
    assert written == RstStreamFrame(stream_id, error_code=code).serialize()
    assert frames.parse_number(written[frames.HEADER_SIZE :], "RST_STREAM") == code


@given(stream_ids, st.binary(max_size=300), st.booleans())
def test_data_is_what_hyperframe_writes(stream_id: int, chunk: bytes, end: bool) -> None:
    flags = ["END_STREAM"] if end else []
    assert frames.data(stream_id, chunk, end=end) == DataFrame(stream_id, chunk, flags=flags).serialize()


@given(stream_ids, st.binary(max_size=300), st.integers(1, 100))
def test_a_header_block_that_does_not_fit_one_frame_is_continued(stream_id: int, block: bytes, most: int) -> None:
    written, fragments, kinds, flags = frames.headers(stream_id, block, most), [], [], []
    while written:
        length, kind, flag, found = frames.parse_header(written, 0)
        assert (found, length <= most) == (stream_id, True)
        end = frames.HEADER_SIZE + length
        fragments.append(written[frames.HEADER_SIZE : end])
        kinds.append(kind)
        flags.append(flag)
        written = written[end:]
    assert b"".join(fragments) == block
    assert kinds == [frames.HEADERS] + [frames.CONTINUATION] * (len(kinds) - 1)
    assert flags == [0] * (len(flags) - 1) + [frames.END_HEADERS]


@given(stream_ids, st.binary(max_size=100), st.integers(0, 255), st.booleans(), st.booleans())
def test_the_block_is_found_behind_padding_and_priority(
    stream_id: int, block: bytes, padding: int, is_padded: bool, has_priority: bool
) -> None:
    chosen = ["PADDED"] * is_padded + ["PRIORITY"] * has_priority
    frame = HeadersFrame(stream_id, block, pad_length=padding if is_padded else 0, flags=chosen)
    if has_priority:
        frame.depends_on, frame.stream_weight, frame.exclusive = 7, 3, True
    written = frame.serialize()
    flags = frames.parse_header(written, 0)[2]
    assert frames.header_fragment(written[frames.HEADER_SIZE :], flags) == block


@pytest.mark.parametrize("size", [0, 4])
def test_headers_without_room_for_their_priority_are_refused(size: int) -> None:
    with pytest.raises(frames.FrameError, match="priority"):
        frames.header_fragment(bytes(size), frames.PRIORITY_FLAG)


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_number_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(frames.FrameError, match=f"RST_STREAM frame has {size} bytes"):
        frames.parse_number(bytes(size), "RST_STREAM")
    with pytest.raises(frames.FrameError, match=f"WINDOW_UPDATE frame has {size} bytes"):
        frames.parse_increment(bytes(size))


@given(stream_ids, st.integers(1, 2**31 - 1))
def test_an_increment_is_read_without_its_reserved_bit(stream_id: int, increment: int) -> None:
    written = bytearray(frames.window_update(stream_id, increment)[frames.HEADER_SIZE :])
    written[0] |= 0x80
    assert frames.parse_increment(bytes(written)) == increment
