"""Every message of the contract: the same bytes as google.protobuf, the same message as betterproto."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from tests.rows import each_row
from tests.wire.compiling import contract_google, contract_types
from tests.wire.messages import as_betterproto_can, google_messages
from tests.wire.profiles import bounded

TYPES = sorted(contract_types().items())


@each_row(("full_name", "message_type"), TYPES)
@given(data=st.data())
@bounded(10)
def test_a_message_of_google_protobuf_comes_back_byte_for_byte(
    full_name: str, message_type: type[Any], data: Any
) -> None:
    encoded = data.draw(google_messages(contract_google()(full_name))).SerializeToString(deterministic=True)
    decoded = wire.decode(message_type, encoded)
    assert wire.encode(decoded) == encoded
    assert wire.decode(message_type, wire.encode(decoded)) == decoded


def hides_something(message: Any) -> bool:
    """Tell whether a message holds what its repr does not show: a password, or the value of a secured write."""
    fields = vars(message)
    if fields.get("verify_user_password") or ("Secured" in type(message).__name__ and "value" in fields):
        return True
    held = [each for value in fields.values() for each in (value if isinstance(value, list) else [value])]
    return any(hides_something(each) for each in held if dataclasses.is_dataclass(each))


@each_row(("full_name", "message_type"), TYPES)
@given(data=st.data())
@bounded(4)
def test_a_decoded_message_is_what_betterproto_parses(
    stock_contract: Callable[[str], Any], full_name: str, message_type: type[Any], data: Any
) -> None:
    message = as_betterproto_can(data.draw(google_messages(contract_google()(full_name))))
    encoded = message.SerializeToString(deterministic=True)
    parsed = stock_contract(full_name)().parse(encoded)
    ours = wire.decode(message_type, encoded)
    assert repr(ours) == repr(parsed) or hides_something(ours)
    again = wire.decode(type(parsed), encoded)
    assert again == parsed or "nan" in repr(parsed)  # no list with a NaN equals another one
    assert repr(again) == repr(parsed)
