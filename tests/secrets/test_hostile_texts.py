"""Texts and header values that nobody has thought of: whatever they are, one clean line comes out, no secret is in it, and no document breaks."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mxgateway import Gate, Secret
from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.errors.faults import TransportFault
from mxgateway.errors.redaction import LONGEST_TEXT
from mxgateway.transport.http2.reply_headers import Headers
from mxgateway.transport.streams.reply_status import fault_of_response, fault_of_status
from mxgateway_cli.terminal.text import clean, json_text, pass_through, shown
from tests.rows import each_row
from tests.secrets.awkward import KEYS, PASSWORDS, forms
from tests.wire.profiles import FUZZ_SECONDS

PIECES = [
    " ", "  ", "\t", "\n", "\r\n", "\0", "\x1b]0;t\x07", "\x1b[31m", "\u00a0", "\u202e", "\u2028", "\ud800", "'", '"', "\\", ",", ";", ")", "}", "<<", ">>", "://", "@", "mxgw_", "mxgw_a_b",
    "Bearer ", "api key '", "http://u:p@h", "{", '{"message":', "null", "true", "e", "0", "\u00e9", "\u5bc6", "a\u0301", "\U0001f512", "the gateway refused", "%41", "***", "x" * 300,
]  # fmt: skip
HEADERS = [b":status", b"grpc-status", b"grpc-message", b"content-type", b"x-other"]
VALUES = [
    b"",
    b"0",
    b"00",
    b"13",
    b"99",
    b"-1",
    b"200",
    b"503",
    b"application/grpc",
    b"text/html",
    b"%",
    b"%zz",
    b"%E2%82",
    b"\xff\xfe",
    b"a" * 5000,
    b"\x1b[31m",
]


def draws(run: int, count: int) -> Iterator[random.Random]:
    for number in range(count):
        yield random.Random(f"{run}.{number}")


def noise(draw: random.Random) -> str:
    pieces = draw.choices(PIECES, k=draw.randrange(12))
    pieces += [
        "".join(
            chr(draw.choice((draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x110000))))
            for _ in range(draw.randrange(9))
        )
    ]
    return "".join(draw.sample(pieces, len(pieces))) * draw.choice((1, 1, 1, 1, 2, 40))


def secret(draw: random.Random) -> str:
    """Return a secret: one of those that are known to be awkward, or a new one."""
    return draw.choice((*PASSWORDS, *KEYS)) if draw.random() < 0.7 else noise(draw)[:40] or "x"


def try_text(draw: random.Random) -> None:
    hidden = [secret(draw) for _ in range(draw.randrange(1, 4))]
    said = "".join(
        part
        for each in hidden
        for part in (
            noise(draw),
            f"<<{draw.choice(sorted(forms(each)))[2:-2] if draw.random() < 0.3 else each}>>",
            noise(draw),
        )
    )
    gate = Gate(map(Secret, hidden))
    line = gate.line(said)
    assert line.isprintable()
    assert "  " not in line
    assert len(line) <= LONGEST_TEXT
    for each in hidden:
        _assert_gone(gate.hide(said), each, said)
        _assert_gone(line, each, said)
        _assert_gone(line, " ".join(each.split()), said)
    pass_through(gate)
    try:
        _assert_documents_hold(said, hidden)
    finally:
        pass_through(Gate())


def _assert_gone(text: str, hidden: str, said: str) -> None:
    if hidden.strip():
        assert f"<<{hidden}>>" not in text, said
    if len(hidden) >= 8 and "***" not in hidden:
        assert hidden not in text, said


def _assert_documents_hold(said: str, hidden: list[str]) -> None:
    document: dict[str, Any] = {each: each for each in hidden} | {
        "said": said,
        "list": [said, 0, True, None, 1.5],
        "e": {"true": 0, "0": "e"},
    }
    read = json.loads(json_text(document))
    assert list(read) == list(document)
    assert read["list"][1:] == [0, True, None, 1.5]
    assert next(iter(read["e"].items())) == ("true", 0)
    for text in (clean(said), shown(said)):
        assert "\x1b" not in text
        assert "\n" not in text
    for each in hidden:
        _assert_gone(read["said"], each, said)
        _assert_gone(shown(said), each, said)


def try_headers(draw: random.Random) -> None:
    hidden = secret(draw)
    value = draw.choice((noise(draw).encode("utf-8", "replace"), draw.randbytes(draw.randrange(30)), *VALUES))
    headers: Headers = {
        name: draw.choice((value, draw.choice(VALUES), f"<<{hidden}>>".encode("utf-8", "replace")))
        for name in draw.sample(HEADERS, draw.randrange(6))
    }
    for fault in (fault_of_response(headers), fault_of_status(headers)):
        if fault is not None:
            site = CallSite(endpoint="gw:5001", method="MxAccessGateway/Invoke", gate=Gate([Secret(hidden)]))
            _assert_clean(map_fault(fault, site), hidden)
            _assert_clean(fault, hidden)


def _assert_clean(error: MxGatewayError | TransportFault, hidden: str) -> None:
    for text in (str(error), *map(str, error.args), getattr(error, "message", "")):
        assert text.isprintable()
        assert len(text) < 2 * LONGEST_TEXT
        _assert_gone(text, hidden, text)


@each_row("run", range(4))
def test_a_text_comes_out_as_one_clean_line_without_a_secret(run: int) -> None:
    for draw in draws(run, 250):
        try_text(draw)


def test_header_values_become_one_clean_error() -> None:
    for draw in draws(0, 1500):
        try_headers(draw)


@pytest.mark.skipif(not FUZZ_SECONDS, reason="MXGATEWAY_FUZZ_SECONDS says how long to search")
def test_a_long_search_finds_nothing_either() -> None:
    end, run = time.monotonic() + FUZZ_SECONDS, int(time.time())
    while time.monotonic() < end:
        run += 1
        for draw in draws(run, 50):
            try_text(draw)
            try_headers(draw)
