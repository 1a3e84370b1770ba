"""An endpoint is what a person writes: host and port, with or without a scheme, and nothing that only looks like it."""

from __future__ import annotations

import re
import stringprep
import sys
import traceback
import unicodedata
from collections.abc import Callable

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import Endpoint, HttpProxy, TlsOptions
from mxgateway.errors import MxGatewayInvalidRequestError
from tests.rows import each_row


@each_row(
    ("text", "endpoint"),
    [
        ("localhost:5000", Endpoint("localhost", 5000)),
        ("gw.plant.example:5001", Endpoint("gw.plant.example", 5001)),
        ("10.0.0.7:1", Endpoint("10.0.0.7", 1)),
        ("GW-01:65535", Endpoint("GW-01", 65535)),
        ("under_score:5000", Endpoint("under_score", 5000)),
        ("[::1]:5000", Endpoint("::1", 5000)),
        ("[fe80::1%eth0]:5000", Endpoint("fe80::1%eth0", 5000)),
        ("http://localhost:5000", Endpoint("localhost", 5000, "http")),
        ("https://gw.plant:5001", Endpoint("gw.plant", 5001, "https")),
        ("HTTPS://gw.plant:5001/", Endpoint("gw.plant", 5001, "https")),
        ("https://[::1]:5001/", Endpoint("::1", 5001, "https")),
        ("  localhost:5000\n", Endpoint("localhost", 5000)),
        ("localhost:00080", Endpoint("localhost", 80)),
        ("zürich.example:5000", Endpoint("xn--zrich-kva.example", 5000)),
        ("ZÜRICH.example.:5000", Endpoint("xn--zrich-kva.example.", 5000)),
        ("straße.example:5000", Endpoint("xn--strae-oqa.example", 5000)),
        ("STRAẞE.example:5000", Endpoint("xn--strae-oqa.example", 5000)),
        ("βόλος.example:5000", Endpoint("xn--nxasmm1c.example", 5000)),
        ("ΒΌΛΟΣ.example:5000", Endpoint("xn--nxasmq6b.example", 5000)),
        ("ｇｗ。plant:5000", Endpoint("gw.plant", 5000)),
    ],
)
def test_what_people_write_is_read(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint


@each_row(
    ("text", "why"),
    [
        ("", "the port is missing"),
        ("localhost", "the port is missing"),
        ("localhost:", "the port is missing"),
        ("https://localhost", "the port is missing"),
        (":5000", "the host is missing"),
        ("http://:5000", "the host is missing"),
        ("localhost:0", "is not a number from 1 to 65535"),
        ("localhost:65536", "is not a number from 1 to 65535"),
        ("localhost:-1", "is not a number"),
        ("localhost:+80", "is not a number"),
        ("localhost:5000x", "is not a number"),
        ("localhost:5 000", "is not a number"),
        ("localhost:٥٠٠٠", "is not a number"),
        ("localhost:" + "9" * 5000, "is not a number"),
        ("localhost:5000/path", "is not a number"),
        ("http://localhost:5000/path", "is not a number"),
        ("::1:5000", "must be in brackets"),
        ("[::1]", "the port is missing"),
        ("::1", "must be in brackets"),
        ("[::1:5000", "must be in brackets"),
        ("[not-an-address]:5000", "is not an IPv6 address"),
        ("[127.0.0.1]:5000", "is not an IPv6 address"),
        ("[]:5000", "is not an IPv6 address"),
        ("ftp://localhost:5000", "the scheme is 'ftp'"),
        ("dns:///localhost:5000", "the scheme is 'dns'"),
        ("//localhost:5000", "not allowed in a host name"),
        ("a b:5000", "not allowed in a host name"),
        ("a\tb:5000", "not allowed in a host name"),
        ("user@host:5000", "not allowed in a host name"),
        ("host?x:5000", "not allowed in a host name"),
        ("host#x:5000", "not allowed in a host name"),
        ("a\\b:5000", "not allowed in a host name"),
        ("a\x00b:5000", "not allowed in a host name"),
        ("\ud800:5000", "not allowed in a host name"),
        ("ü" * 100 + ":5000", "is not a host name"),
        ("ß" * 60 + ":5000", "is not a host name"),
        ("zürich..example:5000", "is not a host name"),
        (".:5000", "the host is missing"),
        ("ﬁlter.example:5000", "is not allowed in IDNA 2008"),
        ("gw①.example:5000", "is not allowed in IDNA 2008"),
        ("gw\u200d.example:5000", "not allowed in a host name"),
        ("xn--ß.example:5000", "is not allowed in IDNA 2008"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_part_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        Endpoint.parse(text)
    error = caught.value
    assert why in error.message
    assert "localhost:5000" in error.hint
    assert str(error).isprintable()
    assert (error.phase, error.grpc_status, error.retryable) == ("request", None, False)


@given(st.text())
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except MxGatewayInvalidRequestError as refused:
        shown = str(refused)
    else:
        assert 1 <= endpoint.port <= 65535
        assert endpoint.host.isascii()
        shown = str(endpoint)
    assert shown.isprintable()


@given(st.text(st.sampled_from("aZ09-_.äÖßẞςΣσé\u0301日本ｇ。①ﬁ\u200dאİıK☃"), min_size=1, max_size=12))
def test_a_name_is_never_made_another_one_than_in_idna_2008(host: str) -> None:
    try:
        found = Endpoint.parse(f"{host}:1").host
        expected = idna.encode(host, uts46=True, transitional=False).decode()
    except (MxGatewayInvalidRequestError, idna.IDNAError):
        return
    assert found.lower() == expected


hosts = st.one_of(
    st.from_regex(
        r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?){0,3}",
        fullmatch=True,
    ),
    st.ip_addresses().map(str),
)


@given(hosts, st.integers(1, 65535), st.sampled_from(["", "http", "https"]))
def test_what_an_endpoint_shows_is_read_back_as_the_same(host: str, port: int, scheme: str) -> None:
    endpoint = Endpoint(host, port)
    assert Endpoint.parse(str(endpoint)) == endpoint
    if scheme:
        assert Endpoint.parse(f"{scheme}://{endpoint}") == Endpoint(host, port, scheme)


@given(hosts, st.integers(1, 65535))
def test_a_text_that_was_read_shows_itself_the_same_way_for_ever(host: str, port: int) -> None:
    once = str(Endpoint.parse(str(Endpoint(host, port))))
    assert str(Endpoint.parse(once)) == once


def confusing_characters() -> list[str]:
    """Return the characters that become something else than letters and digits in a host name, or nothing."""
    found = []
    for code in range(0x80, sys.maxunicode + 1):
        plain = unicodedata.normalize("NFKC", char := chr(code))
        if any(each.isascii() and not each.isalnum() for each in plain) or stringprep.in_table_b1(char):
            found.append(char)
    return found


@pytest.mark.parametrize(
    "read", [lambda text: Endpoint.parse(text).host, lambda text: HttpProxy.parse(f"http://{text}").host]
)
def test_no_character_becomes_a_blank_or_a_mark_in_a_host_name(read: Callable[[str], str]) -> None:
    confusing = confusing_characters()
    assert {"\u00a8", "\uff0f", "\uff20", "\uff1a", "\uff05", "\u2100", "\ufe0f"} <= set(confusing)
    for char in confusing:
        for host in (char, f"gw{char}", f"{char}gw", f"gw{char}evil.example"):
            try:
                found = read(f"{host}:1")
            except MxGatewayInvalidRequestError:
                continue
            assert re.fullmatch("[a-z0-9_.-]+", found), (host, found)


@each_row("char", ["\u00a8", "\u2100", "\uff05", "\uff0f", "\uff1a", "\uff20", "\ufe0f"])
def test_a_server_name_takes_none_of_them_either(char: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="server_name_override"):
        TlsOptions(server_name_override=f"gw{char}plant")


SECRET = "hunter2SECRET"


@each_row(
    "text",
    [
        f"user:{SECRET}@gw:1", f"{SECRET}@gw:1", f"https://user:{SECRET}@gw:1", f"https://user:{SECRET}'x@gw:1",
        f"http://user:{SECRET} x@gw:1", f"https://{SECRET}@[::1]:1/", "http://u:" + SECRET * 60 + "@h:1", f"gw:1?token={SECRET}",
        f"https://gw:1/?api_key={SECRET}", f"https://gw:1/#{SECRET}", f"a@{SECRET}:1", f"user:{SECRET}@", f"@{SECRET}",
    ],
)  # fmt: skip
def test_a_password_in_an_endpoint_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        Endpoint.parse(text)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.args}"
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(caught.tb) if frame.f_code.co_filename != __file__]
    assert SECRET not in repr(frames)
