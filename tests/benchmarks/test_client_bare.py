"""The bare contender reads everything, however its bytes are split; otherwise it would not be comparable."""

from __future__ import annotations

from itertools import islice

import pytest

from mxgateway.transport.http2 import frames
from tests.benchmarks import http2, samples
from tests.benchmarks.client_bare import BareStream
from tests.benchmarks.http2 import Splitter
from tests.rows import each_row

PINGED = b"12345678"


def _wire(messages: list[bytes]) -> bytes:
    """Return a PING, and each message in a separate frame."""
    sent = [http2.frame(frames.PING, 0, 0, PINGED)]
    for message in messages:
        framed = b"\0" + len(message).to_bytes(4) + message
        sent.append(http2.frame(frames.DATA, 0, http2.STREAM, framed))
    return b"".join(sent)


@each_row("size", [1, 7, 100, 10_000])
def test_frames_are_whole_however_the_bytes_are_cut(size: int) -> None:
    messages = list(islice(samples.events(), 3))
    wire, splitter = _wire(messages), Splitter()
    found = [each for at in range(0, len(wire), size) for each in splitter.frames_of(wire[at : at + size])]

    assert found[0] == (frames.PING, 0, PINGED)
    assert [payload[5:] for kind, _, payload in found if kind == frames.DATA] == messages


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_the_bare_contender_decodes_every_event(size: int) -> None:
    stream, wire = BareStream(), _wire(list(islice(samples.events(), 3)))[frames.HEADER_SIZE + len(PINGED) :]
    for at in range(0, len(wire), size):
        stream.data_received(wire[at : at + size])

    assert [event.worker_sequence for event in stream.events] == [1, 2, 3]


def test_pings_and_settings_are_acknowledged_and_nothing_else() -> None:
    assert http2.reply_due(frames.PING, 0, PINGED) == http2.frame(frames.PING, frames.ACK, 0, PINGED)
    assert http2.reply_due(frames.SETTINGS, 0, b"") == http2.frame(frames.SETTINGS, frames.ACK, 0, b"")
    assert http2.reply_due(frames.SETTINGS, frames.ACK, b"") == b""
    assert http2.reply_due(frames.DATA, 0, b"") == b""
