"""A data change without its message: what it costs a program that sees few events, and what it gives one that sees many."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mxgateway import proto, wire
from mxgateway.events import data_change
from mxgateway.events.data_change import DataChange, event_decoder
from mxgateway.wire import Codec, Timestamp, WireError
from mxgateway.wire.compiling import warming
from mxgateway.wire.schema import schema_of

EVENT = proto.MxEvent(
    family=proto.MxEventFamily.ON_DATA_CHANGE,
    session_id="session-1",
    server_handle=1,
    item_handle=2,
    value=proto.MxValue(data_type=proto.MxDataType.DOUBLE, variant_type="VT_R8", double_value=21.5),
    quality=192,
    statuses=[proto.MxStatusProxy(success=-1)],
    worker_sequence=3,
    worker_timestamp=Timestamp(2026, 1, 2),
)


def test_a_program_that_sees_few_events_compiles_nothing_for_them() -> None:
    program = f"""
from mxgateway import wire
from mxgateway.events import data_change
from mxgateway.wire.decode.decoder import BUILTIN
changes = data_change.data_changes(wire.BUILTIN)
reading = changes.read
for _ in range(10):
    assert data_change.event_decoder()({wire.encode(EVENT)!r}).value == 21.5
assert not BUILTIN.linker.functions, BUILTIN.linker.functions
assert changes.read == reading
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_few_and_many_events_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "ALLOWANCE", 4096)
    decode_event, data = event_decoder(Codec.of(schema_of)), wire.encode(EVENT)
    seen = set()
    for _ in range(100):
        change = decode_event(data)
        assert isinstance(change, DataChange)
        seen.add((change.value, change.quality, change.worker_sequence, change.worker_time, change.source_time))
    assert seen == {(21.5, 192, 3, Timestamp(2026, 1, 2).timestamp(), None)}


def test_a_data_change_has_no_dict_of_its_own() -> None:
    change = data_change.data_change(EVENT)
    assert not hasattr(change, "__dict__")
    assert (change.family, change.replay_gap) == (proto.MxEventFamily.ON_DATA_CHANGE, None)


def test_a_faulty_event_is_refused_with_place_and_reason() -> None:
    data = wire.encode(EVENT)
    for _ in range(100):
        with pytest.raises(WireError, match=r"MxEvent.* at byte \d+: "):
            event_decoder()(data[:-1])
