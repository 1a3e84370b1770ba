"""Lists of numbers declared with `packed = false`: written one by one, read in both forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from mxgateway.wire.decode import reference_reader as reader
from mxgateway.wire.decode.steps import DecodingSteps
from mxgateway.wire.encode import reference_writer as writer
from mxgateway.wire.schema import DEPTH_LIMIT, schema_of
from tests.rows import each_row
from tests.wire.conftest import Constructs
from tests.wire.messages import google_messages
from tests.wire.profiles import bounded


@given(data=st.data())
@bounded(60)
def test_an_unpacked_list_is_written_as_google_protobuf_writes_it(constructs: Constructs, data: Any) -> None:
    message = data.draw(google_messages(constructs.google("UnpackedLists")))
    encoded, ours = message.SerializeToString(deterministic=True), constructs.ours.UnpackedLists
    decoded = wire.decode(ours, encoded)
    assert wire.encode(decoded) == writer.write(schema_of(ours), decoded, DEPTH_LIMIT) == encoded
    assert wire.encode(wire.from_json(ours, wire.to_json(decoded))) == encoded


@given(data=st.data())
@bounded(60)
def test_both_forms_of_a_list_are_read_and_the_declared_one_is_written(constructs: Constructs, data: Any) -> None:
    # The numbers of the fields are those of a Lists, whose lists are packed.
    packed = data.draw(google_messages(constructs.google("Lists"), depth=0))
    for name in ("strings", "byte_strings"):
        packed.ClearField(name)
    unpacked = constructs.google("UnpackedLists").FromString(packed.SerializeToString())
    forms = [each.SerializeToString(deterministic=True) for each in (packed, unpacked)]
    for name, written in (("Lists", forms[0]), ("UnpackedLists", forms[1])):
        message_type = getattr(constructs.ours, name)
        twice = constructs.google(name).FromString(forms[0] + forms[1]).SerializeToString(deterministic=True)
        for encoded in forms:
            assert wire.encode(wire.decode(message_type, encoded)) == written
            assert wire.encode(reader.read(schema_of(message_type), encoded, DEPTH_LIMIT)) == written
        assert wire.encode(wire.decode(message_type, forms[0] + forms[1])) == twice


@each_row("name", ["Lists", "UnpackedLists"])
@each_row("of", ["Lists", "UnpackedLists"])
def test_a_large_list_in_either_form_is_read_in_steps(constructs: Constructs, name: str, of: str) -> None:
    lists = {"int32s": list(range(-20_000, 20_000)), "doubles": [number / 8 for number in range(20_000)]}
    encoded = constructs.google(of)(**lists).SerializeToString(deterministic=True)
    steps: DecodingSteps[Any] = DecodingSteps(getattr(constructs.ours, name), encoded, 10**6)
    while not steps.run(0.001):
        pass
    assert (steps.message.int32_s, steps.message.doubles) == (lists["int32s"], lists["doubles"])
    written = constructs.google(name)(**lists).SerializeToString(deterministic=True)
    assert wire.encode(steps.message) == written


def test_a_wrong_number_in_an_unpacked_list_is_named(constructs: Constructs) -> None:
    with pytest.raises(wire.WireError, match=r"UnpackedLists.int32_s: 2147483648 is out of the range of int32"):
        wire.encode(constructs.ours.UnpackedLists(int32_s=[1, 2**31]))
