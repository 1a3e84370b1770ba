"""A fault of a .proto file, or of its folder, is told in one line with file and line number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway.contract import ContractError
from mxgateway.contract.proto_files.folder import MOST_BYTES, MOST_FILES, descriptor_set_of
from tests.contract.protos import ROOT, write
from tests.rows import each_row

HEAD = 'syntax = "proto3";\npackage p;\n'
FAULTS = {
    "int32 a = 1;": "1: expected a statement, not 'int32'",
    'syntax = "proto4";': "1: the syntax 'proto4' is not supported, only proto2 and proto3",
    'edition = "2023";': "1: editions are not supported, only syntax proto2 and proto3",
    HEAD + "message M {\n  int32 a = 1\n}": "5: expected ';', not '}'",
    HEAD + "message M {\n  int32 a = 1;": "4: expected the name of a type, not the end of the file",
    HEAD + "message M { int32 a = 0; }": "3: 0 is not a field number, which is 1 to 536870911",
    HEAD + "message M { int32 a = 536870912; }": "3: 536870912 is not a field number, which is 1 to 536870911",
    HEAD + "message M { int32 a = -1; }": "3: -1 is not a field number, which is 1 to 536870911",
    HEAD + "message M { int32 a = 08; }": "3: expected the number of a field, not '08'",
    HEAD + "message M { int32 a = 19500; }": "3: 19500 is reserved: 19000 to 19999 are protobuf's own",
    HEAD + "message M {\n int32 a = 1;\n int32 b = 1; }": "5: b reuses the number 1 of a",
    HEAD + "message M {\n int32 a = 1;\n int32 a = 2; }": "5: p.M.a is defined already",
    HEAD + "message M {}\nenum M { Z = 0; }": "4: p.M is defined already",
    HEAD + "enum E { Z = 0; }\nenum F { Z = 0; }": "4: p.Z is defined already",
    HEAD + "message p {}\nmessage M { p.Q q = 1; }": "4: 'p.Q' is not a type defined here or in an import",
    HEAD + "message M { map<string, int32> a_b = 1; message ABEntry {} }": "3: p.M.ABEntry is defined already",
    HEAD + "message M { required int32 a = 1; }": "3: proto3 has no required fields",
    HEAD + "message M { repeated map<string, M> a = 1; }": "3: a field in a oneof or a map has no label",
    HEAD + "message M { oneof o { repeated int32 a = 1; } }": "3: a field in a oneof or a map has no label",
    HEAD + "message M { oneof o { map<string, M> a = 1; } }": "3: a map cannot be in a oneof",
    HEAD + "message M { oneof o { } }": "3: the oneof o has no field",
    HEAD + "message M { map<double, M> a = 1; }": "3: 'double' cannot be a map key",
    HEAD + "message M { map<M, M> a = 1; }": "3: 'M' cannot be a map key",
    "message M { int32 a = 1; }": "1: proto2 requires optional, required or repeated here",
    "message M { optional group A = 1 { } }": "1: expected ';', not '{'",
    "message M { optional group A = 1; }": "1: groups are not supported",
    HEAD + "enum E { }": "3: the enum E has no value",
    HEAD + "enum E { A = 1; }": "3: the enum E does not start with 0, as proto3 requires",
    HEAD + "enum E { A = 0; B = 0; }": "3: the enum E repeats a number without allow_alias",
    HEAD + "enum E { A = 0; B = 2147483648; }": "3: 2147483648 does not fit in 32 bits",
    HEAD + "message M {\n\n .p.Nothing a = 1; }": "5: '.p.Nothing' is not a type defined here or in an import",
    HEAD
    + "service S { rpc R(M) returns (E); } message M {} enum E { Z = 0; }": "3: p.E is an enum: an RPC carries messages",
    HEAD + "package q;": "3: the package is already declared",
    HEAD + "message M {}\nimport 'missing.proto';": "4: 'missing.proto' is not in the folder",
    HEAD + "import 'x.proto';\nimport 'x.proto';": "4: 'x.proto' is already imported",
    HEAD + "import 'google/api/http.proto'; message M { google.api.HttpRule r = 1; }": (
        "3: 'google.api.HttpRule' is not a type defined here or in an import; 'google/api/http.proto' is not in the folder"
    ),
    HEAD + "message M { string s = 1 [json_name = '\\q']; }": "3: '\\\\q' is not a valid escape",
    HEAD + "message M { string s = 1 [json_name = '\\xff']; }": "3: json_name is not valid UTF-8",
    HEAD + "message M { string s = 1 [json_name = '\\U00110000']; }": "3: json_name is not valid UTF-8",
    HEAD + "message M { repeated int32 a = 1 [packed = 1]; }": "3: packed must be true or false, not '1'",
    HEAD + "enum E { option allow_alias = yes; A = 0; }": "3: allow_alias must be true or false, not 'yes'",
    HEAD + "import 'not\nended';": "3: the string is not closed on its line",
    HEAD + "\n/* not ended": "4: the comment is not closed",
    HEAD + "message Größe {}": "3: '\\xf6' is not valid in a .proto file",
    HEAD + "option a = {": "3: expected '}', not the end of the file",
    HEAD + "message M { reserved 1 int32 a = 2; }": "3: expected ';', not 'int32'",
    HEAD + "message M" + "{ message M" * 32 + "{": "3: messages are nested more than 32 levels deep",
    HEAD + "package " + ".".join("a" * 33) + ";": "3: the package is already declared",
    "package " + ".".join("a" * 33) + ";": "1: a name has more than 32 parts",
    HEAD + f"message {'M' * 511} {{}}": "3: a full name has more than 512 characters",
    HEAD + "enum E { " + "".join(f"A{n} = {n};" for n in range(100_000)) + "}": "3: more than 100000 names are defined",
}


@each_row("text", FAULTS)
def test_a_fault_is_told_with_file_and_line(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"sub/a.proto": text, "x.proto": 'syntax = "proto3";'})
    with pytest.raises(ContractError) as caught:
        descriptor_set_of(tmp_path)
    assert str(caught.value) == f"sub/a.proto:{FAULTS[text]}"


def test_a_type_of_a_file_that_is_not_imported_is_told_with_the_file(tmp_path: Path) -> None:
    files = {"a.proto": HEAD + "message A {}", "b.proto": HEAD + "message B { A a = 1; }"}
    with pytest.raises(
        ContractError, match=r"b\.proto:3: 'A' is not a type .*; 'a\.proto', which defines it, is not imported"
    ):
        descriptor_set_of(write(tmp_path, files))


def test_the_same_name_in_two_files_is_refused(tmp_path: Path) -> None:
    files = {"a.proto": HEAD + "message A {}", "b.proto": HEAD + "message A {}"}
    with pytest.raises(ContractError, match=r"^b\.proto:3: p\.A is defined already$"):
        descriptor_set_of(write(tmp_path, files))


def test_a_circle_of_imports_is_told(tmp_path: Path) -> None:
    files = {f"{name}.proto": f'{HEAD}import "{other}.proto";' for name, other in ("ab", "bc", "ca")}
    with pytest.raises(ContractError, match=r"^(\w)\.proto:3: circular import: (\w\.proto imports ){3}\1\.proto$"):
        descriptor_set_of(write(tmp_path, files))


def test_what_is_no_folder_of_protos_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="is not a folder: name the one that contains"):
        descriptor_set_of(tmp_path / "nowhere")
    with pytest.raises(ContractError, match=r"contains no \.proto file"):
        descriptor_set_of(str(tmp_path))


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_bytes(b'syntax = "proto3";\n// gr\xfc\xdf\n')
    with pytest.raises(ContractError, match=r"^a\.proto:2: not valid UTF-8$"):
        descriptor_set_of(tmp_path)


def test_too_many_files_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    many = write(tmp_path / "many", {f"{number}.proto": "" for number in range(MOST_FILES + 1)})
    with pytest.raises(ContractError, match=f"contains more than {MOST_FILES} .proto files"):
        descriptor_set_of(many)
    big = write(tmp_path / "big", {"a.proto": "/" * 100, "b.proto": "//" + "x" * (MOST_BYTES - 101)})
    with pytest.raises(ContractError, match=rf"^b\.proto: the .proto files have more than {MOST_BYTES} bytes$"):
        descriptor_set_of(big)
    crowd = write(tmp_path / "crowd", {f"{number}/x": "" for number in range(5_001)})
    with pytest.raises(ContractError, match="contains more than 10000 files: name the folder"):
        descriptor_set_of(crowd)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there, or are none")
def test_links_pipes_and_folders_in_the_place_of_a_file_are_refused(tmp_path: Path) -> None:
    secret = write(tmp_path / "else", {"secret.proto": HEAD})
    for place in ("link", "device", "pipe"):
        folder = write(tmp_path / place, {"a.proto": HEAD})
        if place == "pipe":
            os.mkfifo(folder / "b.proto")
        else:
            (folder / "b.proto").symlink_to(secret / "secret.proto" if place == "link" else "/dev/zero")
        with pytest.raises(ContractError, match=r"^b\.proto: not a regular file$"):
            descriptor_set_of(folder)
    linked = write(tmp_path / "linked", {"a.proto": HEAD})
    (linked / "sub").symlink_to(secret, target_is_directory=True)
    assert len(FileDescriptorSet.FromString(descriptor_set_of(linked)).file) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_a_files_name_is_shown_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"^'a\\nb\.proto':1: expected a statement, not 'x'$"):
        descriptor_set_of(write(tmp_path, {"a\nb.proto": "x"}))


@pytest.mark.parametrize(
    "text",
    [
        "/**/" * (MOST_BYTES // 4 - 100),
        "".join(f"message M{number} {{}}" for number in range(99_000)),
        "message M {" + "".join(f"map<int32, M> a{n} = {n + 20_000};" for n in range(33_000)) + "}",
    ],
    ids=["comments", "messages", "maps"],
)
def test_the_largest_files_are_read_in_bounded_memory(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": 'syntax = "proto3";' + text})
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)); resource.setrlimit(resource.RLIMIT_CPU, (30, 30))\n"
        "from mxgateway.contract.proto_files.folder import descriptor_set_of; print(len(descriptor_set_of(sys.argv[1])))"
    )
    if sys.platform == "win32":
        code = code.partition("\n")[2]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
