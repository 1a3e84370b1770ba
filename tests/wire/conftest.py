from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway.wire.compiling import warming
from tests.kept import kept
from tests.wire import compiling

PACKAGE = "wire_constructs.v1"


@dataclass(frozen=True)
class Constructs:
    """constructs.proto in three kinds: modules of betterproto classes, and a function for google.protobuf's."""

    ours: Any
    stock: Any
    google: Callable[[str], Any]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Compile for the first message of each type: the tests of the wire are about the compiled functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warming, "ALLOWANCE", 0)
        yield


@pytest.fixture(scope="session")
def constructs() -> Constructs:
    def make(folder: Path) -> None:
        compiling.generate_ours(compiling.CONSTRUCTS.parent, folder, "constructs_ours")
        compiling.generate_stock(compiling.describe(compiling.CONSTRUCTS, folder), folder, "constructs_stock")

    folder = kept("constructs", [compiling.CONSTRUCTS.read_bytes(), *compiling.compilers()], make)
    compiling.make_importable(folder)
    google = compiling.Google(
        FileDescriptorSet.FromString((folder / "constructs_stock" / "contract.binpb").read_bytes())
    )
    return Constructs(
        ours=compiling.import_package("constructs_ours", PACKAGE),
        stock=compiling.import_package("constructs_stock", PACKAGE),
        google=lambda name: google(f"{PACKAGE}.{name}"),
    )


@pytest.fixture(scope="session")
def stock_contract() -> Callable[[str], Any]:
    """betterproto's own classes for the contract, by full name."""

    def find(full_name: str) -> Any:
        package, _, name = full_name.rpartition(".")
        return getattr(compiling.stock_contract(package), name)

    return find
