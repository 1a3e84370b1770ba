"""What is committed under mxgateway/generated is what the .proto files give, and --check notices when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protos import generate
from tests.contract.protos import PROTOS, ROOT, descriptor_set, write_protos
from tests.rows import each_row

SMALL = """
package plant.v1;
// A tank.
message Tank { int32 level = 1; }
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return generate.generate(write_protos(tmp_path_factory.mktemp("small"), tank=SMALL))


@pytest.fixture
def check(tmp_path: Path, small: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str]]:
    """Write what the small contract gives to tmp_path/out; call it to check that folder."""
    generate.write(small, tmp_path / "out")
    protos = write_protos(tmp_path / "protos", tank=SMALL)

    def run() -> tuple[int, str]:
        code = generate.main(["--check", "--proto-dir", str(protos), "--output", str(tmp_path / "out")])
        return code, capsys.readouterr().err

    return run


@each_row(
    ("protos", "output"), [(PROTOS, ROOT / "mxgateway" / "generated"), (generate.CONTROL, generate.CONTROL_OUTPUT)]
)
def test_the_committed_code_names_the_protos_and_compilers_that_are_here(protos: Path, output: Path) -> None:
    """`make check` generates all of it and compares every byte."""
    digest = generate.input_hash(generate.read_protos(protos), generate.compiler_versions())
    modules = sorted(output.rglob("*.py"))

    assert modules
    assert [path.name for path in modules if f"sha256 {digest}" not in path.read_text(encoding="utf-8")] == []


@each_row(
    ("protos", "output"), [(PROTOS, ROOT / "mxgateway" / "generated"), (generate.CONTROL, generate.CONTROL_OUTPUT)]
)
def test_the_shipped_descriptor_set_is_what_protoc_writes(tmp_path: Path, protos: Path, output: Path) -> None:
    assert (output / "contract.binpb").read_bytes() == descriptor_set(protos, tmp_path)


def test_the_control_s_code_is_checked_with_the_contract_s_and_not_replaced_by_another_one(
    tmp_path: Path, small: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both outputs are stand-ins of this test: whatever contract the one is made from, the other is made from its own file."""
    protos = write_protos(tmp_path / "protos", tank=SMALL)
    monkeypatch.setattr(generate, "CONTROL", write_protos(tmp_path / "control", pump=SMALL.replace("Tank", "Pump")))
    monkeypatch.setattr(generate, "CONTROL_OUTPUT", tmp_path / "control_out")
    monkeypatch.setattr(generate, "OUTPUT", tmp_path / "out")
    words = ["--proto-dir", str(protos), "--output", str(tmp_path / "out")]

    assert generate.main(words) == 0
    assert generate.main([*words, "--check"]) == 0
    assert "class Pump" in (tmp_path / "control_out" / "plant" / "v1" / "__init__.py").read_text()
    (tmp_path / "control_out" / "_flat.py").unlink()
    capsys.readouterr()

    assert generate.main([*words, "--check"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == f"missing: {tmp_path / 'control_out' / '_flat.py'}"


def test_an_untouched_output_passes(check: Callable[[], tuple[int, str]]) -> None:
    assert check() == (0, "")


def test_a_checkout_with_windows_line_ends_passes(check: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    for path in (*tmp_path.rglob("*.py"), *tmp_path.rglob("*.proto")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert check() == (0, "")


def test_a_hand_edited_module_is_named_as_stale(check: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    module = tmp_path / "out" / "plant" / "v1" / "__init__.py"
    module.write_text(module.read_text().replace("level: int", "depth: int"))

    code, said = check()

    assert code == 1
    assert said.splitlines() == [
        f"stale: {module}",
        "error: the generated code does not match the contract: run `make proto`",
    ]


def test_a_damaged_descriptor_set_is_named_as_stale(check: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    target = tmp_path / "out" / "contract.binpb"
    target.write_bytes(target.read_bytes()[:-1])

    code, said = check()

    assert (code, said.splitlines()[:-1]) == (1, [f"stale: {target}"])


def test_a_missing_and_an_extra_file_are_named(check: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "out" / "plant" / "__init__.py").unlink()
    (tmp_path / "out" / "plant" / "notes.txt").write_text("by hand")

    code, said = check()

    assert code == 1
    assert said.splitlines()[:-1] == [
        f"missing: {tmp_path / 'out' / 'plant' / '__init__.py'}",
        f"extra: {tmp_path / 'out' / 'plant' / 'notes.txt'}",
    ]


def test_a_changed_proto_makes_every_module_stale(check: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    write_protos(tmp_path / "protos", tank=SMALL.replace("A tank.", "A tank with a lid."))

    code, said = check()

    stale = [line for line in said.splitlines() if line.startswith("stale: ")]
    assert code == 1
    assert len(stale) == len([*(tmp_path / "out").rglob("*.py")])


def test_checking_writes_nothing(tmp_path: Path) -> None:
    protos = write_protos(tmp_path / "protos", tank=SMALL)

    assert generate.main(["--check", "--proto-dir", str(protos), "--output", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_every_module_names_the_hash_of_its_inputs_and_the_compilers(small: dict[str, bytes], tmp_path: Path) -> None:
    versions = generate.compiler_versions()
    sources = generate.read_protos(write_protos(tmp_path, tank=SMALL))
    modules = {path: content.decode() for path, content in small.items() if path.endswith(".py")}

    assert set(modules) == {"__init__.py", "_flat.py", "plant/__init__.py", "plant/v1/__init__.py"}
    for text in modules.values():
        assert text.startswith("# Generated by protos/generate.py. Do not edit")
        assert f"sha256 {generate.input_hash(sources, versions)}" in text
        assert f"betterproto {versions['betterproto']}" in text
        assert f"grpcio-tools {versions['grpcio-tools']}" in text


def test_the_hash_changes_with_a_content_a_name_and_a_compiler() -> None:
    given = generate.input_hash({"a.proto": b"1"}, {"protoc": "1"})
    others = [
        generate.input_hash({"a.proto": b"2"}, {"protoc": "1"}),
        generate.input_hash({"b.proto": b"1"}, {"protoc": "1"}),
        generate.input_hash({"a.proto": b"1"}, {"protoc": "2"}),
        generate.input_hash({"a.proto": b"1", "b.proto": b""}, {"protoc": "1"}),
        generate.input_hash({"a.proto": b"", "b.proto": b"1"}, {"protoc": "1"}),
    ]

    assert len({given, *others}) == 6


def test_the_same_protos_in_another_folder_give_the_same_bytes(small: dict[str, bytes], tmp_path: Path) -> None:
    elsewhere = write_protos(tmp_path / "some where" / "else", tank=SMALL)

    assert generate.generate(elsewhere) == small


def test_a_new_generation_removes_the_packages_of_the_one_before(small: dict[str, bytes], tmp_path: Path) -> None:
    generate.write(small, tmp_path)
    cached = tmp_path / "plant" / "v1" / "__pycache__" / "__init__.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"")

    renamed = {path.replace("plant/", "site/"): content for path, content in small.items()}
    generate.write(renamed, tmp_path)

    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(renamed)
    assert not (tmp_path / "plant").exists()


def test_a_file_that_was_not_generated_is_never_removed(small: dict[str, bytes], tmp_path: Path) -> None:
    mine = tmp_path / "plant" / "mine.py"
    generate.write(small, tmp_path)
    mine.write_text("print('by hand')\n")

    generate.write({path: content for path, content in small.items() if not path.startswith("plant/")}, tmp_path)

    assert [path.name for path in (tmp_path / "plant").rglob("*")] == ["mine.py"]
