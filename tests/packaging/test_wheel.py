"""What is shipped: the wheel, installed alone, does the main job, and nothing in the installation is compiled."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from mxgateway.contract import Contract
from tests.contract.permuted import permuted
from tests.packaging import built

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
COMPILED = (".so", ".pyd", ".dylib", ".dll", ".a", ".o")
INSTALL = ["install", "-q", "--no-compile"]
"""Without bytecode: Python compiles the few modules that are used."""
SMOKE = ["smoke", "--simulator", "--type", "int32", "--value", "5", "--json"]


def _run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(arg) for arg in argv], cwd=ROOT.parent, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel() -> Path:
    return built.wheel()


@pytest.fixture(scope="session")
def pure_installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and its dependencies, of which pip may take only wheels for any Python 3 on any platform."""
    folder = tmp_path_factory.mktemp("pure")
    only_pure = ["--only-binary=:all:", "--implementation", "py", "--abi", "none", "--platform", "any"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    _run(sys.executable, "-m", "pip", *INSTALL, "--target", folder, *only_pure, "--python-version", version, wheel)
    return folder


def test_the_wheel_is_for_every_platform_and_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    control = "mxgateway/control_protocol"
    assert {
        "mxgateway/py.typed", "mxgateway/generated/contract.binpb", "mxgateway_cli/main.py",
        f"{control}/simulator_control.proto", f"{control}/generated/contract.binpb",
    } <= set(names)  # fmt: skip
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "mxgateway",
        "mxgateway_cli",
        "mxaccess_gateway_client",
    }


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
    metadata = email.message_from_string(archive.read(name).decode())
    assert metadata["Name"] == "mxaccess-gateway-client"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    required = {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert required == {
        "betterproto==2.0.0b7", "grpclib<0.5,>=0.4.9", "click>=8.1.7",
        "h2>=4.3.0", "hpack>=4.2.0", "hyperframe>=6.1.0", "multidict>=6.7.1",
        "rich>=14.0", "tomlkit>=0.13.2",
    }  # fmt: skip
    assert len(metadata.get_all("Project-URL", [])) == 4


def test_the_wheel_installed_alone_into_an_empty_environment_does_the_main_job(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path)  # it holds nothing at all: the pip of this environment installs into it
    scripts = tmp_path / ("Scripts" if os.name == "nt" else "bin")
    _run(sys.executable, "-m", "pip", "--python", scripts / "python", *INSTALL, wheel)
    report = json.loads(_run(scripts / "mxgw-py", *SMOKE))
    assert report["closeStatus"] == "SESSION_STATE_CLOSED"
    assert report["eventFamily"] == "MX_EVENT_FAMILY_ON_WRITE_COMPLETE"


def test_every_dependency_has_a_pure_python_wheel_and_nothing_installed_is_compiled(pure_installation: Path) -> None:
    files = [path for path in pure_installation.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix in COMPILED] == []
    tags = [
        line
        for path in files
        if path.name == "WHEEL"
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("Tag:", "Root-Is-Purelib:"))
    ]
    assert len(tags) >= 2 * 8
    assert {
        tag for tag in tags if tag not in ("Root-Is-Purelib: true", "Tag: py3-none-any", "Tag: py2-none-any")
    } == set()


def test_the_main_job_runs_without_any_compiled_module_of_a_package(pure_installation: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from mxgateway_cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    shipped = [m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)]\n"
        f"    compiled = [f for f in shipped if f.endswith({COMPILED!r}) and 'lib-dynload' not in f]\n"
        "    assert not compiled, compiled\n"
    )
    report = json.loads(_run(sys.executable, "-I", "-S", "-c", code, pure_installation, *SMOKE))
    assert report["closeStatus"] == "SESSION_STATE_CLOSED"


def test_the_wheel_alone_binds_to_a_contract_in_a_file(pure_installation: Path, tmp_path: Path) -> None:
    """Neither a compiler nor a generated file is there: the contract is data."""
    contract = tmp_path / "gateway.protoset"
    contract.write_bytes(permuted(3))
    before = sorted(pure_installation.rglob("*.py"))
    program = tmp_path / "bound_main_job.py"
    program.write_bytes(Path(__file__).with_name("bound_main_job.py").read_bytes())
    code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"

    report = json.loads(_run(sys.executable, "-I", "-S", "-c", code, pure_installation, program, contract))

    assert report.pop("objects") > 0
    assert report.pop("fingerprint") == Contract.load(contract).fingerprint
    assert report == {"first": 17, "read": 42, "other numbers": True, "compiled": []}
    assert sorted(pure_installation.rglob("*.py")) == before


def test_the_wheel_alone_speaks_a_bound_contract_on_the_command_line(pure_installation: Path, tmp_path: Path) -> None:
    """Both sides are processes of the installed command line; one that is not bound does not understand the gateway."""
    contract = tmp_path / "gateway.protoset"
    contract.write_bytes(permuted(3))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1))\nfrom mxgateway_cli.main import main\nmain()"
    mxgw_py = [sys.executable, "-I", "-S", "-c", code, str(pure_installation)]
    serving = [*mxgw_py, "simulate", "--port", "0", "--contract", str(contract), "-ojsonl"]

    with subprocess.Popen(serving, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stdout is not None
            told = json.loads(gateway.stdout.readline())
            env = os.environ | {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
            smoke = [*mxgw_py, "smoke", "--plaintext", "--type", "int32", "--value", "5", "--json"]
            bound, unbound = (
                subprocess.run([*smoke, *more], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
                for more in (["--contract", str(contract)], [])
            )
        finally:
            gateway.terminate()

    assert bound.returncode == 0, bound.stderr
    report = json.loads(bound.stdout)
    assert report["closeStatus"] == "SESSION_STATE_CLOSED"
    assert unbound.returncode != 0
    assert "mxgw-py contract --from-gateway" in unbound.stderr
