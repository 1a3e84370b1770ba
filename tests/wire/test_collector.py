"""The garbage collector rests while many objects are made, and is afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from mxgateway import proto
from mxgateway.wire import decode, encode
from mxgateway.wire.collector import collector_held


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
    runs: list[str] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        runs.append(phase)

    gc.callbacks.append(note)
    try:
        gc.collect()
        before = len(runs)
        message = decode(proto.BulkReadReply, data)
        during = len(runs) - before
    finally:
        gc.callbacks.remove(note)
    assert during <= 2  # once it is back, it may run at any time
    assert len(message.results) == 2000
