"""A descriptor set that was damaged at random is a contract, or one error of ours."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway import MxGatewayContractError, MxGatewayError, to_json
from mxgateway.contract import Contract, own_descriptor_set
from mxgateway.wire import WireError
from tests.contract.hostile import GATEWAY, MESSAGES
from tests.contract.permuted import permuted

# -- by chance


MANY = int(os.environ.get("MXGATEWAY_CONTRACT_FUZZ", "600"))


@cache
def originals() -> tuple[bytes, ...]:
    return own_descriptor_set(), permuted(1), permuted(2)


def damaged(chance: random.Random) -> bytes:
    """Return a set with some bytes changed."""
    data = bytearray(chance.choice(originals()))
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        place, other = chance.randrange(len(data)), chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                data[place] ^= 1 << chance.randrange(8)
            case 2:
                del data[place : place + chance.randrange(1, 9)]
            case 3:
                data[place:place] = chance.randbytes(chance.randrange(1, 9))
            case _:
                data[place : place + chance.randrange(30)] = data[other : other + chance.randrange(30)]
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.03 else data)


def changed(chance: random.Random) -> bytes:
    """Return a set in which some declarations are others."""
    files = FileDescriptorSet.FromString(chance.choice(originals()))
    package = [each for each in files.file if each.package == GATEWAY]
    messages = [each for file in package for each in file.message_type if each.field]
    enums = [each for file in package for each in file.enum_type]
    for _ in range(chance.choice((1, 2, 4))):
        one = chance.choice(chance.choice(messages).field)
        other = chance.choice(chance.choice(messages).field)
        match chance.randrange(9):
            case 0:
                one.type = cast("Any", chance.randrange(1, 19))
            case 1:
                one.label = cast("Any", chance.randrange(1, 4))
            case 2:
                one.number = chance.choice((1, 15, 16, 2047, 2048, 2**29 - 1, -1, 0))
            case 3:
                one.type, one.type_name = other.type, other.type_name
            case 4:
                one.oneof_index = chance.randrange(-1, 3)
            case 5:
                one.name, one.json_name = other.name, other.json_name
            case 6:
                chance.choice(messages).field.add().CopyFrom(one)
            case 7:
                value = chance.choice(chance.choice(enums).value)
                value.number = chance.choice((0, 1, -1, 2**31 - 1, -(2**31), 7))
            case _:
                one.proto3_optional = chance.random() < 0.5
    return files.SerializeToString()


@pytest.mark.parametrize("make", [damaged, changed])
def test_a_set_that_is_damaged_is_a_contract_or_the_one_error(make: Callable[[random.Random], bytes]) -> None:
    seen: Counter[str] = Counter()
    ours = Contract.builtin()
    for seed in range(MANY):
        chance = random.Random(seed)
        try:
            contract = Contract.load(make(chance))
            assert len(contract.fingerprint) == 64
            assert contract.codec
            assert contract.serving_codec
        except MxGatewayContractError as error:
            assert str(error).isprintable(), (seed, str(error))
            seen["refused"] += 1
            continue
        ours.compare(contract)
        contract.compare(ours)
        for each in MESSAGES:
            try:
                data = contract.encode(each)
                assert contract.decode(type(each), data) == each, seed
                seen["spoken"] += 1
                found = contract.decode(type(each), chance.randbytes(chance.randrange(30)) + data)
                contract.extra(found)
                to_json(found)
                contract.encode(found)
            except (WireError, MxGatewayError) as error:
                assert str(error).isprintable(), (seed, str(error))
                seen["not spoken"] += 1
    assert min(seen.values()) > MANY // 100
