"""Every message by a permuted contract: the bytes are google.protobuf's for that contract, there and back."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import to_json_dict
from mxgateway.contract import Contract
from tests.contract.permuted import ALL, Changes, permuted
from tests.rows import each_row
from tests.wire.compiling import Google, contract_types
from tests.wire.messages import google_messages
from tests.wire.profiles import bounded

SEEDS = [1, 2, 3, 4, 5]
RENUMBERED = Changes(fields=False, values=False, messages=False, rpcs=False)
TYPES = {name: each for name, each in sorted(contract_types().items()) if not name.startswith("mxaccess_worker")}


@cache
def world(seed: int, changes: Changes) -> tuple[Contract, Google]:
    data = permuted(seed, changes)
    return Contract.load(data), Google(FileDescriptorSet.FromString(data))


@each_row("full_name", TYPES)
@given(data=st.data(), seed=st.sampled_from(SEEDS))
@bounded(10)
def test_a_message_that_both_know_comes_back_byte_for_byte(full_name: str, data: Any, seed: int) -> None:
    contract, google = world(seed, RENUMBERED)
    encoded = data.draw(google_messages(google(full_name))).SerializeToString(deterministic=True)
    decoded = contract.decode(TYPES[full_name], encoded)
    assert contract.encode(decoded) == encoded
    assert contract.decode(TYPES[full_name], contract.encode(decoded)) == decoded
    assert contract.extra(decoded) == {}


@each_row("full_name", TYPES)
@given(data=st.data(), seed=st.sampled_from(SEEDS))
@bounded(10)
def test_what_the_gateway_adds_goes_back_as_it_came(full_name: str, data: Any, seed: int) -> None:
    contract, google = world(seed, ALL)
    message = data.draw(google_messages(google(full_name)))
    encoded = message.SerializeToString(deterministic=True)
    decoded = contract.decode(TYPES[full_name], encoded)
    back = contract.encode(decoded)
    assert google(full_name).FromString(back).SerializeToString(deterministic=True) == encoded
    assert contract.encode(contract.decode(TYPES[full_name], back)) == back
    known = {each.name for each in world(seed, RENUMBERED)[1](full_name).DESCRIPTOR.fields}
    added = {field.name for field, _ in message.ListFields() if field.name not in known}
    assert contract.extra(decoded).keys() == added
    to_json_dict(decoded)
