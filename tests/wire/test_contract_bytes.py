"""Every message of the contract: the same bytes as google.protobuf, the same message as betterproto."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from tests.wire.compiling import contract_google, contract_types
from tests.wire.messages import as_betterproto_can, google_messages
from tests.wire.profiles import bounded

TYPES = sorted(contract_types().items())


@pytest.mark.parametrize(("full_name", "message_type"), TYPES, ids=[name for name, _ in TYPES])
@given(data=st.data())
@bounded(10)
def test_a_message_of_google_protobuf_comes_back_byte_for_byte(
    full_name: str, message_type: type[Any], data: Any
) -> None:
    encoded = data.draw(google_messages(contract_google()(full_name))).SerializeToString(deterministic=True)
    decoded = wire.decode(message_type, encoded)
    assert wire.encode(decoded) == encoded
    assert wire.decode(message_type, wire.encode(decoded)) == decoded


@pytest.mark.parametrize(("full_name", "message_type"), TYPES, ids=[name for name, _ in TYPES])
@given(data=st.data())
@bounded(4)
def test_a_decoded_message_is_what_betterproto_parses(
    stock_contract: Callable[[str], Any], full_name: str, message_type: type[Any], data: Any
) -> None:
    message = as_betterproto_can(data.draw(google_messages(contract_google()(full_name))))
    encoded = message.SerializeToString(deterministic=True)
    parsed = stock_contract(full_name)().parse(encoded)
    if "verify_user_password" not in vars(parsed):  # which ours does not show
        assert repr(wire.decode(message_type, encoded)) == repr(parsed)
    assert wire.decode(type(parsed), encoded) == parsed
