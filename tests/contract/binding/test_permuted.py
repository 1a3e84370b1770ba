"""The permuted contracts are what they are said to be, and a gateway that is not ours speaks one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet

from mxgateway.contract import DifferenceKind, compare, own_descriptor_set
from mxgateway.contract.proto_files.folder import descriptor_set_of
from tests.contract.permuted import ALL, Changes, permuted, write_protos
from tests.contract.proto_text import SCALARS
from tests.contract.protos import PROTOS, ROOT, compiled, descriptor_set
from tests.peers.grpcio_gateway import SERVICE, GrpcioGateway
from tests.peers.protobuf_messages import shipped_contract
from tests.rows import each_row

SEEDS = range(5)
NOTHING = Changes(
    field_numbers=False, enum_numbers=False, files=False, fields=False, values=False, messages=False, rpcs=False
)
KINDS = {
    "field_numbers": {DifferenceKind.FIELD_NUMBER},
    "enum_numbers": {DifferenceKind.ENUM_VALUE_NUMBER},
    "files": set(),
    "fields": {DifferenceKind.ADDED_FIELD},
    "values": {DifferenceKind.ADDED_ENUM_VALUE},
    "messages": {DifferenceKind.ADDED_MESSAGE, DifferenceKind.ADDED_ENUM},
    "rpcs": {DifferenceKind.ADDED_RPC},
}
"""How each change shows."""


def own_files(data: bytes) -> dict[str, Any]:
    return {file.name: file for file in FileDescriptorSet.FromString(data).file if file.package != "google.protobuf"}


def differences(data: bytes) -> Counter[DifferenceKind]:
    """Count the differences from the shipped contract; the entries of added maps are no messages of their own."""
    found = compare(own_descriptor_set(), data)
    return Counter(difference.kind for difference in found if not difference.where.endswith("Entry"))


def messages(data: bytes) -> Iterator[tuple[str, DescriptorProto]]:
    def below(scope: str, found: Any) -> Iterator[tuple[str, DescriptorProto]]:
        for message in found:
            yield f"{scope}.{message.name}", message
            yield from below(f"{scope}.{message.name}", message.nested_type)

    for file in own_files(data).values():
        yield from below(file.package, file.message_type)


@pytest.mark.parametrize("seed", SEEDS)
def test_protoc_and_the_reader_of_protos_make_the_same_contract_of_its_files(seed: int, tmp_path: Path) -> None:
    data = permuted(seed)
    folder = write_protos(data, tmp_path / "protos")
    assert own_files(descriptor_set(folder, tmp_path)) == own_files(data)
    assert own_files(descriptor_set_of(folder)) == own_files(data)


@each_row("seed", SEEDS)
def test_every_number_is_another_one_and_all_names_are_still_there(seed: int) -> None:
    data = permuted(seed)
    numbers = {name: {field.name: field.number for field in message.field} for name, message in messages(data)}
    before = {
        name: {field.name: field.number for field in message.field} for name, message in messages(own_descriptor_set())
    }
    for name, fields in before.items():
        assert not {field for field, number in fields.items() if numbers[name][field] == number}
    found = differences(data)
    assert found[DifferenceKind.FIELD_NUMBER] == sum(map(len, before.values()))
    values = [
        value for file in own_files(own_descriptor_set()).values() for enum in file.enum_type for value in enum.value
    ]
    assert found[DifferenceKind.ENUM_VALUE_NUMBER] == sum(value.number != 0 for value in values)
    breaking = {kind for kind in found if not kind.is_note}
    assert breaking == {DifferenceKind.FIELD_NUMBER, DifferenceKind.ENUM_VALUE_NUMBER}


@each_row("seed", SEEDS)
def test_tags_of_every_length_and_numbers_that_meant_something_else_occur(seed: int) -> None:
    before = {name: {field.number for field in message.field} for name, message in messages(own_descriptor_set())}
    numbers = {
        name: [field.number for field in message.field]
        for name, message in messages(permuted(seed)) if not message.options.map_entry
    }  # fmt: skip
    every = [number for each in numbers.values() for number in each]
    assert not [number for number in every if 19_000 <= number < 20_000 or not 0 < number < 2**29]
    for low, high in ((1, 15), (16, 2047), (2048, 262_143), (262_144, 2**29 - 1)):
        assert sum(low <= number <= high for number in every) > 30
    assert sum(len(before[name].intersection(numbers[name])) for name in before) > 100


@each_row("seed", SEEDS)
def test_files_are_split_and_none_needs_a_later_one(seed: int) -> None:
    files = FileDescriptorSet.FromString(permuted(seed)).file
    assert not {file.name for file in files} & {path.name for path in PROTOS.glob("*.proto")}
    packages = Counter(file.package for file in files)
    assert packages.keys() == {file.package for file in FileDescriptorSet.FromString(own_descriptor_set()).file}
    assert all(packages[file.package] > 1 for file in own_files(own_descriptor_set()).values())
    seen: set[str] = set()
    for file in files:
        assert seen.issuperset(file.dependency)
        seen.add(file.name)


@each_row("seed", SEEDS)
def test_fields_of_every_kind_are_added(seed: int) -> None:
    known = {f"{name}.{field.name}" for name, message in messages(own_descriptor_set()) for field in message.field}
    added: Counter[str] = Counter()
    in_known_messages = 0
    of = FieldDescriptorProto
    entries = {f".{name}" for name, message in messages(permuted(seed)) if message.options.map_entry}
    for name, message in messages(permuted(seed)):
        for field in (each for each in message.field if f"{name}.{each.name}" not in known):
            label = "optional " if field.proto3_optional else "repeated " if field.label == of.LABEL_REPEATED else ""
            label = "oneof " if not label and field.HasField("oneof_index") else label
            kind = "map" if field.type_name in entries else of.Type.Name(field.type)
            added[label.replace("repeated ", "") + kind if kind == "map" else label + kind] += 1
            in_known_messages += any(each.startswith(f"{name}.") for each in known)
    scalars = [of.Type.Name(cast("FieldDescriptorProto.Type.ValueType", number)) for number in SCALARS.values()]
    for kind in (*scalars, "TYPE_MESSAGE", "TYPE_ENUM"):
        assert all(added[label + kind] for label in ("", "optional ", "repeated "))
    assert added["map"] >= 3
    assert added["oneof TYPE_MESSAGE"]
    assert sum(added[f"oneof {kind}"] for kind in scalars)
    assert in_known_messages > 50


@pytest.mark.parametrize("name", KINDS)
def test_each_change_can_be_made_alone_and_left_out(name: str, tmp_path: Path) -> None:
    alone = permuted(1, Changes(**{each: each == name for each in KINDS}))
    assert differences(alone).keys() == KINDS[name]
    assert (own_files(alone).keys() != own_files(own_descriptor_set()).keys()) == (name == "files")
    without = permuted(1, Changes(**{each: each != name for each in KINDS}))
    assert not differences(without).keys() & KINDS[name]
    for number, data in enumerate((alone, without)):
        folder = write_protos(data, tmp_path / str(number))
        assert own_files(descriptor_set(folder, tmp_path)) == own_files(data)


def test_without_a_change_the_contract_is_what_it_was() -> None:
    assert differences(permuted(1, NOTHING)) == {}
    assert own_files(permuted(1, NOTHING)).keys() == own_files(own_descriptor_set()).keys()


def test_a_seed_gives_the_same_contract_in_every_process_and_another_seed_another_one() -> None:
    code = (
        "import hashlib; from tests.contract.permuted import permuted; print(hashlib.sha256(permuted(3)).hexdigest())"
    )
    found = {hashlib.sha256(permuted(3, ALL)).hexdigest()}
    for seed in "12":
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )  # fmt: skip
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len({permuted(seed) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_gateway_of_grpcio_does_the_main_job_in_a_permuted_contract(seed: int, tmp_path: Path) -> None:
    contract = compiled(write_protos(permuted(seed), tmp_path / "protos"), tmp_path)
    async with GrpcioGateway(contract=contract) as gateway, grpc.aio.insecure_channel(gateway.endpoint) as channel:

        async def call(name: str, **fields: Any) -> Any:
            rpc = contract.rpcs[name]
            stub = channel.unary_unary(f"/{SERVICE}/{name}", rpc.request.SerializeToString, rpc.reply.FromString)
            return await stub(rpc.request(**fields))

        session = (await call("OpenSession", client_session_name="peer")).session_id
        assert session in gateway.sessions

        async def command(kind: str, arm: str, **fields: Any) -> Any:
            command: Any = contract.MxCommand(kind=contract.number(f"MX_COMMAND_KIND_{kind}"), **{arm: fields})
            reply = await call("Invoke", session_id=session, command=command)
            assert reply.protocol_status.code == contract.number("PROTOCOL_STATUS_CODE_OK")
            assert reply.kind == command.kind
            return reply

        handle = (await command("REGISTER", "register", client_name="peer")).register.server_handle
        item = (await command("ADD_ITEM", "add_item", server_handle=handle, item_definition="A.B")).add_item.item_handle
        await command("ADVISE", "advise", server_handle=handle, item_handle=item)
        events = contract.rpcs["StreamEvents"]
        stub = channel.unary_stream(
            f"/{SERVICE}/StreamEvents", events.request.SerializeToString, events.reply.FromString
        )
        stream = stub(events.request(session_id=session))
        event = await stream.read()
        stream.cancel()
        assert event.family == contract.number("MX_EVENT_FAMILY_ON_DATA_CHANGE")
        assert (event.item_handle, event.value.int32_value) == (item, 42)
        assert (await call("CloseSession", session_id=session)).final_state == contract.number("SESSION_STATE_CLOSED")
    opened = gateway.exchanges[0]
    assert opened.parsed.client_session_name == "peer"
    assert opened.request != shipped_contract().OpenSessionRequest(client_session_name="peer").SerializeToString()
