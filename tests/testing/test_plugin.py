from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import sys
import grpc
pytest_plugins = ["mxgateway.testing"]
{imports}
ports = []

{mark}
async def test_a_gateway_answers(simulated_gateway):
    ports.append(simulated_gateway.port)
    async with grpc.aio.insecure_channel(simulated_gateway.endpoint) as channel:
        call = channel.unary_unary("/mxaccess_gateway.v1.MxAccessGateway/OpenSession")
        metadata = (("authorization", "Bearer " + simulated_gateway.api_key),)
        assert b"session-" in await call(b"", metadata=metadata)
    assert len(simulated_gateway.sessions) == 1

{mark}
async def test_each_test_has_its_own(simulated_gateway):
    assert not simulated_gateway.sessions
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_project_of_somebody_else_uses_the_fixture(tmp_path: Path, mode: str) -> None:
    strict = mode == "strict"
    tests = TESTS.format(imports="import pytest" if strict else "", mark="@pytest.mark.asyncio" if strict else "")
    (tmp_path / "test_mine.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "-o",
        f"asyncio_mode={mode}",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    ]
    run = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


def test_naming_the_plugin_loads_no_simulator_before_it_is_used() -> None:
    program = "import sys, mxgateway.testing; sys.exit('mxgateway.simulator' in sys.modules or 'h2' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_simulator_needs_neither_the_client_nor_a_compiled_module() -> None:
    program = """
import sys, mxgateway.simulator
ours = {name for name in sys.modules if name.startswith("mxgateway.")}
allowed = ("mxgateway.simulator", "mxgateway.wire", "mxgateway.generated", "mxgateway.system")
print(sorted(name for name in ours if not name.startswith(allowed)))
print(sorted({"grpc", "google.protobuf", "pytest"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "[]"]
