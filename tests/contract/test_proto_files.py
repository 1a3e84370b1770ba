"""A folder of .proto files gives what protoc makes of it, without protoc; files of strangers are refused with file and line."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from mxgateway.contract import ContractError
from mxgateway.contract.proto_files.source import MOST_BYTES, MOST_FILES, descriptor_set_of
from tests.contract.protos import PROTOS, ROOT, descriptor_set


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder


def on_the_wire(descriptor_set: bytes) -> dict[str, str]:
    """Return the files of a set, protobuf's own apart, without what changes nothing on the wire."""
    files = FileDescriptorSet.FromString(descriptor_set).file
    for file in files:
        file.ClearField("options")
        file.ClearField("extension")
        file.ClearField("weak_dependency")
        for service in file.service:
            service.ClearField("options")
            for method in service.method:
                method.ClearField("options")
                # protoc leaves a false one out only where nothing is written.
                for name in ("client_streaming", "server_streaming"):
                    if not getattr(method, name):
                        method.ClearField(name)
        for enum in file.enum_type:
            strip_enum(enum)
        for message in file.message_type:
            strip(message)
    return {file.name: str(file) for file in files if not file.name.startswith("google/")}


def strip(message: DescriptorProto) -> None:
    for name in ("reserved_range", "reserved_name", "extension_range", "extension"):
        message.ClearField(name)
    keep_options(message, "map_entry")
    for field in message.field:
        field.ClearField("default_value")
        keep_options(field, "packed")
    for enum in message.enum_type:
        strip_enum(enum)
    for nested in message.nested_type:
        strip(nested)


def strip_enum(enum: object) -> None:
    for name in ("reserved_range", "reserved_name"):
        enum.ClearField(name)
    keep_options(enum, "allow_alias")
    for value in enum.value:
        value.ClearField("options")


def keep_options(holder: object, name: str) -> None:
    kept = getattr(holder.options, name) if holder.options.HasField(name) else None
    holder.ClearField("options")
    if kept is not None:
        setattr(holder.options, name, kept)


def assert_as_protoc(folder: Path, scratch: Path) -> None:
    ours, theirs = on_the_wire(descriptor_set_of(folder)), on_the_wire(descriptor_set(folder, scratch))
    assert ours.keys() == theirs.keys()
    for name, text in theirs.items():
        assert ours[name] == text


@pytest.mark.parametrize("folder", [PROTOS, ROOT / "tests" / "wire"], ids=["contract", "constructs"])
def test_the_projects_own_files_are_read_as_protoc_reads_them(folder: Path, tmp_path: Path) -> None:
    assert_as_protoc(folder, tmp_path)


ODD_WRITING = """\ufeff// a comment first
syntax /* here */ = "pro" 'to3' ;
;
package // over
   odd . /* lines */ v1
;
option java_package = "a" "b";
option (custom) = { name: '}"' deep { path: '{' } /* } */ };
import weak "google/protobuf/descriptor.proto";
extend google.protobuf.FileOptions { Custom custom = 50001; }
extend google.protobuf.FieldOptions { optional string note = 50002; repeated int32 digits = 50003; }
message Custom {
  message Path { string path = 1; }
  Path deep = 1; string name = 2;
}
message message {
  int32 message = 0x10; int64 enum = 017; string option = 1 [deprecated = true, (odd.v1.note) = "a;]" "b"];
  bool oneof = 2 [json_name = "o\\x6eE\\u00e9\\101\\n"]; bytes map = 3; double rpc = 4; float returns = 5; sint32 to = 6;
  sint64 max = 7; fixed32 syntax = 8; fixed64 package = 9; sfixed32 import = 10; sfixed64 public = 11; uint32 weak = 12; uint64 stream = 13;
  reserved 100, 102 to 110, 1000 to max; reserved "gone", 'too';
  extend google.protobuf.MessageOptions { bool in_a_message = 50004; }
}
enum Odd { option allow_alias = true; reserved -5 to -3, 90 to max; reserved "OLD"; ZERO = 0 ; ONE = 0x1 [deprecated=true]; UNO = 01; MINUS = - 2; LOW = -2147483648; }
"""

CASING = """syntax = "proto3"; package casing;
message M {
  map<string, M> a_map = 1; map<int32, bytes> __odd__map_2_x = 2; map<bool, E> UPPER = 3; map<sfixed64, .casing.M.N> camelCase = 4;
  int32 _leading = 10; int32 trailing_ = 11; int32 two__under = 12; int32 with_2_digits = 13; int32 Upper_Case = 14;
  enum E { E_ZERO = 0; }
  message N { optional int32 a = 1; oneof b { string c = 2; M d = 3; } optional M e = 4; optional string _f = 5; string XX_a = 6; int32 _a = 7; }
  oneof first { int32 one = 20; } oneof second { string two = 21; bytes three = 22; } repeated int32 packed = 23 [packed = true];
  repeated sint64 loose = 24 [packed = false]; repeated E es = 25;
}
"""

SERVICES = """syntax = "proto3"; package services;
message Ask {} message Answer {}
service S { option deprecated = true; ;
  rpc Unary(Ask) returns (Answer); rpc In ( stream Ask ) returns ( .services.Answer ) { option deprecated = true; ; }
  rpc Out(services.Ask) returns (stream Answer) {} rpc Both(stream Ask) returns (stream Answer) {};
}
service Empty {}
"""

PROTO2 = """
package two; import "google/protobuf/descriptor.proto";
message M { required int32 a = 1; optional string b = 2 [default = "x\\"y\\xff"]; repeated int32 c = 3 [packed = true]; repeated int32 d = 4;
  optional E e = 5 [default = B]; oneof o { int32 f = 6; M g = 7; } map<string, M> h = 8; extensions 100 to 199, 500 to max [verification = UNVERIFIED]; }
extend M { optional int32 added = 100; }
enum E { A = 5; B = 1; }
"""

SCOPES = {
    "a.proto": """syntax = "proto3"; package a.b.c;
        import "inner.proto"; import "outer.proto"; import public "sub/dir/public.proto";
        message T { message U { int32 x = 1; } U nearest = 1; T own = 2; V v = 3; a.b.V full = 4; b.V partial = 5; .a.V dotted = 6; c.T.U deep = 7; W w = 8; sub.P p = 9;
          message T { T itself = 1; U outer = 2; } T inner = 10; .a.b.c.T outermost = 11; map<string, U> us = 12;
          // A field with a type's name hides no type.
          int32 V = 13; V again = 14; }
        service Serve { rpc U(T.U) returns (b.V); }""",
    "inner.proto": 'syntax = "proto3"; package a.b; message V { int32 inner = 1; }',
    "outer.proto": 'syntax = "proto3"; package a; message V { int32 outer = 1; } enum W { W_ZERO = 0; }',
    "sub/dir/public.proto": 'syntax = "proto3"; package a.b.sub; import public "sub/more.proto"; message P { Q q = 1; }',
    "sub/more.proto": 'syntax = "proto3"; package a.b.sub; message Q {}',
    "user.proto": 'syntax = "proto3"; package user; import "a.proto"; message R { a.b.sub.Q through_two_public_imports = 1; }',
}

WELL_KNOWN = """syntax = "proto3"; package known;
import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto"; import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/type.proto";
import "google/protobuf/api.proto"; import "google/protobuf/source_context.proto";
message M { google.protobuf.Any a = 1; .google.protobuf.Duration b = 2; google.protobuf.NullValue c = 3; map<string, google.protobuf.Value> d = 4;
  google.protobuf.Field.Kind e = 5; google.protobuf.Syntax f = 6; google.protobuf.Api g = 7; google.protobuf.SourceContext h = 8; google.protobuf.UInt64Value i = 9;
  google.protobuf.FieldMask j = 10; repeated google.protobuf.Timestamp k = 11; }
service S { rpc R(google.protobuf.Empty) returns (google.protobuf.Empty); }
"""


@pytest.mark.parametrize(
    "files",
    [
        {"odd.proto": ODD_WRITING},
        {"casing.proto": CASING},
        {"services.proto": SERVICES},
        {"two.proto": PROTO2},
        SCOPES,
        {"known.proto": WELL_KNOWN},
        {"bare.proto": 'syntax = "proto3"; message NoPackage { Other o = 1; .Other p = 2; } enum Other { O = 0; }'},
        {"ends.proto": 'syntax = "proto3";\r\npackage crlf;\r\n// end\r\nmessage M {}\r\n// no line end'},
        {"deep.proto": 'syntax = "proto3"; ' + "message M {" * 31 + "M m = 1;" + "}" * 31},
    ],
    ids=["writing", "casing", "services", "proto2", "scopes", "well-known", "no-package", "line-ends", "deep"],
)
def test_any_valid_file_is_read_as_protoc_reads_it(files: dict[str, str], tmp_path: Path) -> None:
    assert_as_protoc(write(tmp_path / "protos", files), tmp_path)


WORDS = (
    *["message", "enum", "optional", "repeated", "required", "map", "oneof", "reserved", "stream", "returns", "rpc", "option", "extend", "group", "max", "to", "string", "import", "package", "public"],
    *["<", ">", "{", "}", "(", ")", ";", "=", ",", ".", "-", "1", "0", "5", "0x5", "int32", "bytes", "M", "E", "[packed=true]", "//", "/*", "*/", "'a'"],
)  # fmt: skip
TOKEN = re.compile(r"""\w+|\s+|//[^\n]*|"[^"]*"|.""", re.DOTALL)


def damaged(text: str, random: Random) -> str:
    tokens = TOKEN.findall(text)
    for _ in range(random.randint(1, 2)):
        place = random.randrange(len(tokens))
        match random.randrange(4):
            case 0:
                del tokens[place]
            case 1:
                tokens.insert(place, f"{random.choice(WORDS)} ")
            case 2:
                tokens[place] = random.choice(WORDS)
            case _:
                tokens.insert(place, random.choice(tokens))
    return "".join(tokens)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_refused_protoc_refuses_too_and_what_both_take_is_the_same(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    for _ in range(25):
        text = damaged(random.choice([ODD_WRITING, CASING, SERVICES, PROTO2, WELL_KNOWN]), random)
        folder = write(tmp_path / "protos", {"a.proto": text})
        theirs = None
        with contextlib.suppress(AssertionError):
            theirs = on_the_wire(descriptor_set(folder, tmp_path))
        try:
            ours = on_the_wire(descriptor_set_of(folder))
        except ContractError:
            assert theirs is None, text
        else:
            assert theirs in (None, ours), text


def test_a_file_stands_behind_its_imports(tmp_path: Path) -> None:
    files = FileDescriptorSet.FromString(descriptor_set_of(write(tmp_path, SCOPES))).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    assert pool.FindMessageTypeByName("a.b.c.T").fields_by_name["w"].enum_type.full_name == "a.W"


def test_an_option_of_an_absent_google_file_is_passed_over(tmp_path: Path) -> None:
    text = """syntax = "proto3"; package rest; import "google/api/annotations.proto"; message M {}
        service S { rpc R(M) returns (M) { option (google.api.http) = { get: "/v1/{name=a/*}" body: "*" }; } }"""
    (file,) = FileDescriptorSet.FromString(descriptor_set_of(write(tmp_path, {"rest.proto": text}))).file
    assert file.service[0].method[0].input_type == ".rest.M"


def test_files_of_googles_own_packages_count_where_they_are_there(tmp_path: Path) -> None:
    files = {
        "google/protobuf/empty.proto": 'syntax = "proto3"; package google.protobuf; message Empty { int32 not_so = 1; }',
        "m.proto": 'syntax = "proto3"; import "google/protobuf/empty.proto"; message M { google.protobuf.Empty e = 1; }',
    }
    found = FileDescriptorSet.FromString(descriptor_set_of(write(tmp_path, files))).file
    assert [file.name for file in found] == ["google/protobuf/empty.proto", "m.proto"]


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


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text.removeprefix(HEAD)[:60])
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
        "from mxgateway.contract.proto_files.source import descriptor_set_of; print(len(descriptor_set_of(sys.argv[1])))"
    )
    if sys.platform == "win32":
        code = code.partition("\n")[2]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
