from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway.wire.compiling import warming
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
def constructs(tmp_path_factory: pytest.TempPathFactory) -> Constructs:
    folder = tmp_path_factory.mktemp("constructs")
    descriptors = compiling.describe(compiling.CONSTRUCTS, folder)
    compiling.generate_ours(compiling.CONSTRUCTS.parent, folder, "constructs_ours")
    compiling.generate_stock(descriptors, folder, "constructs_stock")
    google = compiling.Google(descriptors)
    return Constructs(
        ours=compiling.import_package("constructs_ours", PACKAGE),
        stock=compiling.import_package("constructs_stock", PACKAGE),
        google=lambda name: google(f"{PACKAGE}.{name}"),
    )


@pytest.fixture(scope="session")
def stock_contract(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """betterproto's own classes for the contract, by full name."""
    folder = tmp_path_factory.mktemp("contract")
    descriptors = FileDescriptorSet.FromString(compiling.CONTRACT.read_bytes())
    compiling.generate_stock(descriptors, folder, "contract_stock")

    def find(full_name: str) -> Any:
        package, _, name = full_name.rpartition(".")
        return getattr(compiling.import_package("contract_stock", package), name)

    return find
