"""Contract bindings for the other contenders, compiled on the fly: plain betterproto classes, and grpcio's modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.wire import compiling

PROTOS = Path(__file__).parents[2] / "protos"


class StockContract:
    """The contract as plain betterproto classes, parsed and serialized by betterproto itself."""

    def __init__(self) -> None:
        self.gateway: Any = compiling.stock_contract("mxaccess_gateway.v1")
        self.galaxy: Any = compiling.stock_contract("galaxy_repository.v1")


def generate_grpcio_modules(folder: Path) -> None:
    """Write `*_pb2` and `*_pb2_grpc` modules of the contract to a folder."""
    names = ["mxaccess_gateway.proto", "galaxy_repository.proto"]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--python_out={folder}"]
    subprocess.run([*command, f"--grpc_python_out={folder}", *names], check=True, cwd=PROTOS)
