"""Options are checked where they are made: what cannot work is refused before anything is sent."""

import dataclasses
import math
from datetime import timedelta
from typing import Any

import pytest

from mxgateway import ApiKey, ClientOptions, OpenSessionOptions, TlsOptions
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import check_metadata, check_timeout, merge_options
from mxgateway.transport.calls.method import CallOptions
from tests.rows import each_row

SECRET = "options-secret"
KEY = f"mxgw_op_{SECRET}"


def test_the_defaults_are_those_of_the_gateway() -> None:
    options = ClientOptions()
    assert (options.connect_timeout, options.call_timeout) == (10.0, 30.0)
    assert (options.max_receive_bytes, options.max_send_bytes) == (16 * 1024 * 1024, 16 * 1024 * 1024)
    assert (options.plaintext, options.tls, options.key, options.metadata) == (False, None, None, ())
    tls = TlsOptions()
    assert (tls.ca_file, tls.require_certificate_validation, tls.server_name_override) == (None, False, None)
    session = OpenSessionOptions()
    assert (session.client_session_name, session.requested_backend) == ("", "")
    assert (session.command_timeout, session.correlation_id) == (None, "")


def test_a_message_may_have_an_element_for_each_sixteen_of_its_bytes_unless_told_otherwise() -> None:
    assert ClientOptions().element_limit == 1_048_576
    assert ClientOptions(max_receive_bytes=64 * 1024 * 1024).element_limit == 4_194_304
    assert ClientOptions(max_receive_bytes=1000).element_limit == 16_384
    assert ClientOptions(max_decoded_elements=5).element_limit == 5


@pytest.mark.parametrize("cls", [ClientOptions, TlsOptions, OpenSessionOptions])
def test_options_are_frozen_and_given_by_name(cls: type) -> None:
    options = cls()
    for each in dataclasses.fields(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, each.name, None)
    with pytest.raises(TypeError):
        cls("by position")


@each_row(
    ("fields", "text"),
    [
        ({"connect_timeout": 0}, "connect_timeout is 0"),
        ({"connect_timeout": -1.0}, "connect_timeout is -1.0"),
        ({"connect_timeout": math.nan}, "connect_timeout is nan"),
        ({"call_timeout": 0.0}, "call_timeout is 0.0"),
        ({"call_timeout": -math.inf}, "call_timeout is -inf"),
        ({"max_receive_bytes": 0}, "max_receive_bytes is 0"),
        ({"max_receive_bytes": 2**32}, "max_receive_bytes is 4294967296"),
        ({"max_send_bytes": -5}, "max_send_bytes is -5"),
        ({"max_decoded_elements": 0}, "max_decoded_elements is 0"),
        ({"max_decoded_elements": 2**32}, "max_decoded_elements is 4294967296"),
        ({"max_decoded_elements": 1.5}, "max_decoded_elements is 1.5"),
        ({"max_listed_bytes": 0}, "max_listed_bytes is 0"),
        ({"plaintext": True, "tls": TlsOptions()}, "plaintext and tls contradict each other"),
        ({"api_key": ""}, "the API key is empty"),
        ({"api_key": f"{KEY}\r\nx: y"}, "a character at position 22"),
        ({"metadata": (("authorization", "x"),)}, "'authorization' is reserved"),
    ],
)
def test_a_value_out_of_its_range_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        ClientOptions(**fields)
    assert text in caught.value.message
    assert SECRET not in str(caught.value)
    assert (caught.value.phase, caught.value.grpc_status) == ("request", None)


@each_row("name", ["", ".gw", "gw..plant", "x" * 64, "a b", "gw\0", "gw:5001", "[::1]", "\ud800"])
def test_a_server_name_that_tls_cannot_ask_for_is_refused(name: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="server_name_override is"):
        TlsOptions(server_name_override=name)


@each_row("name", ["gw", "gw.plant.example", "under_score", "10.0.0.7", "::1", "größe.example"])
def test_host_names_and_addresses_are_server_names(name: str) -> None:
    assert TlsOptions(server_name_override=name).server_name_override == name


@each_row("value", [None, 1, 0.001, 1e9, math.inf])
def test_a_positive_bound_or_none_is_accepted(value: float | None) -> None:
    check_timeout("timeout", value)
    assert ClientOptions(call_timeout=value).call_timeout == value
    assert CallOptions(timeout=value).timeout == value


@each_row("value", [0, -1, -0.0, math.nan, -math.inf])
def test_any_other_bound_is_refused_for_a_call_too(value: float) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="timeout is"):
        CallOptions(timeout=value)


@each_row("pair", [("x", ""), ("x-trace", "a b c"), ("x.y_z-0", "~!"), ("trace-bin", "AAEC"), ("0", "value")])
def test_metadata_that_http2_can_carry_is_accepted(pair: tuple[str, str]) -> None:
    assert list(check_metadata([pair])) == [pair]
    assert ClientOptions(metadata=(pair,)).metadata == (pair,)
    assert CallOptions(metadata=(pair,)).metadata == (pair,)


@each_row(
    ("name", "value", "why"),
    [
        ("", "x", "not a lower-case header name"),
        ("X-Trace", "x", "not a lower-case header name"),
        ("x trace", "x", "not a lower-case header name"),
        ("x:trace", "x", "not a lower-case header name"),
        (":path", "x", "not a lower-case header name"),
        ("x\n", "x", "not a lower-case header name"),
        ("größe", "x", "not a lower-case header name"),
        *[
            (name, "x", "is reserved")
            for name in (
                "authorization", "te", "content-type", "content-length", "user-agent", "host", "connection",
                "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "grpc-timeout", "grpc-anything",
            )
        ],
        ("x", "line\nfeed", "not printable ASCII"),
        ("x", "nul\0", "not printable ASCII"),
        ("x", "größe", "not printable ASCII"),
        ("x", "tab\t", "not printable ASCII"),
        ("x", " leading", "begins or ends with a space"),
        ("x", "trailing ", "begins or ends with a space"),
    ],
)  # fmt: skip
def test_metadata_that_http2_cannot_carry_is_refused(name: str, value: str, why: str) -> None:
    for refuse in (lambda: ClientOptions(metadata=((name, value),)), lambda: CallOptions(metadata=((name, value),))):
        with pytest.raises(MxGatewayInvalidRequestError, match=why) as caught:
            refuse()
        assert str(caught.value).isprintable()


def test_overrides_replace_fields_and_are_checked_again() -> None:
    options = ClientOptions(connect_timeout=3.0, api_key=KEY)
    assert merge_options(ClientOptions, options, {}) is options
    merged = merge_options(ClientOptions, options, {"call_timeout": 7.0})
    assert (merged.connect_timeout, merged.call_timeout, merged.key) == (3.0, 7.0, ApiKey(KEY))
    assert merge_options(ClientOptions, None, {"plaintext": True}) == ClientOptions(plaintext=True)
    with pytest.raises(MxGatewayInvalidRequestError):
        merge_options(ClientOptions, options, {"call_timeout": -1})
    with pytest.raises(TypeError, match="no_such_option"):
        merge_options(ClientOptions, options, {"no_such_option": 1})


def test_a_session_may_say_how_long_a_command_takes() -> None:
    assert OpenSessionOptions(command_timeout=5.0).command_timeout == 5.0
    assert OpenSessionOptions(command_timeout=timedelta(seconds=5)).command_timeout == timedelta(seconds=5)


def test_options_keep_the_key_and_do_not_show_it() -> None:
    options = ClientOptions(api_key=KEY)
    assert options.key == ApiKey(KEY)
    assert ClientOptions(api_key=ApiKey(KEY)) == options
    for shown in (repr(options), str(options), repr(dataclasses.asdict(options)), f"{options}"):
        assert SECRET not in shown
