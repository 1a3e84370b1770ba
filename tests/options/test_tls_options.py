"""TLS options and proxies are checked where they are made: contradictions, fingerprints and URLs, in one line that shows no secret."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import ClientOptions, Endpoint, HttpProxy, Secret, TlsOptions
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import read_fingerprint
from tests.peers.tracebacks import told
from tests.rows import each_row

PAIRS = ":".join(["0A", "BC"] * 16)
DIGITS = PAIRS.replace(":", "")
PASSWORD = "opt10ns-p4ssword"


def test_nothing_is_verified_shown_or_kept_by_default() -> None:
    tls = TlsOptions()
    assert (tls.pin, tls.pins, tls.known_gateways) == (None, (), None)
    assert (tls.client_cert, tls.client_key, tls.client_key_password, tls.key_password) == (None, None, None, None)
    assert (ClientOptions().proxy, ClientOptions().http_proxy) == (None, None)


# -- pins


@each_row(
    "text",
    [
        PAIRS,
        PAIRS.lower(),
        DIGITS,
        DIGITS.lower(),
        f"sha256:{PAIRS}",
        f"SHA256:{DIGITS.lower()}",
        f"SHA256={PAIRS}",
        f"sha256 Fingerprint={PAIRS}",
        f"SHA-256: {PAIRS}",
        f"  {PAIRS}\n",
        PAIRS.replace(":", " "),
    ],
)
def test_a_fingerprint_is_read_however_a_tool_writes_it(text: str) -> None:
    assert TlsOptions(pin=text).pins == (PAIRS,)
    assert TlsOptions(pin=text).pin == (PAIRS,)


@each_row(
    ("text", "why"),
    [
        ("", "it has 0 hex digits"),
        ("sha256:", "it has 0 hex digits"),
        (DIGITS[:40], "it has 40 hex digits"),
        (DIGITS + "00", "it has 66 hex digits"),
        (DIGITS[:-1] + "g", "other than hex digits"),
        ("SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLiFhYkdkcnUSFBW3o", "other than hex digits"),
        (f"sha1:{DIGITS}", "other than hex digits"),
        ("٠" * 64, "other than hex digits"),
    ],
)
def test_what_is_no_fingerprint_is_refused_with_the_way_to_get_one(text: str, why: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="is not a SHA-256 fingerprint") as caught:
        TlsOptions(pin=text)
    assert why in caught.value.message
    assert "openssl x509" in caught.value.hint
    assert str(caught.value).isprintable()


@given(st.binary(min_size=32, max_size=32))
def test_every_fingerprint_is_read_back(digest: bytes) -> None:
    assert read_fingerprint(digest.hex()) == read_fingerprint(digest.hex(":").upper()) == digest.hex(":").upper()


def test_several_pins_are_alternatives_for_a_roll_over() -> None:
    other = DIGITS.replace("BC", "DE")
    tls = TlsOptions(pin=[DIGITS, other, PAIRS])
    assert tls.pins == (PAIRS, PAIRS.replace("BC", "DE"))
    assert dataclasses.replace(tls, server_name_override="gw").pins == tls.pins
    assert hash(tls) == hash(TlsOptions(pin=(PAIRS, other)))


@pytest.mark.parametrize("pins", [[], ()])
def test_no_pin_at_all_in_a_list_is_no_way_to_trust_anybody(pins: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="pin is an empty list"):
        TlsOptions(pin=pins)


@each_row("pins", [b"", b"x", 5, False, 0, {}, [None], ["", PAIRS], [" "]])
def test_what_is_no_pin_at_all_is_never_a_pin_that_was_left_out(pins: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="pin"):
        TlsOptions(pin=pins)


# -- combinations


@each_row(
    ("fields", "text"),
    [
        ({"known_gateways": "f", "ca_file": "ca.pem"}, "known_gateways and ca_file contradict each other"),
        (
            {"known_gateways": "f", "require_certificate_validation": True},
            "known_gateways and require_certificate_validation contradict each other",
        ),
        ({"known_gateways": Path("f"), "pin": PAIRS}, "known_gateways and pin contradict each other"),
        ({"client_key": "k.pem"}, "client_key is given without client_cert"),
        ({"client_key_password": PASSWORD}, "client_key_password is given without client_cert"),
        ({"ca_file": ""}, "ca_file is empty"),
        ({"known_gateways": ""}, "known_gateways is empty"),
        ({"client_cert": ""}, "client_cert is empty"),
        ({"client_cert": "c.pem", "client_key": ""}, "client_key is empty"),
        ({"client_cert": "c.pem", "client_key_password": ""}, "client_key_password is empty"),
        ({"client_cert": "c.pem", "client_key_password": Secret("")}, "client_key_password is empty"),
        ({"ca_file": " \t"}, "ca_file is empty"),
        ({"ca_file": b"ca.pem"}, "ca_file is b'ca.pem'"),
        ({"ca_file": False}, "ca_file is False"),
        ({"known_gateways": 0}, "known_gateways is 0"),
        ({"require_certificate_validation": ""}, "require_certificate_validation is ''"),
        ({"require_certificate_validation": None}, "require_certificate_validation is None"),
        ({"require_certificate_validation": 0}, "require_certificate_validation is 0"),
        ({"server_name_override": ""}, "server_name_override is ''"),
        ({"server_name_override": 5}, "server_name_override is 5"),
        ({"client_cert": "c.pem", "client_key_password": PASSWORD, "pin": "x"}, "the pin 'x'"),
    ],
)
def test_what_cannot_go_together_is_refused_without_showing_a_password(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        TlsOptions(**fields)
    assert text in caught.value.message
    assert caught.value.hint
    assert PASSWORD not in told(caught.value)


@each_row(
    "fields",
    [
        {"pin": PAIRS, "ca_file": "ca.pem", "server_name_override": "gw"},
        {"pin": PAIRS, "require_certificate_validation": True},
        {"known_gateways": "f", "server_name_override": "gw", "client_cert": "c.pem"},
        {"client_cert": "c.pem", "client_key": Path("k.pem"), "client_key_password": Secret(PASSWORD)},
        {"client_cert": "both.pem", "client_key_password": PASSWORD},
    ],
)
def test_what_goes_together_is_accepted(fields: dict[str, Any]) -> None:
    tls = TlsOptions(**fields)
    for shown in (repr(tls), str(tls), repr(dataclasses.asdict(tls)), repr(copy.deepcopy(tls))):
        assert PASSWORD not in shown
    if "client_key_password" in fields:
        assert tls.key_password == Secret(PASSWORD)


@pytest.mark.parametrize("tls", [TlsOptions(pin=PAIRS), TlsOptions(known_gateways="f"), TlsOptions(client_cert="c")])
def test_nothing_of_tls_goes_with_plaintext(tls: TlsOptions) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="plaintext and tls contradict each other"):
        ClientOptions(plaintext=True, tls=tls)


@each_row("tls", ["", {}, False, 0, "ca.pem"])
def test_what_is_no_tls_options_is_refused(tls: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="tls is"):
        ClientOptions(tls=tls)


@each_row("plaintext", ["", "false", "true", None, 0, 1])
def test_plaintext_is_asked_for_by_a_boolean_alone(plaintext: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="plaintext is"):
        ClientOptions(plaintext=plaintext)


# -- proxies


@each_row(
    ("url", "host", "port", "credentials"),
    [
        ("http://proxy.plant:3128", "proxy.plant", 3128, None),
        ("HTTP://proxy.plant:3128/", "proxy.plant", 3128, None),
        ("  http://10.0.0.1:8080\n", "10.0.0.1", 8080, None),
        ("http://[::1]:3128", "::1", 3128, None),
        (f"http://op:{PASSWORD}@proxy:1", "proxy", 1, f"op:{PASSWORD}"),
        ("http://op@proxy:1", "proxy", 1, "op:"),
        ("http://op:@proxy:1", "proxy", 1, "op:"),
        ("http://a%40b:c%3Ad%20e@proxy:1", "proxy", 1, "a@b:c:d e"),
        ("http://op:p@ss@proxy:1", "proxy", 1, "op:p@ss"),
        ("http://op:p/a#b?c@proxy:1", "proxy", 1, "op:p/a#b?c"),
    ],
)
def test_a_proxys_url_is_read(url: str, host: str, port: int, credentials: str | None) -> None:
    proxy = HttpProxy.parse(url)
    secret = None if credentials is None else Secret(credentials)
    assert proxy == HttpProxy(host, port, secret)
    assert ClientOptions(proxy=url).proxy == ClientOptions(proxy=proxy).http_proxy == proxy
    assert str(proxy) == f"http://{Endpoint(host, port)}"
    for shown in (str(proxy), repr(proxy), repr(ClientOptions(proxy=url)), repr(dataclasses.asdict(proxy))):
        assert PASSWORD not in shown


@each_row(
    ("url", "why"),
    [
        ("", "does not begin with http://"),
        ("proxy:3128", "does not begin with http://"),
        (f"op:{PASSWORD}@proxy:3128", "does not begin with http://"),
        (f"https://op:{PASSWORD}@proxy:3128", "does not begin with http://"),
        (f"socks5://op:{PASSWORD}@proxy:3128", "does not begin with http://"),
        (f"http://op:{PASSWORD}@proxy", "host and port cannot be read"),
        (f"http://op:{PASSWORD}@proxy:{PASSWORD}", "host and port cannot be read"),
        (f"http://op:{PASSWORD}@:3128", "host and port cannot be read"),
        (f"http://op:{PASSWORD}@http://proxy:3128", "host and port cannot be read"),
        (f"http://op:{PASSWORD}", "host and port cannot be read"),
        (f"http://:{PASSWORD}@proxy:3128", "the user name is missing"),
        ("http://@proxy:3128", "the user name is missing"),
        (f"http://o%3Ap:{PASSWORD}@proxy:3128", "the user name has a colon"),
        (f"http://op:{PASSWORD}%0D%0AX: y@proxy:3128", "a control character"),
        (f"http://op:{PASSWORD}%FF@proxy:3128", "not UTF-8 text"),
        (f"http://op:{PASSWORD}\ud800@proxy:3128", "not UTF-8 text"),
    ],
)
def test_what_is_no_proxys_url_is_refused_without_showing_it(url: str, why: str) -> None:
    for refuse in (lambda: HttpProxy.parse(url), lambda: ClientOptions(proxy=url)):
        with pytest.raises(MxGatewayInvalidRequestError, match="the proxy URL is malformed") as caught:
            refuse()
        assert why in caught.value.message
        assert "http://user:password@host:port" in caught.value.hint
        assert PASSWORD not in told(caught.value)


@given(st.text())
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    try:
        shown = str(HttpProxy.parse("http://" + text))
    except MxGatewayInvalidRequestError as refused:
        shown = str(refused)
    assert shown.isprintable()
