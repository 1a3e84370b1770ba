"""`mxgateway.contract.compare` finds every difference between two contracts, and tells notes from breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mxgateway.contract import (
    ContractError,
    Difference,
    DifferenceKind,
    PackageSummary,
    compare,
    own_descriptor_set,
    summarize,
)
from tests.contract.protos import PROTOS, descriptor_set, write_protos
from tests.contract.renumber import renumber
from tests.rows import each_row

PLANT = """
package plant.v1;
import "google/protobuf/timestamp.proto";
message Tank {
  int32 level = 1;
  repeated string tags = 2;
  optional int32 hresult = 3;
  Unit unit = 4;
  google.protobuf.Timestamp since = 5;
  oneof content { string liquid = 6; bytes gas = 7; }
  int32 spare = 8;
  message Lid { bool open = 1; }
  map<string, Lid> lids = 9;
}
message Empty {}
enum Unit { UNIT_UNSPECIFIED = 0; UNIT_LITRE = 1; }
service Plant {
  rpc Read(Empty) returns (Tank);
  rpc Watch(Empty) returns (stream Tank);
}
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("ours")
    return descriptor_set(write_protos(folder / "protos", plant=PLANT), folder)


class Variant:
    """The plant contract with one text replaced, compiled and compared with the original."""

    def __init__(self, ours: bytes, folder: Path) -> None:
        self.ours = ours
        self.folder = folder

    def __call__(self, old: str, new: str) -> list[Difference]:
        assert PLANT.count(old) == 1
        protos = write_protos(self.folder / "protos", plant=PLANT.replace(old, new))
        return compare(self.ours, descriptor_set(protos, self.folder))


@pytest.fixture
def variant(ours: bytes, tmp_path: Path) -> Variant:
    return Variant(ours, tmp_path)


def test_a_contract_is_equal_to_itself(ours: bytes) -> None:
    assert compare(ours, ours) == []


def test_the_clients_own_contract_is_equal_to_itself() -> None:
    assert compare(own_descriptor_set(), own_descriptor_set()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  int32 spare = 8;\n", "", "missing field: plant.v1.Tank.spare (ours number 8)"),
        ("spare = 8", "spare = 10", "other number: plant.v1.Tank.spare (ours 8, theirs 10)"),
        ("int32 level", "int64 level", "other type: plant.v1.Tank.level (ours int32, theirs int64)"),
        ("Unit unit", "int32 unit", "other type: plant.v1.Tank.unit (ours enum plant.v1.Unit, theirs int32)"),
        (
            "string liquid",
            "Lid liquid",
            "other type: plant.v1.Tank.liquid (ours string, theirs message plant.v1.Tank.Lid)",
        ),
        ("repeated string tags", "string tags", "other label: plant.v1.Tank.tags (ours repeated, theirs singular)"),
        (
            "optional int32 hresult",
            "int32 hresult",
            "other presence: plant.v1.Tank.hresult (ours explicit, theirs implicit)",
        ),
        ("int32 level", "optional int32 level", "other presence: plant.v1.Tank.level (ours implicit, theirs explicit)"),
        ("bool open = 1", "bool open = 2", "other number: plant.v1.Tank.Lid.open (ours 1, theirs 2)"),
        ("UNIT_LITRE = 1", "UNIT_LITRE = 2", "other enum value: plant.v1.Unit.UNIT_LITRE (ours 1, theirs 2)"),
        (" UNIT_LITRE = 1;", "", "missing enum value: plant.v1.Unit.UNIT_LITRE (ours 1)"),
        ("  rpc Read(Empty) returns (Tank);\n", "", "missing RPC: plant.v1.Plant/Read"),
        ("Read(Empty)", "Read(Tank)", "other request: plant.v1.Plant/Read (ours plant.v1.Empty, theirs plant.v1.Tank)"),
        (
            "Read(Empty) returns (Tank)",
            "Read(Empty) returns (Empty)",
            "other reply: plant.v1.Plant/Read (ours plant.v1.Tank, theirs plant.v1.Empty)",
        ),
        (
            "Read(Empty) returns (Tank)",
            "Read(Empty) returns (stream Tank)",
            "other streaming: plant.v1.Plant/Read (ours unary-unary, theirs unary-stream)",
        ),
        (
            "Read(Empty) returns (Tank)",
            "Read(stream Empty) returns (Tank)",
            "other streaming: plant.v1.Plant/Read (ours unary-unary, theirs stream-unary)",
        ),
    ],
    ids=lambda text: text if ": " in text else "",
)
def test_one_difference_is_one_breaking_line(variant: Variant, old: str, new: str, said: str) -> None:
    (difference,) = variant(old, new)

    assert str(difference) == said
    assert difference.is_breaking


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("int32 spare = 8;", "int32 spare = 8; int32 more = 10;", "added field: plant.v1.Tank.more"),
        ("bytes gas = 7;", "bytes gas = 7; Empty none = 10;", "added field: plant.v1.Tank.none"),
        ("message Empty {}", "message Empty {} message Pump {}", "added message: plant.v1.Pump"),
        ("message Empty {}", "message Empty { message Inner {} }", "added message: plant.v1.Empty.Inner"),
        ("message Empty {}", "message Empty {} enum Mode { OFF = 0; }", "added enum: plant.v1.Mode"),
        ("UNIT_LITRE = 1;", "UNIT_LITRE = 1; UNIT_GALLON = 2;", "added enum value: plant.v1.Unit.UNIT_GALLON"),
        ("service Plant {", "service Plant { rpc Stop(Empty) returns (Empty);", "added RPC: plant.v1.Plant/Stop"),
    ],
    ids=lambda text: text if ": " in text else "",
)
def test_what_the_other_side_adds_is_a_note(variant: Variant, old: str, new: str, said: str) -> None:
    (difference,) = variant(old, new)

    assert str(difference) == said
    assert not difference.is_breaking


def test_a_field_that_leaves_its_oneof_is_found(variant: Variant) -> None:
    differences = variant("string liquid = 6; bytes gas = 7; }", "string liquid = 6; } bytes gas = 7;")

    assert [str(difference) for difference in differences] == [
        "other oneof: plant.v1.Tank.gas (ours in content, theirs in none)",
        "other presence: plant.v1.Tank.gas (ours explicit, theirs implicit)",
    ]


def test_a_field_in_a_oneof_of_another_name_is_found(variant: Variant) -> None:
    differences = variant("oneof content", "oneof filling")

    assert [str(difference) for difference in differences] == [
        "other oneof: plant.v1.Tank.liquid (ours in content, theirs in filling)",
        "other oneof: plant.v1.Tank.gas (ours in content, theirs in filling)",
    ]


def test_optional_on_a_message_field_changes_nothing(variant: Variant) -> None:
    assert variant("google.protobuf.Timestamp since", "optional google.protobuf.Timestamp since") == []


def test_a_renamed_field_is_missing_with_a_hint_at_what_has_its_number(variant: Variant) -> None:
    missing, added = variant("int32 spare = 8", "int32 reserve = 8")

    assert str(missing) == "missing field: plant.v1.Tank.spare (ours number 8, theirs number 8 is reserve)"
    assert str(added) == "added field: plant.v1.Tank.reserve"


def test_a_missing_message_and_a_missing_enum_are_found(ours: bytes, tmp_path: Path) -> None:
    body = "package plant.v1;\nmessage Tank {}\nservice Plant { rpc Read(Tank) returns (Tank); }"
    theirs = descriptor_set(write_protos(tmp_path / "protos", plant=body), tmp_path)

    found = {(difference.kind, difference.where) for difference in compare(ours, theirs)}

    assert (DifferenceKind.MISSING_MESSAGE, "plant.v1.Empty") in found
    assert (DifferenceKind.MISSING_MESSAGE, "plant.v1.Tank.Lid") in found
    assert (DifferenceKind.MISSING_ENUM, "plant.v1.Unit") in found
    assert (DifferenceKind.MISSING_RPC, "plant.v1.Plant/Watch") in found


def test_breaks_come_before_notes(variant: Variant) -> None:
    differences = variant("message Empty {}", "message Pump {} message Empty { int32 a = 1; }")
    moved = variant("int32 level = 1;", "int32 depth = 10; int64 level = 1;")

    assert [difference.is_breaking for difference in differences] == [False, False]
    assert [difference.kind for difference in moved] == [DifferenceKind.FIELD_TYPE, DifferenceKind.ADDED_FIELD]


def test_the_files_a_contract_is_split_into_do_not_matter(ours: bytes, tmp_path: Path) -> None:
    enum_start = PLANT.index("enum Unit")
    service_start = PLANT.index("service Plant")
    protos = write_protos(
        tmp_path / "protos",
        units="package plant.v1;\n" + PLANT[enum_start:service_start],
        messages=PLANT[:enum_start].replace("import", 'import "units.proto";\nimport', 1),
        service='package plant.v1;\nimport "messages.proto";\n' + PLANT[service_start:],
        unrelated="package site.v1;\nmessage Extra {}",
    )

    assert compare(ours, descriptor_set(protos, tmp_path)) == []


def test_an_absent_package_breaks_only_when_a_client_calls_it(tmp_path: Path) -> None:
    protos = tmp_path / "protos"
    protos.mkdir()
    for name in ("galaxy_repository.proto", "mxaccess_gateway.proto"):
        (protos / name).write_bytes((PROTOS / name).read_bytes())
    without_worker = compare(own_descriptor_set(), descriptor_set(protos, tmp_path))
    (protos / "galaxy_repository.proto").unlink()
    without_galaxy = compare(own_descriptor_set(), descriptor_set(protos, tmp_path))

    assert without_worker == [Difference(DifferenceKind.ABSENT_PACKAGE, "mxaccess_worker.v1")]
    assert [difference.is_breaking for difference in without_worker] == [False]
    assert without_galaxy[0] == Difference(DifferenceKind.MISSING_PACKAGE, "galaxy_repository.v1")
    assert without_galaxy[0].is_breaking


def test_every_number_that_a_gateway_may_have_otherwise_is_found(tmp_path: Path) -> None:
    changed = renumber(PROTOS, tmp_path / "protos")

    differences = compare(own_descriptor_set(), descriptor_set(tmp_path / "protos", tmp_path))

    assert len(differences) == changed > 500
    assert {item.kind for item in differences} == {DifferenceKind.FIELD_NUMBER, DifferenceKind.ENUM_VALUE_NUMBER}


def test_source_comments_do_not_matter(ours: bytes, tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", plant=PLANT.replace("message Empty", "// Nothing.\nmessage Empty"))

    assert compare(ours, descriptor_set(protos, tmp_path, "--include_source_info")) == []


@each_row(
    "garbage", [b"", b"\x00", b'syntax = "proto3";\n', b"\xff" * 40, own_descriptor_set()[:-3], b"\x0a\x02\x08\x01"]
)
def test_what_is_no_descriptor_set_is_refused_in_one_line(ours: bytes, garbage: bytes) -> None:
    with pytest.raises(ContractError) as caught:
        compare(ours, garbage)

    text = str(caught.value)
    assert text.startswith("the other contract is not a FileDescriptorSet as written by protoc --descriptor_set_out: ")
    assert "\n" not in text
    assert isinstance(caught.value, ValueError)


def test_a_summary_counts_what_each_package_defines(ours: bytes) -> None:
    assert summarize(ours) == [PackageSummary("plant.v1", messages=4, enums=1, rpcs=2)]
    assert {package.name: package.rpcs for package in summarize(own_descriptor_set())} == {
        "galaxy_repository.v1": 5,
        "mxaccess_gateway.v1": 7,
        "mxaccess_worker.v1": 0,
    }
