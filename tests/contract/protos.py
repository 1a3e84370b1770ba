"""What the contract's tests share: protoc, and protos to try things on."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from tests.peers.protobuf_messages import Contract

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
GENERATOR = PROTOS / "generate.py"


def descriptor_set(proto_dir: Path, scratch: Path, *flags: str) -> bytes:
    """Return what protoc itself writes for all .proto files of a folder."""
    target = scratch / "protoc.binpb"
    names = sorted(path.relative_to(proto_dir).as_posix() for path in proto_dir.rglob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = [f"-I{proto_dir}", f"-I{well_known}", "--include_imports", *flags, f"--descriptor_set_out={target}"]
    assert protoc.main(["protoc", *arguments, *names]) == 0
    return target.read_bytes()


def compiled(proto_dir: Path, scratch: Path) -> Contract:
    """Return google.protobuf's messages and the methods of what protoc makes of all .proto files of a folder."""
    return Contract(descriptor_set(proto_dir, scratch))


def parsed(proto_dir: Path, scratch: Path) -> FileDescriptorSet:
    """Return the same with the comments, parsed, and without protobuf's own files."""
    everything = FileDescriptorSet.FromString(descriptor_set(proto_dir, scratch, "--include_source_info"))
    own = [file for file in everything.file if file.package != "google.protobuf"]
    return FileDescriptorSet(file=own)


def write_protos(folder: Path, **files: str) -> Path:
    """Write `name="body"` as folder/name.proto, with the syntax line in front; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / f"{name}.proto").write_bytes(f'syntax = "proto3";\n{body}\n'.encode())
    return folder


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder
