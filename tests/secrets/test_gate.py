"""What the gate hides, where, and what it leaves as it is."""

from __future__ import annotations

import base64
import html
import json
from typing import Any
from urllib.parse import quote

import pytest

from mxgateway import ApiKey, ClientOptions, Gate, HttpProxy, Secret, TlsOptions, redact
from mxgateway.errors.redaction import LONGEST_TEXT
from tests.secrets.awkward import ways_out

AWKWARD = "a\"b\\c  d\te+f<g>&'h"


@pytest.mark.parametrize(
    "form",
    [
        AWKWARD, " ".join(AWKWARD.split()), json.dumps(AWKWARD), repr(AWKWARD), quote(AWKWARD, safe=""), html.escape(AWKWARD),
        r"a\u0022b\\c  d\te\u002Bf\u003Cg\u003E\u0026\u0027h",
    ],
)  # fmt: skip
def test_a_secret_is_hidden_in_the_forms_in_which_other_programs_write_it(form: str) -> None:
    shown = Gate([Secret(AWKWARD)]).line(f"refused {form} today")
    assert "***" in shown
    assert not any(piece in shown for piece in ('a"b', "u0022b", "d e", "+f", "h today"))


SCRIPTS = "p\u00e4ss/w\u00f6rd \u5bc6\u7801'\U0001f511"


@pytest.mark.parametrize(
    "form",
    [
        r"p\u00E4ss/w\u00F6rd \u5BC6\u7801\u0027\uD83D\uDD11", json.dumps(json.dumps(SCRIPTS)), json.dumps(SCRIPTS).replace("/", "\\/"),
        "p&#228;ss/w&#246;rd \u5bc6\u7801&#39;&#128273;", SCRIPTS.replace("'", "&apos;"), SCRIPTS.replace("'", "&#x27;"), ascii(SCRIPTS),
        quote(SCRIPTS), quote(SCRIPTS, safe="").lower(), quote(SCRIPTS, safe="").replace("%20", "+"), str(SCRIPTS.encode()),
        "".join(SCRIPTS.split()),
    ],
)  # fmt: skip
def test_other_scripts_are_hidden_in_the_forms_of_other_programs_as_well(form: str) -> None:
    assert Gate([Secret(SCRIPTS)]).line(f"refused <<{form}>> today").count("***") == 1


@pytest.mark.parametrize(
    "wrong", ["pl41n-text", b"byt35", bytearray(b"byt35"), Secret(b"byt35"), Secret(["l15t"]), ["l15t"], 123, None]
)
def test_what_is_no_secret_is_refused_and_shows_in_no_frame(wrong: Any) -> None:
    for make in (lambda: Gate([Secret("long-enough"), wrong]), lambda: Gate().add(wrong)):
        with pytest.raises(TypeError, match="a gate hides a Secret") as caught:
            make()
        told = "".join(text for _, text in ways_out(caught.value))
        assert not any(piece in told for piece in ("pl41n", "byt35", "l15t"))


def test_a_password_in_a_url_shows_no_part_where_the_text_is_cut() -> None:
    url = "http://bob:" + "s3cr3t" * 10 + "@proxy "
    for begin in range(LONGEST_TEXT - 90, LONGEST_TEXT):
        assert "s3cr" not in Gate().line("x " * (begin // 2) + url + "y" * 1000)


def test_the_words_of_our_own_hints_stay_and_hide_nothing_else_beside_them() -> None:
    for hint in ("http://user:password@host:port", "http://[user:password@]host:port", "mxgw_<key-id>_<secret>"):
        assert redact(hint) == hint
    for text in ("http://bob:s3cr3t@h/?user:password@x", "http://s3cr3t-user:password@h", "mxgw_<key-id>_<s3cr3t>"):
        assert "s3cr3t" not in redact(text)


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("e", "the e of we, e.g. (e) 'e' e", "the *** of we, ***.g. (***) '***' ***"),
        ("e", "e", "***"),
        ("true", "true, untrue and was_true", "***, untrue and was_true"),
        ("0", "0 of 10, 0.5 and 00", "*** of 10, ***.5 and 00"),
        ("  ", "two  blanks", "two  blanks"),
        ("  ", "  ", "***"),
        ("long-password", "xlong-passwordx", "x***x"),
        ("mxgw_id_0123456789", "mxgw_id_0123456789, 0123456789", "mxgw_id_***, mxgw_id_***"),
        ("mxgw_id_01", "mxgw_id_01, 01", "mxgw_id_***, 01"),
        ("", "an empty one is none", "an empty one is none"),
    ],
)
def test_a_long_secret_is_hidden_anywhere_and_a_short_one_as_a_word(secret: str, text: str, shown: str) -> None:
    kind = ApiKey if secret.startswith("mxgw_") else Secret
    assert Gate([kind(secret)]).hide(text) == shown


def test_only_the_texts_among_the_values_of_a_document_are_changed() -> None:
    document = {"true": True, "e": ["e", 0, None, {"0": "0", "e": 1.5}], "text": "e 0 true"}
    gate = Gate(map(Secret, ("e", "0", "true")))
    assert gate.values(document) == {"true": True, "e": ["***", 0, None, {"0": "***", "e": 1.5}], "text": "*** *** ***"}


def test_a_secret_that_stands_across_the_cut_shows_in_no_part() -> None:
    secret = "s3cr3t" * 20
    gate = Gate([Secret(secret)])
    for begin in range(LONGEST_TEXT - 130, LONGEST_TEXT + 10):
        line = gate.line("x" * begin + secret + "y" * 10_000)
        assert "s3cr" not in line
        assert len(line) <= LONGEST_TEXT
        assert line.endswith(" [cut]")


def test_what_is_cut_off_is_told_and_a_text_of_the_length_allowed_is_whole() -> None:
    assert Gate().line("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert Gate().line("x" * (LONGEST_TEXT + 1)).endswith("x [cut]")


def test_a_gate_stands_in_front_of_another_and_forgets_what_it_was_told() -> None:
    outer = Gate([Secret("of-the-client")])
    inner, password = Gate(behind=outer), Secret("of-the-call")
    inner.add(password)
    inner.add(password)
    assert inner.hide("of-the-client of-the-call") == "*** ***"
    assert outer.hide("of-the-client of-the-call") == "*** of-the-call"
    inner.forget(password)
    assert inner.hide("of-the-call") == "***"
    inner.forget(password)
    assert inner.hide("of-the-client of-the-call") == "*** of-the-call"
    assert "of-the" not in repr(inner) + repr(outer) + repr(outer._replacers)


def test_the_options_tell_what_is_secret_in_them() -> None:
    options = ClientOptions(
        api_key="mxgw_id_0123456789", proxy=HttpProxy.parse("http://bob:p%40ss-word@proxy:1"),
        tls=TlsOptions(client_cert="c.pem", client_key_password="of-the-key"),
    )  # fmt: skip
    basic = base64.b64encode(b"bob:p@ss-word").decode()
    text = Gate(options.secrets()).hide(
        f"mxgw_id_0123456789 bob:p@ss-word p@ss-word p%40ss-word {basic} of-the-key bob"
    )
    assert text == "mxgw_id_*** *** *** *** *** *** bob"
