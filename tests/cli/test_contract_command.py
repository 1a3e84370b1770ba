from __future__ import annotations

import hashlib
from pathlib import Path

from betterproto.lib.google.protobuf import FileDescriptorSet

from mxgateway.contract import own_descriptor_set
from tests.cli.process import mxgw

OWN = own_descriptor_set()


def without_field(name: str) -> bytes:
    files = FileDescriptorSet().parse(OWN)
    for file in files.file:
        for message in file.message_type:
            message.field = [field for field in message.field if field.name != name]
    return bytes(files)


async def test_the_contract_is_summed_up_by_package() -> None:
    outcome = await mxgw("contract", "--json")

    assert outcome.code == 0
    assert list(outcome.document) == ["operation", "packages", "sha256"]
    assert outcome.document["sha256"] == hashlib.sha256(OWN).hexdigest()
    rpcs = {package["name"]: package["rpcs"] for package in outcome.document["packages"]}
    assert rpcs == {"galaxy_repository.v1": 5, "mxaccess_gateway.v1": 7, "mxaccess_worker.v1": 0}


async def test_an_exported_contract_is_compatible_with_its_own_client(tmp_path: Path) -> None:
    file = tmp_path / "own.protoset"

    exported = await mxgw("contract", "--export", str(file), "--json")
    compared = await mxgw("contract", "--descriptor-set", str(file), "--json")

    assert exported.code == 0
    assert file.read_bytes() == OWN
    assert list(exported.document) == ["operation", "file", "bytes", "sha256"]
    assert compared.code == 0
    assert compared.document == {
        "operation": "contract",
        "file": str(file),
        "compatible": True,
        "differences": [],
    }


async def test_a_breaking_difference_is_a_line_of_its_own_and_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "other.protoset"
    file.write_bytes(without_field("quality"))

    table = await mxgw("contract", "--descriptor-set", str(file))
    document = await mxgw("contract", "--descriptor-set", str(file), "--json")

    assert table.code == document.code == 1
    breaking = [line for line in table.out.splitlines() if line.startswith("breaks")]
    assert any("mxaccess_gateway.v1.MxEvent.quality" in line for line in breaking)
    assert table.out.splitlines()[-1] == "not compatible"
    assert table.err == ""
    found = {difference["name"]: difference for difference in document.document["differences"]}
    assert list(found["mxaccess_gateway.v1.MxEvent.quality"]) == ["kind", "name", "ours", "theirs", "breaking"]
    assert found["mxaccess_gateway.v1.MxEvent.quality"]["breaking"] is True


async def test_a_file_that_is_no_contract_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "nonsense"
    file.write_bytes(b"\xff" * 40)

    outcome = await mxgw("contract", "--descriptor-set", str(file))

    assert outcome.code == 2
    assert "is no FileDescriptorSet" in outcome.err
    assert "Traceback" not in outcome.err


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    outcome = await mxgw("contract", "--export", str(tmp_path / "no" / "such" / "folder"))

    assert outcome.code == 1
    assert "cannot be written" in outcome.err
