"""The garbage collector rests while many objects are made, and is afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mxgateway import proto
from mxgateway.transport.streams.reply_stream import ReplyLimits, ReplyStream
from mxgateway.wire import BUILTIN, decode, encode
from mxgateway.wire.garbage_collection import collector_held


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    assert gc.isenabled()
    yield
    gc.enable()


def test_it_runs_again_after_the_block_and_after_an_error() -> None:
    with collector_held():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="in the block"), collector_held():
        raise ValueError("in the block")
    assert gc.isenabled()


def test_it_stays_off_for_a_program_that_has_switched_it_off() -> None:
    gc.disable()
    with collector_held(), collector_held():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_it_does_not_run_while_a_long_message_is_decoded() -> None:
    results = [proto.BulkReadResult(tag_address=f"Tank{number}.Level", quality=192) for number in range(2000)]
    data = encode(proto.BulkReadReply(results=results))
    del results
    with runs_of_the_collector() as runs:
        message = decode(proto.BulkReadReply, data)
    assert len(runs) <= 2  # once it is back, it may run at any time
    assert len(message.results) == 2000


async def test_it_does_not_run_while_the_messages_of_one_read_are_decoded() -> None:
    statuses = [proto.MxStatusProxy(detail=number) for number in range(100)]
    events = [encode(proto.MxEvent(worker_sequence=number, statuses=statuses)) for number in range(64)]
    stream = Fed(BUILTIN.decoder_of(proto.MxEvent), ReplyLimits(1 << 20, 1 << 16), BUILTIN.steps_of(proto.MxEvent))
    stream.receive_data([b"\0" + len(each).to_bytes(4, "big") + each for each in events], 1)
    with runs_of_the_collector() as runs:
        batch = await stream.messages()
    assert len(runs) <= 2
    assert len(batch) == 64


class Fed(ReplyStream[proto.MxEvent]):
    """A reply without a peer."""

    def credit(self, size: int) -> None:
        """Nobody waits for credit."""


@contextmanager
def runs_of_the_collector() -> Iterator[list[str]]:
    """Note the begin and the end of each run of the collector in the block."""
    runs: list[str] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        runs.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield runs
    finally:
        gc.callbacks.remove(note)
