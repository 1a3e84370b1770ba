"""The generator takes whatever .proto files a gateway ships, and says in one line why when it cannot."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from protos import generate
from tests.contract.protos import write_protos


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[Path], str]:
    """Call with a folder of protos that cannot be generated from; gives the one line that is said."""

    def run(proto_dir: Path) -> str:
        assert generate.main(["--proto-dir", str(proto_dir), "--output", str(tmp_path / "out")]) == 1
        assert not (tmp_path / "out").exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("error: ")

    return run


def bindings(proto_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """Generate a package of that name beside the protos and import its flat module."""
    generate.write(generate.generate(proto_dir), proto_dir.parent / name)
    monkeypatch.syspath_prepend(proto_dir.parent)
    return importlib.import_module(f"{name}._flat")


def test_a_contract_split_over_files_and_folders_is_taken_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protos = tmp_path / "protos"
    write_protos(
        protos / "plant" / "v1",
        tank='package plant.v1;\nimport "plant/v1/level.proto";\nmessage Tank { Level level = 1; }',
    )
    write_protos(protos / "plant" / "v1", level="package plant.v1;\nmessage Level { double value = 1; }")
    write_protos(
        protos,
        area='package area.v1;\nimport "plant/v1/tank.proto";\nmessage Area { repeated plant.v1.Tank tanks = 1; }',
    )

    flat = bindings(protos, monkeypatch, "split_bindings")
    area = flat.Area().parse(bytes(flat.Area(tanks=[flat.Tank(level=flat.Level(value=1.5))])))

    assert flat.__all__ == ["Area", "Level", "Tank"]
    assert area.tanks[0].level.value == 1.5


def test_enums_and_services_that_a_gateway_adds_are_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protos = write_protos(
        tmp_path / "protos",
        valve="""
        package plant.v1;
        enum Valve { VALVE_UNSPECIFIED = 0; VALVE_OPEN = 7; }
        message Turn { Valve to = 1; optional int32 by = 2; }
        service Valves { rpc Operate(Turn) returns (stream Turn); }
        """,
    )

    flat = bindings(protos, monkeypatch, "added_bindings")

    assert flat.__all__ == ["Turn", "Valve", "ValvesBase", "ValvesStub"]
    assert flat.Turn().parse(b"\x08\x07").to == flat.Valve.OPEN
    assert flat.Turn().parse(b"\x08\x09").to == 9
    assert "/plant.v1.Valves/Operate" in flat.ValvesBase().__mapping__()


def test_a_service_may_use_messages_of_other_packages_and_of_google(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protos = tmp_path / "protos"
    write_protos(protos, tank="package tanks.v1;\nmessage Tank { int32 level = 1; }")
    write_protos(
        protos,
        filler="""
        package filler.v1;
        import "google/protobuf/empty.proto";
        import "tank.proto";
        message Report { option deprecated = true; repeated tanks.v1.Tank tanks = 1; }
        service Filler {
          rpc Fill(tanks.v1.Tank) returns (google.protobuf.Empty) { option deprecated = true; }
          rpc Drain(stream tanks.v1.Tank) returns (Report);
        }
        """,
        starter="""
        package starter.v1;
        import "google/protobuf/empty.proto";
        service Starter { rpc Start(google.protobuf.Empty) returns (google.protobuf.Empty); }
        """,
    )

    flat = bindings(protos, monkeypatch, "serving_bindings")

    assert flat.__all__ == ["FillerBase", "FillerStub", "Report", "StarterBase", "StarterStub", "Tank"]
    fill, drain = flat.FillerBase().__mapping__().values()
    assert (fill.request_type, drain.request_type, drain.reply_type) == (flat.Tank, flat.Tank, flat.Report)
    assert fill.reply_type is flat.StarterBase().__mapping__()["/starter.v1.Starter/Start"].request_type
    with pytest.warns(DeprecationWarning, match="Report is deprecated"):
        assert flat.Report(tanks=[flat.Tank(level=1)]).tanks[0].level == 1
    for stub in (flat.FillerStub, flat.StarterStub):
        assert inspect.signature(stub).parameters["channel"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def test_comments_with_quotes_and_backslashes_become_docstrings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protos = write_protos(
        tmp_path / "protos",
        path=r'''
        package plant.v1;
        // Reads C:\new\table and """ends""" so: \
        message Reader {
          // "quoted"
          int32 a = 1;
          // ends with a backslash \
          int32 b = 2;
          /* a block with "quotes" */
          int32 c = 3;
          //
          int32 d = 4;
          // a line of more than eighty characters, which the compiler puts on a line of its own, "quoted at the end"
          int32 e = 5;
        }
        // First line.
        //   Indented second line.
        message Other {}
        ''',
    )

    flat = bindings(protos, monkeypatch, "quoted_bindings")

    assert flat.Reader.__doc__ is not None
    assert flat.Reader.__doc__.strip() == "Reads C:\\new\\table and '''ends''' so: \\"
    assert inspect.getdoc(flat.Other) == "First line.\n  Indented second line."


def test_a_name_of_two_packages_belongs_to_the_gateway_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    protos = write_protos(
        tmp_path / "protos",
        a="package galaxy_repository.v1;\nmessage Ping { int32 galaxy = 1; }",
        b="package mxaccess_gateway.v1;\nmessage Ping { int32 gateway = 1; }",
    )

    flat = bindings(protos, monkeypatch, "doubled_bindings")

    assert flat.__all__ == ["Ping"]
    assert flat.Ping(gateway=1).gateway == 1
    assert (
        capsys.readouterr().err
        == "note: mxgateway.proto.Ping is taken from mxaccess_gateway.v1, not from galaxy_repository.v1\n"
    )


def test_a_missing_folder_is_said(refusal: Callable[[Path], str], tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "nowhere")
        == f"{tmp_path / 'nowhere'} is not a folder: name the one that contains the .proto files"
    )


def test_a_folder_without_protos_is_said(refusal: Callable[[Path], str], tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} contains no .proto file"


def test_what_protoc_refuses_is_said_in_its_words(refusal: Callable[[Path], str], tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", broken="package plant.v1;\nmessage Tank { int32 level = 1 }")

    assert refusal(protos) == 'grpc_tools.protoc: broken.proto:3:32: Expected ";".'


def test_a_missing_import_is_said(refusal: Callable[[Path], str], tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", tank='package plant.v1;\nimport "level.proto";')

    assert refusal(protos).startswith("grpc_tools.protoc: level.proto: File not found.; tank.proto:3:1: Import ")


def test_a_proto_without_a_package_is_said(refusal: Callable[[Path], str], tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", tank="message Tank {}")

    assert refusal(protos) == "tank.proto declares no package, so it has no module"


def test_a_compiler_that_is_not_installed_is_named_with_the_remedy(
    refusal: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name == "grpcio-tools":
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)

    assert refusal(tmp_path) == "grpcio-tools is not installed and the compiler needs it: run `pip install -e .[dev]`"
