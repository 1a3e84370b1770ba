"""A folder of .proto files gives what protoc makes of it, without protoc; files of strangers are refused with file and line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from mxgateway.contract import ContractError
from mxgateway.contract.proto_files.folder import descriptor_set_of
from tests.contract.protos import PROTOS, ROOT, descriptor_set, write


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


def strip_enum(enum: EnumDescriptorProto) -> None:
    for name in ("reserved_range", "reserved_name"):
        enum.ClearField(name)
    keep_options(enum, "allow_alias")
    for value in enum.value:
        value.ClearField("options")


def keep_options(holder: Any, name: str) -> None:
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
    found = pool.FindMessageTypeByName("a.b.c.T").fields_by_name["w"].enum_type
    assert found is not None
    assert found.full_name == "a.W"


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
