"""Classes for a .proto file in three kinds: ours, betterproto's own, and google.protobuf's."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import betterproto
from betterproto.compile.naming import pythonize_class_name
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from protos import generate, python_source
from tests.kept import kept

CONSTRUCTS = Path(__file__).with_name("constructs.proto")
CONTRACT = Path(__file__).parents[2] / "mxgateway" / "generated" / "contract.binpb"


def describe(proto: Path, folder: Path) -> FileDescriptorSet:
    """Run protoc on a file."""
    target = folder / f"{proto.stem}.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto.parent}", "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={target}", str(proto)], check=True, capture_output=True)
    return FileDescriptorSet.FromString(target.read_bytes())


def generate_ours(proto_dir: Path, folder: Path, root: str) -> None:
    """Write what the project's generator makes of a folder's .proto files below `folder / root`."""
    generate.write(generate.generate(proto_dir), folder / root)


def generate_stock(descriptors: FileDescriptorSet, folder: Path, root: str) -> None:
    """Write what betterproto's plugin makes of a descriptor set below `folder / root`."""
    request = CodeGeneratorRequest(file_to_generate=[file.name for file in descriptors.file])
    request.proto_file.extend(descriptors.file)
    command = [sys.executable, "-m", "betterproto.plugin"]
    done = subprocess.run(command, input=request.SerializeToString(), capture_output=True, check=True)
    for file in CodeGeneratorResponse.FromString(done.stdout).file:
        target = folder / root / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.content, encoding="utf-8")
    (folder / root / "contract.binpb").write_bytes(descriptors.SerializeToString())


def compilers() -> Iterator[bytes]:
    """Yield what decides, besides a .proto file, what is written for it."""
    yield repr(sorted(generate.compiler_versions().items())).encode()
    yield importlib.metadata.version("jinja2").encode()
    for source in (
        Path(generate.__file__),
        Path(python_source.__file__),
        Path(__file__),
        *sorted(CONTRACT.parents[1].glob("contract/*.py")),
    ):
        yield source.read_bytes()


def make_importable(folder: Path) -> None:
    """Let the packages in a folder be imported."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()


def import_package(root: str, package: str) -> Any:
    return importlib.import_module(f"{root}.{package}")


def stock_contract(package: str) -> Any:
    """Return a package of the contract as betterproto's plugin writes it."""
    data = CONTRACT.read_bytes()
    folder = kept(
        "contract",
        [data, *compilers()],
        lambda folder: generate_stock(FileDescriptorSet.FromString(data), folder, "contract_stock"),
    )
    make_importable(folder)
    return import_package("contract_stock", package)


class Google:
    """google.protobuf's classes for the files of a descriptor set, with no generated code."""

    def __init__(self, descriptors: FileDescriptorSet) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptors.file:
            self.pool.Add(file)

    def __call__(self, full_name: str) -> Any:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full_name))


@cache
def contract_google() -> Google:
    return Google(FileDescriptorSet.FromString(CONTRACT.read_bytes()))


@cache
def contract_types() -> dict[str, type[betterproto.Message]]:
    """Every message type of the contract by its full name."""
    found = {}
    for file in FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
        if not file.package.startswith("google."):
            module = importlib.import_module(f"mxgateway.generated.{file.package}")
            for message in file.message_type:
                found[f"{file.package}.{message.name}"] = getattr(module, pythonize_class_name(message.name))
    return found
