"""The compiled functions and the reference code agree, and what real peers send needs the compiled ones only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from mxgateway.wire.decode import reference_reader as reader
from mxgateway.wire.encode import reference_writer as writer
from mxgateway.wire.schema import DEPTH_LIMIT, schema_of
from tests.rows import each_row
from tests.wire.conftest import Constructs
from tests.wire.messages import google_messages
from tests.wire.profiles import bounded

NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Nothing", "Names"]


@each_row("name", NAMES)
@given(data=st.data())
@bounded(25)
def test_both_read_and_write_the_same(constructs: Constructs, name: str, data: Any) -> None:
    encoded = data.draw(google_messages(constructs.google(name))).SerializeToString(deterministic=True)
    for classes in (constructs.ours, constructs.stock):
        message_type = getattr(classes, name)
        compiled = wire.decode(message_type, encoded)
        reference = reader.read(schema_of(message_type), encoded, DEPTH_LIMIT)
        assert repr(reference) == repr(compiled)
        assert vars(reference).keys() == vars(compiled).keys()
        assert reference._group_current == compiled._group_current
        assert writer.write(schema_of(message_type), compiled, DEPTH_LIMIT) == wire.encode(reference) == encoded


@each_row("name", NAMES)
@given(data=st.data())
@bounded(25)
def test_what_google_protobuf_writes_needs_no_reference_code(constructs: Constructs, name: str, data: Any) -> None:
    encoded = data.draw(google_messages(constructs.google(name))).SerializeToString(deterministic=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "read", _refuse)
        patch.setattr(writer, "write", _refuse)
        assert wire.encode(wire.decode(getattr(constructs.ours, name), encoded)) == encoded


def _refuse(*_: Any) -> Any:
    raise AssertionError("the reference code was called")
