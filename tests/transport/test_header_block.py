"""Request headers: what is encoded is what hpack decodes, and the API key is neither indexed nor shown."""

import logging
import traceback

import pytest
from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.credentials import ApiKey
from mxgateway.transport.header_block import (
    HeaderEncoder,
    RememberingDecoder,
    SecretBytes,
    call_metadata,
    request_headers,
)

SECRET = "the-secret-part"
KEY = ApiKey(f"mxgw_op_{SECRET}")

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=300).map(str.encode)
header_values = st.binary(max_size=5000)
headers = st.lists(st.tuples(names, header_values), max_size=20)


def decode(block: bytes, decoder: Decoder | None = None) -> list[tuple[bytes, bytes]]:
    decoder = decoder or Decoder(max_header_list_size=2**24)
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


def the_request(metadata: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    return request_headers(scheme="https", authority="gw:5001", path="/s/M", timeout=b"1S", metadata=metadata)


@given(headers)
def test_what_is_encoded_is_what_hpack_decodes(pairs: list[tuple[bytes, bytes]]):
    assert decode(HeaderEncoder().encode(pairs)) == pairs


@given(st.lists(headers, min_size=2, max_size=5))
def test_one_connection_may_send_any_number_of_blocks(blocks: list[list[tuple[bytes, bytes]]]):
    encoder, decoder = HeaderEncoder(), Decoder(max_header_list_size=2**24)
    for pairs in blocks:
        assert decode(encoder.encode(pairs), decoder) == pairs


@given(headers)
def test_nothing_is_ever_put_into_the_decoders_table(pairs: list[tuple[bytes, bytes]]):
    decoder = Decoder(max_header_list_size=2**24)
    decoder.decode(HeaderEncoder().encode(pairs), raw=True)
    assert decoder.header_table.maxsize == 0
    assert len(decoder.header_table.dynamic_entries) == 0


@given(st.binary(min_size=1, max_size=300))
def test_a_secret_is_never_indexed_and_everything_else_may_be(secret: bytes):
    pairs = [(b"authorization", SecretBytes(secret)), (b"x-other", secret)]
    hidden, open_ = Decoder().decode(HeaderEncoder().encode(pairs), raw=True)
    assert type(hidden) is NeverIndexedHeaderTuple
    assert type(open_) is not NeverIndexedHeaderTuple
    assert bytes(hidden[1]) == bytes(open_[1]) == secret


def test_the_headers_stand_in_the_order_that_grpc_gives():
    sent = [name for name, _ in the_request(call_metadata(KEY, [("x-one", "1")], [("x-two", "2")]))]
    assert sent == [
        b":method", b":scheme", b":path", b":authority", b"te", b"grpc-timeout", b"content-type", b"user-agent",
        b"authorization", b"x-one", b"x-two",
    ]  # fmt: skip
    assert b"grpc-timeout" not in dict(
        request_headers(scheme="http", authority="gw:1", path="/s/M", timeout=b"", metadata=())
    )


def test_nothing_replaces_the_api_key():
    pairs = call_metadata(KEY, [("x-one", "1")])
    assert pairs == ((b"authorization", b"Bearer mxgw_op_the-secret-part"), (b"x-one", b"1"))
    assert call_metadata(None, [("x-one", "1")]) == ((b"x-one", b"1"),)


def test_no_repr_shows_the_key(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    sent = the_request(call_metadata(KEY))
    HeaderEncoder().encode(sent)
    value = dict(sent)[b"authorization"]
    for text in (repr(sent), str(sent), f"{sent}", repr(value), str(value), f"{value!r}", f"{value}", caplog.text):
        assert SECRET not in text


def test_a_traceback_that_captures_locals_does_not_show_the_key():
    sent = [*the_request(call_metadata(KEY)), (b"x", None)]
    with pytest.raises(TypeError) as caught:
        HeaderEncoder().encode(sent)  # type: ignore[arg-type]
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "encode" in shown
    assert SECRET not in shown


# Few and short, so that blocks repeat and a small table evicts.
replies = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"grpc-status"]), st.sampled_from([b"", b"0", b"1" * 40])), max_size=4
)


@given(st.lists(replies, min_size=1, max_size=30), st.sampled_from([0, 60, 120, 4096]))
def test_a_decoder_that_remembers_blocks_decodes_like_hpack(blocks: list[list[tuple[bytes, bytes]]], table: int):
    encoder, plain, remembering = Encoder(), Decoder(), RememberingDecoder()
    encoder.header_table_size = table
    for pairs in blocks:
        block = encoder.encode(pairs)
        assert decode(block, remembering) == decode(block, plain) == pairs
        assert list(remembering.header_table.dynamic_entries) == list(plain.header_table.dynamic_entries)


@given(st.lists(st.binary(max_size=6), max_size=20))
def test_a_decoder_that_remembers_blocks_refuses_what_hpack_refuses(blocks: list[bytes]):
    plain, remembering = Decoder(), RememberingDecoder()
    for block in blocks:
        try:
            expected = decode(block, plain)
        except HPACKError as error:
            with pytest.raises(type(error)):
                decode(block, remembering)
            return
        assert decode(block, remembering) == expected


def test_a_block_of_indexes_is_decoded_once():
    encoder, remembering = Encoder(), RememberingDecoder()
    pairs = [(b":status", b"200"), (b"content-type", b"application/grpc")]
    remembering.decode(encoder.encode(pairs), raw=True)
    block = encoder.encode(pairs)
    assert remembering.decode(block, raw=True) is remembering.decode(block, raw=True)
