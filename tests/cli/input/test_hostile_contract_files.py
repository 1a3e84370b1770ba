"""A contract comes from elsewhere: whatever its bytes say, it is compared or refused with one error class, in one line."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from mxgateway.contract import ContractError, compare, own_descriptor_set, summarize
from tests.cli.in_process import run_here
from tests.wire.profiles import FUZZ_SECONDS, mutated

OWN = own_descriptor_set()
Change = Callable[[FileDescriptorSet], object]


def messages(files: FileDescriptorSet) -> Iterator[DescriptorProto]:
    for file in files.file:
        yield from file.message_type


def oneof_of_every_field(files: FileDescriptorSet, index: int) -> None:
    for message in messages(files):
        for field in message.field:
            field.oneof_index = index


def oneofs_taken_out(files: FileDescriptorSet) -> None:
    for message in messages(files):
        del message.oneof_decl[:]


def names_with_controls(files: FileDescriptorSet) -> None:
    for message in messages(files):
        message.name = "Evil\x1b]0;x\x07\x1b[31m\r\n__MXGW_BATCH_EOR__\n\u202e" + message.name
        for field in message.field:
            field.type_name = ".\x1b]52;c;ZXZpbA==\x07"


def names_taken_out(files: FileDescriptorSet) -> None:
    for message in messages(files):
        message.ClearField("name")


def enums_without_values(files: FileDescriptorSet) -> None:
    for file in files.file:
        for enum in file.enum_type:
            del enum.value[:]


def everything_twice(files: FileDescriptorSet) -> None:
    files.MergeFromString(files.SerializeToString())


CHANGES: dict[str, Change] = {
    "a oneof too many": lambda files: oneof_of_every_field(files, 99),
    "a oneof before the first": lambda files: oneof_of_every_field(files, -1),
    "the oneof behind the last": oneofs_taken_out,
    "names with controls": names_with_controls,
    "no names": names_taken_out,
    "enums without values": enums_without_values,
    "everything twice": everything_twice,
}


def changed(case: str) -> bytes:
    files = FileDescriptorSet.FromString(OWN)
    CHANGES[case](files)
    return files.SerializeToString()


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("form", ["table", "json", "value"])
def test_a_hostile_contract_is_compared_or_refused_in_one_line(tmp_path: Path, case: str, form: str) -> None:
    file = tmp_path / "hostile.binpb"
    file.write_bytes(changed(case))

    outcome = run_here("contract", "--descriptor-set", str(file), "-o", form)

    assert outcome.code == (1 if case == "enums without values" else 2)
    assert "internal error" not in outcome.err
    assert len(outcome.err.splitlines()) <= 1
    assert (outcome.out + outcome.err).replace("\n", "").isprintable()


def judge(data: bytes) -> None:
    try:
        compare(OWN, data)
        summarize(data)
    except ContractError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000


def test_damaged_contracts_are_compared_or_refused() -> None:
    draw = random.Random(20261130)
    for _ in range(200):
        judge(mutated(OWN, draw))


@pytest.mark.skipif(not FUZZ_SECONDS, reason="MXGATEWAY_FUZZ_SECONDS says how long to search")
def test_a_long_search_finds_no_other_end_either() -> None:
    draw, end = random.Random(), time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < end:
        data = mutated(OWN, draw)
        try:
            judge(data)
        except BaseException:
            print(data.hex())
            raise
