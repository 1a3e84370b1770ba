"""Header blocks of replies: decoded like hpack, the same block once, and refused when they break a rule of HTTP/2."""

import contextlib

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.errors.faults import PeerFault
from mxgateway.transport.http2.reply_headers import MAX_HEADER_LIST, HeaderBlockError, ReplyHeaderDecoder
from tests.rows import each_row

Pairs = list[tuple[bytes, bytes]]

OK: Pairs = [(b":status", b"200"), (b"content-type", b"application/grpc")]

# Few and short, so that blocks repeat and a small table evicts.
replies = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"grpc-status"]), st.sampled_from([b"", b"0", b"1" * 40])), max_size=4
)


@given(st.lists(replies, min_size=1, max_size=30), st.sampled_from([0, 60, 120, 4096]))
def test_blocks_are_decoded_like_hpack_does_it(blocks: list[Pairs], table: int) -> None:
    encoder, plain, ours = Encoder(), Decoder(), ReplyHeaderDecoder()
    encoder.header_table_size = table
    for pairs in blocks:
        block = encoder.encode(pairs)
        assert ours.decode(block) == dict(plain.decode(block, raw=True)) == dict(pairs)


@given(st.lists(st.binary(max_size=6), max_size=20))
def test_bytes_that_hpack_refuses_are_refused(blocks: list[bytes]) -> None:
    plain, ours = Decoder(max_header_list_size=MAX_HEADER_LIST), ReplyHeaderDecoder()
    for block in blocks:
        try:
            plain.decode(block, raw=True)
        except HPACKError:
            with pytest.raises(HeaderBlockError, match="header block"):
                ours.decode(block)
            return
        with contextlib.suppress(PeerFault):  # decoded, and found to break a rule
            ours.decode(block)


def test_a_block_of_indexes_is_decoded_once() -> None:
    encoder, ours = Encoder(), ReplyHeaderDecoder()
    ours.decode(encoder.encode(OK))
    block = encoder.encode(OK)
    assert ours.decode(block) is ours.decode(block)


def test_of_a_repeated_name_the_last_one_counts() -> None:
    assert ReplyHeaderDecoder().decode(Encoder().encode([(b"a", b"1"), (b"a", b"2")])) == {b"a": b"2"}


def test_bytes_beyond_ascii_in_a_value_are_kept() -> None:
    pairs = [(b"grpc-message", "Pumpe gestört".encode("latin-1"))]
    assert ReplyHeaderDecoder().decode(Encoder().encode(pairs)) == dict(pairs)


@each_row(
    ("pairs", "rule"),
    [
        ([(b"Content-Type", b"application/grpc")], "forbids"),
        ([(b"", b"x")], "forbids"),
        ([(b"x y", b"x")], "forbids"),
        ([(b"x\xff", b"x")], "forbids"),
        ([(b"x", b"a\r\nb")], "forbids"),
        ([(b"x", b"a\0b")], "forbids"),
        ([(b"transfer-encoding", b"chunked")], "HTTP/1"),
        ([(b"connection", b"close")], "HTTP/1"),
        ([(b"x", b"1"), (b":status", b"200")], "where it is not allowed"),
        ([(b":status", b"200"), (b":status", b"200")], "where it is not allowed"),
        ([(b":path", b"/")], "where it is not allowed"),
    ],
)
def test_headers_that_break_a_rule_of_http2_are_refused_each_time(pairs: Pairs, rule: str) -> None:
    encoder, ours = Encoder(), ReplyHeaderDecoder()
    for _ in range(3):
        with pytest.raises(PeerFault, match=rule):
            ours.decode(encoder.encode(pairs))
    assert ours.decode(encoder.encode(OK)) == dict(OK)  # the table is still the peer's


def test_a_list_beyond_the_limit_is_refused() -> None:
    block = Encoder().encode([(b"x%d" % number, b"y" * 1000) for number in range(40)])
    with pytest.raises(HeaderBlockError, match="OversizedHeaderListError"):
        ReplyHeaderDecoder().decode(block)
