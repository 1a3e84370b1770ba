"""JSON of every message: what google.protobuf's json_format writes and reads, and back to an equal message."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from mxgateway.wire.messages.message import Message
from tests.rows import each_row
from tests.wire.compiling import contract_google, contract_types
from tests.wire.conftest import Constructs
from tests.wire.messages import google_messages
from tests.wire.profiles import bounded

TYPES = sorted(contract_types().items())
NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Nothing", "Names"]


def check(message: Any, message_type: type[Any]) -> None:
    encoded = message.SerializeToString(deterministic=True)
    decoded = wire.decode(message_type, encoded)
    text = wire.to_json(decoded)
    expected = json_format.MessageToDict(message)
    assert json.loads(text) == expected
    assert _keys(json.loads(text)) == _keys(expected)
    assert wire.to_json_dict(decoded) == expected
    if issubclass(message_type, Message) or "NaN" not in text:  # of which no list of betterproto's equals itself
        assert wire.from_json(message_type, text) == decoded
    assert wire.encode(wire.from_json(message_type, text)) == encoded
    proto_names = json_format.MessageToJson(message, preserving_proto_field_name=True)
    assert wire.encode(wire.from_json(message_type, proto_names)) == encoded
    assert json_format.Parse(text, type(message)()).SerializeToString(deterministic=True) == encoded


def _keys(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _keys(each)) for key, each in value.items()]
    return [_keys(each) for each in value] if isinstance(value, list) else None


@each_row("name", NAMES)
@given(data=st.data())
@bounded(25)
def test_the_json_of_every_construct_is_that_of_google_protobuf(constructs: Constructs, name: str, data: Any) -> None:
    message = data.draw(google_messages(constructs.google(name)))
    check(message, getattr(constructs.ours, name))
    check(message, getattr(constructs.stock, name))


@each_row(("full_name", "message_type"), TYPES)
@given(data=st.data())
@bounded(4)
def test_the_json_of_the_contract_is_that_of_google_protobuf(
    full_name: str, message_type: type[Any], data: Any
) -> None:
    check(data.draw(google_messages(contract_google()(full_name))), message_type)
