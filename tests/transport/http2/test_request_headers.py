"""Request headers: what is encoded is what hpack decodes, and the API key is neither indexed nor shown."""

import logging
import traceback

import pytest
from hpack import Decoder, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.errors.redaction import Gate
from mxgateway.options.credentials import ApiKey
from mxgateway.transport.http2.request_headers import (
    NO_DYNAMIC_TABLE,
    USER_AGENT,
    RequestHeaders,
    SecretBytes,
    call_metadata,
    encode_headers,
)
from mxgateway.transport.keys import Keys

SECRET = "the-secret-part"
KEY = ApiKey(f"mxgw_op_{SECRET}")

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=300).map(str.encode)
header_values = st.binary(max_size=5000)
headers = st.lists(st.tuples(names, header_values), max_size=20)


def decode(block: bytes, decoder: Decoder | None = None) -> list[tuple[bytes, bytes]]:
    decoder = decoder or Decoder(max_header_list_size=2**24)
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


def request(key: ApiKey | None = KEY, metadata: tuple[tuple[str, str], ...] = ()) -> RequestHeaders:
    return RequestHeaders("https", "gw:5001", Keys(key, None, Gate()), metadata)


@given(headers)
def test_what_is_encoded_is_what_hpack_decodes(pairs: list[tuple[bytes, bytes]]) -> None:
    assert decode(encode_headers(pairs)) == pairs


@given(st.lists(headers, min_size=2, max_size=5))
def test_one_connection_may_send_any_number_of_blocks(blocks: list[list[tuple[bytes, bytes]]]) -> None:
    decoder = Decoder(max_header_list_size=2**24)
    for pairs in blocks:
        assert decode(encode_headers(pairs), decoder) == pairs


@given(headers)
def test_nothing_is_ever_put_into_the_decoders_table(pairs: list[tuple[bytes, bytes]]) -> None:
    decoder = Decoder(max_header_list_size=2**24)
    decoder.decode(NO_DYNAMIC_TABLE + encode_headers(pairs), raw=True)
    assert decoder.header_table.maxsize == 0
    assert len(decoder.header_table.dynamic_entries) == 0


@given(st.binary(min_size=1, max_size=300))
def test_a_secret_is_never_indexed_and_everything_else_may_be(secret: bytes) -> None:
    pairs = [(b"authorization", SecretBytes(secret)), (b"x-other", secret)]
    hidden, open_ = Decoder().decode(encode_headers(pairs), raw=True)
    assert type(hidden) is NeverIndexedHeaderTuple
    assert type(open_) is not NeverIndexedHeaderTuple
    assert bytes(hidden[1]) == bytes(open_[1]) == secret


def test_the_headers_stand_in_the_order_that_grpc_gives() -> None:
    block = request(metadata=(("x-one", "1"),)).block("/s/M", b"1S", [("x-two", "2")])
    assert decode(block) == [
        (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/s/M"), (b":authority", b"gw:5001"), (b"te", b"trailers"),
        (b"grpc-timeout", b"1S"), (b"content-type", b"application/grpc"), (b"user-agent", USER_AGENT),
        (b"authorization", b"Bearer mxgw_op_the-secret-part"), (b"x-one", b"1"), (b"x-two", b"2"),
    ]  # fmt: skip


def test_a_call_without_a_bound_announces_none() -> None:
    assert b"grpc-timeout" not in dict(decode(request().block("/s/M", b"")))


def test_what_one_call_adds_does_not_stay_for_the_next() -> None:
    headers = request()
    first = headers.block("/s/M", b"1S", [("x-one", "1")])
    second = headers.block("/s/M", b"2S")
    assert dict(decode(first))[b"x-one"] == b"1"
    assert b"x-one" not in dict(decode(second))
    assert dict(decode(second))[b"grpc-timeout"] == b"2S"


def test_methods_are_told_apart() -> None:
    headers = request()
    paths = [dict(decode(headers.block(path, b"1S")))[b":path"] for path in ("/s/A", "/s/B", "/s/A")]
    assert paths == [b"/s/A", b"/s/B", b"/s/A"]


def test_nothing_replaces_the_api_key() -> None:
    pairs = call_metadata(KEY, [("x-one", "1")])
    assert pairs == ((b"authorization", b"Bearer mxgw_op_the-secret-part"), (b"x-one", b"1"))
    assert call_metadata(None, [("x-one", "1")]) == ((b"x-one", b"1"),)


def test_no_repr_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = request()
    sent, block = call_metadata(KEY, ()), headers.block("/s/M", b"1S")
    value = dict(sent)[b"authorization"]
    shown = [
        repr(sent),
        str(sent),
        repr(value),
        str(value),
        format(value),
        repr(block),
        str(block),
        repr(vars(headers)),
    ]
    for text in (*shown, caplog.text):
        assert SECRET not in text


def test_a_traceback_that_captures_locals_does_not_show_the_key() -> None:
    with pytest.raises(AttributeError) as caught:
        request().block("/s/M", b"1S", [("x", None)])  # type: ignore[list-item]
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "rest" in shown
    assert SECRET not in shown
