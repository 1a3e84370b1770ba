"""What the gate hides, where, and what it leaves as it is."""

from __future__ import annotations

import base64
import html
import json
import random
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

import pytest

from mxgateway import ApiKey, ClientOptions, Gate, HttpProxy, Secret, TlsOptions, proto, redact
from mxgateway.calling.replies import MOST_LOOKED_AT, hide_secrets
from mxgateway.errors.redaction import LONGEST_ESCAPED, LONGEST_TEXT
from tests.rows import each_row
from tests.secrets.awkward import KEYS, PASSWORDS, ways_out

AWKWARD = "a\"b\\c  d\te+f<g>&'h"


@each_row(
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


@each_row(
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


def _by_u(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04X}"


Spelling = Callable[[str], str]

WITH_BACKSLASHES: tuple[Spelling, ...] = (
    _by_u,
    lambda char: _by_u(char).lower(),
    lambda char: f"\\U{ord(char):08x}",
    lambda char: f"\\x{ord(char):02x}" if ord(char) < 0x100 else _by_u(char),
    lambda char: f"\\{ord(char):03o}" if ord(char) < 0x100 else _by_u(char),
    lambda char: f"\\{char}" if char in "\\\"'/" else _by_u(char),
)
IN_URLS: tuple[Spelling, ...] = (
    lambda char: f"%{ord(char):02x}" if char.isascii() else quote(char),
    lambda char: f"%{ord(char):02X}" if char.isascii() else quote(char).lower(),
)
IN_HTML: tuple[Spelling, ...] = (
    lambda char: f"&#{ord(char)};",
    lambda char: f"&#x{ord(char):X};",
    lambda char: html.escape(char) if html.escape(char) != char else f"&#{ord(char)};",
)
"""Ways in which a program may write one character."""


def _mixed(text: str, spellings: tuple[Spelling, ...], luck: random.Random) -> str:
    """Return a text in which every character that must be escaped is, and some others are, each in a way of its own."""
    return "".join(luck.choice(spellings)(char) if char in "\\%&" or luck.random() < 0.4 else char for char in text)


@each_row("secret", [*PASSWORDS, *KEYS])
def test_a_secret_is_hidden_however_each_of_its_characters_is_escaped(secret: str) -> None:
    luck, gate, marked = random.Random(secret), Gate([Secret(secret)]), f"<<{secret}>>"
    for _ in range(10):
        texts = [_mixed(marked, (*WITH_BACKSLASHES, *IN_URLS, *IN_HTML), luck)]
        for spellings in (WITH_BACKSLASHES, IN_URLS, IN_HTML):
            once = _mixed(marked, spellings, luck)
            texts += once, json.dumps(once), json.dumps(json.dumps(once)), html.escape(once), quote(once)
        for text in texts:
            assert "***" in gate.hide(text), text
            assert gate.may_show(text)


def test_of_a_reply_that_ends_in_an_error_so_much_is_kept_as_was_looked_at() -> None:
    gate = Gate([Secret("a/b+c-long")])
    statuses = [proto.MxStatusProxy(diagnostic_text=f"{number} a/b+c-long") for number in range(MOST_LOOKED_AT + 10)]
    reply = proto.MxCommandReply(statuses=list(statuses))
    hide_secrets(reply, gate, everywhere=True)
    assert len(reply.statuses) == MOST_LOOKED_AT
    assert {status.diagnostic_text.partition(" ")[2] for status in reply.statuses} == {"***"}
    results = [proto.BulkReadResult(tag_address="a", statuses=list(statuses[:40_000])) for _ in range(3)]
    nested = proto.MxCommandReply(read_bulk=proto.BulkReadReply(results=results))
    hide_secrets(nested, gate, everywhere=True)
    assert [len(result.statuses) for result in nested.read_bulk.results] == [40_000, 50_000 - 3 - 40_000, 0]
    hide_secrets(other := proto.MxCommandReply(statuses=statuses), gate)
    assert len(other.statuses) == MOST_LOOKED_AT + 10


@each_row("piece", ["x", "\\u0041", "%41", "&amp;", "\u5bc6", " "])
def test_a_secret_of_many_megabytes_is_learnt_at_once(piece: str) -> None:
    secret = Secret((piece * 4_000_000)[:4_000_000])
    began = time.process_time()
    gate = Gate([secret])
    assert gate.hide(f"<<{secret.reveal()}>>") == "<<***>>"
    assert time.process_time() - began < 8


@each_row(
    ("text", "shown"),
    [
        (r'{"a":"\u0022", "said":"x a\/b\u002Bc-long y"}', r'{"a":"\u0022", "said":"x *** y"}'),
        ("100 % of C:\\new &amp; a%2Fb&#43;c-long, a/b", "100 % of C:\\new &amp; ***, a/b"),
        (r"\ud83d\udd11a/b\x2bc-long\ud83d", r"\ud83d\udd11***\ud83d"),
        (r"%61/b+c-lon\u0067%", "***%"),
        ("nothing \\u00zz %zz &nosuch; here \\", "nothing \\u00zz %zz &nosuch; here \\"),
    ],
)
def test_only_the_secret_is_taken_out_of_a_text_with_escapes(text: str, shown: str) -> None:
    assert Gate([Secret("a/b+c-long")]).hide(text) == shown


def test_escapes_are_looked_at_in_so_much_of_a_message_and_no_further() -> None:
    gate, escaped = Gate([Secret("a/b+c-long")]), r"a/b\u002bc-long"
    much = "%41" * LONGEST_ESCAPED
    assert gate.hide(escaped + much) == "***" + much
    assert gate.hide(much + "a/b+c-long") == much + "***"
    assert gate.may_show(much + escaped)
    reply = proto.MxCommandReply(session_id=escaped, diagnostic_message=much, correlation_id=escaped + "a/b+c-long")
    hide_secrets(reply, gate, everywhere=True)
    assert [reply.session_id, reply.correlation_id] in (["***", escaped + "***"], ["***", "******"])
    assert "a/b+c-long" not in repr(reply)


@each_row(
    "wrong",
    [
        "pl41n-text",
        b"byt35",
        bytearray(b"byt35"),
        Secret(cast("Any", b"byt35")),
        Secret(cast("Any", ["l15t"])),
        ["l15t"],
        123,
        None,
    ],
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


@each_row(
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
