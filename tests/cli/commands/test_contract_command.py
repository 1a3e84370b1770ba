from __future__ import annotations

import hashlib
from pathlib import Path

from betterproto.lib.google.protobuf import FileDescriptorSet

from mxgateway.contract import Contract, own_descriptor_set
from mxgateway.simulator import SimulatedGateway
from tests.cli.batches import batch
from tests.cli.in_process import mxgw
from tests.contract.loading.test_reflection import ALPHA, grpcio_server
from tests.contract.permuted import permuted, write_protos

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
    assert list(outcome.document) == ["operation", "packages", "sha256", "fingerprint"]
    assert outcome.document["sha256"] == hashlib.sha256(OWN).hexdigest()
    rpcs = {package["name"]: package["rpcs"] for package in outcome.document["packages"]}
    assert rpcs == {"galaxy_repository.v1": 5, "mxaccess_gateway.v1": 7, "mxaccess_worker.v1": 0}


async def test_an_exported_contract_is_compatible_with_its_own_client(tmp_path: Path) -> None:
    file = tmp_path / "own.protoset"

    exported = await mxgw("contract", "--export", str(file), "--json")
    compared = await mxgw("contract", "--descriptor-set", str(file), "--json")

    assert exported.code == 0
    assert file.read_bytes() == OWN
    assert list(exported.document) == ["operation", "file", "bytes", "sha256", "fingerprint"]
    assert compared.code == 0
    assert compared.document == {
        "operation": "contract",
        "file": str(file),
        "compatible": True,
        "fingerprint": exported.document["fingerprint"],
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
    assert "is not a FileDescriptorSet" in outcome.err
    assert "Traceback" not in outcome.err


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    outcome = await mxgw("contract", "--export", str(tmp_path / "no" / "such" / "folder"))

    assert outcome.code == 2
    assert f"Invalid value for '--export': there is no directory '{tmp_path / 'no' / 'such'}'." in outcome.err


async def test_the_fingerprint_of_version_is_that_of_the_contract_in_force(tmp_path: Path) -> None:
    own = (await mxgw("contract", "--json")).document["fingerprint"]
    assert (await mxgw("version", "--json")).document["contractFingerprint"] == own == Contract.builtin().fingerprint

    other = Contract(permuted(1))
    other.export(tmp_path / "gateway.binpb")
    environment = {"MXGATEWAY_CONTRACT": str(tmp_path / "gateway.binpb")}
    assert (await mxgw("version", "--json", env=environment)).document["contractFingerprint"] == other.fingerprint


async def test_a_folder_of_protos_is_compared_and_exported(tmp_path: Path) -> None:
    protos = write_protos(permuted(2), tmp_path / "protos")
    file = tmp_path / "gateway.binpb"

    compared = await mxgw("contract", "--protos", str(protos), "--json")
    exported = await mxgw("contract", "--protos", str(protos), "--export", str(file), "--json")

    assert (compared.code, compared.document["compatible"]) == (1, False)
    assert exported.code == 0
    assert exported.document["fingerprint"] == compared.document["fingerprint"] == Contract(permuted(2)).fingerprint
    assert Contract.load(file) == Contract(permuted(2))


async def test_a_gateway_is_asked_for_its_contract(tmp_path: Path) -> None:
    file, services = tmp_path / "gateway.binpb", ["mxaccess_gateway.v1.MxAccessGateway"]
    async with grpcio_server([ALPHA], services) as endpoint:
        exported = await mxgw(
            "contract", "--from-gateway", "--endpoint", endpoint, "--plaintext", "--export", str(file), "--json"
        )
    assert exported.code == 0, exported.err
    assert {package.name for package in Contract.load(file).packages} == {"mxaccess_gateway.v1"}


async def test_a_gateway_without_reflection_says_so() -> None:
    async with SimulatedGateway() as gateway:
        outcome = await mxgw(
            "contract", "--from-gateway", "--endpoint", gateway.endpoint, "--plaintext", "--json",
            env={"MXGATEWAY_API_KEY": gateway.api_key},
        )  # fmt: skip
    assert outcome.code == 1
    assert "reflection" in outcome.error["message"]


async def test_smoke_and_batch_speak_a_gateways_contract(tmp_path: Path) -> None:
    contract, file = Contract(permuted(4)), tmp_path / "gateway.binpb"
    contract.export(file)
    async with SimulatedGateway(contract=contract) as gateway:
        place = f"--endpoint {gateway.endpoint} --plaintext --contract {file}"
        environment = {"MXGATEWAY_API_KEY": gateway.api_key}
        smoke = await mxgw("smoke", *place.split(), "--value", "5", "--type", "int32", "--json", env=environment)
        assert smoke.code == 0, smoke.err
        assert smoke.document["closeStatus"] == "SESSION_STATE_CLOSED"
        lines = "read TestChildObject.TestInt --json\nread TestMachine_001.TestChangingInt --json\n"
        outcome = await batch(lines, *place.split(), env=environment)
        assert outcome.code == 0, outcome.err + outcome.out
        wrong = await mxgw("smoke", "--endpoint", gateway.endpoint, "--plaintext", "--json", env=environment)
        assert wrong.code != 0


async def test_what_is_no_contract_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no contract")
    for arguments in (("ping", "--simulator", "--contract", str(file)), ("contract", "--descriptor-set", str(file))):
        outcome = await mxgw(*arguments)
        assert outcome.code == 2
        assert "notes.txt" in outcome.err
        assert len(outcome.err.splitlines()) <= 3
