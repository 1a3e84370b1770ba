"""The .proto files hold what the contract's tables say: every name, number, type and mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from tests.contract.protos import PROTOS, parsed

EXPECTED = Path(__file__).with_name("expected_contract.txt")
PUBLISHED = " published"


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    return parsed(PROTOS, tmp_path_factory.mktemp("protoc"))


@pytest.fixture(scope="module")
def expected() -> list[str]:
    lines = EXPECTED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_protos_hold_every_row_of_the_tables_and_nothing_else(
    contract: FileDescriptorSet, expected: list[str]
) -> None:
    present = [fact for file in contract.file for fact in facts_of(file)]

    assert sorted(present) == sorted(expected)


def test_every_published_number_is_listed_in_the_readme(expected: list[str]) -> None:
    rows = [line for line in (PROTOS / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    published = [line.removesuffix(PUBLISHED) for line in expected if line.endswith(PUBLISHED)]
    assert len(published) == 78

    for fact in published:
        owner, name = fact.split(" ")[0].rsplit(".", 2)[1:]
        number = fact.split(" ")[2]
        assert any(f"`{owner}`" in row and f"`{name}` {number}" in row for row in rows), fact


def test_the_readme_lists_no_number_that_is_not_published(expected: list[str]) -> None:
    listed = re.findall(r"`\w+` \d+", (PROTOS / "README.md").read_text(encoding="utf-8"))

    assert len(listed) == sum(line.endswith(PUBLISHED) for line in expected)


def test_every_message_enum_oneof_service_and_call_has_a_comment(contract: FileDescriptorSet) -> None:
    bare = [name for file in contract.file for name in uncommented(file)]

    assert bare == []


def facts_of(file: FileDescriptorProto) -> Iterator[str]:
    marks = {
        tuple(location.path) for location in file.source_code_info.location if "published" in location.trailing_comments
    }
    for index, message in enumerate(file.message_type):
        name = f"{file.package}.{message.name}"
        for position, field in enumerate(message.field):
            yield field_fact(name, message, field) + PUBLISHED * ((4, index, 2, position) in marks)
        yield from (f"{name} reserved {span.start}" for span in message.reserved_range)
        if not message.field:
            yield f"{name} is empty"
    for index, enum in enumerate(file.enum_type):
        for position, value in enumerate(enum.value):
            fact = f"{file.package}.{enum.name}.{value.name} = {value.number}"
            yield fact + PUBLISHED * ((5, index, 2, position) in marks)
    for service in file.service:
        yield from (rpc_fact(f"{file.package}.{service.name}/{rpc.name}", rpc) for rpc in service.method)


def field_fact(message_name: str, message: DescriptorProto, field: FieldDescriptorProto) -> str:
    words = [f"{message_name}.{field.name} = {field.number}"]
    if field.proto3_optional:
        words.append("optional")
    elif field.HasField("oneof_index"):
        words.append(f"oneof {message.oneof_decl[field.oneof_index].name}")
    elif field.label == FieldDescriptorProto.LABEL_REPEATED:
        words.append("repeated")
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return " ".join([*words, field.type_name.removeprefix(".") or scalar])


def rpc_fact(name: str, rpc: MethodDescriptorProto) -> str:
    request = "stream " * rpc.client_streaming + rpc.input_type.removeprefix(".")
    reply = "stream " * rpc.server_streaming + rpc.output_type.removeprefix(".")
    return f"{name} ({request}) returns ({reply})"


def uncommented(file: FileDescriptorProto) -> Iterator[str]:
    commented = {
        tuple(location.path) for location in file.source_code_info.location if location.leading_comments.strip()
    }
    named: dict[int, Iterable[DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto]] = {
        4: file.message_type, 5: file.enum_type, 6: file.service,
    }  # fmt: skip
    for kind, items in named.items():
        yield from (item.name for index, item in enumerate(items) if (kind, index) not in commented)
    for index, message in enumerate(file.message_type):
        written = {
            field.oneof_index for field in message.field if field.HasField("oneof_index") and not field.proto3_optional
        }
        yield from (f"{message.name}'s oneof" for position in written if (4, index, 8, position) not in commented)
    for index, service in enumerate(file.service):
        calls = enumerate(service.method)
        yield from (rpc.name for position, rpc in calls if (6, index, 2, position) not in commented)
