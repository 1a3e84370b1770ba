"""Client, simulator and command line work on a contract with other numbers: nothing depends on one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.protos import GENERATOR, PROTOS, ROOT
from tests.contract.renumber import renumber

RUN = """
import runpy, sys
import mxgateway
from mxgateway import proto

print(mxgateway.__file__, proto.MxEventFamily.ON_DATA_CHANGE.value, file=sys.stderr)
sys.argv[0] = "mxgw-py"
runpy.run_module("mxgateway_cli", run_name="__main__")
"""


@pytest.fixture(scope="module")
def renumbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy both packages and regenerate the bindings from renumbered protos."""
    root = tmp_path_factory.mktemp("renumbered")
    for package in ("mxgateway", "mxgateway_cli"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    renumber(PROTOS, root / "protos")
    output = root / "mxgateway" / "generated"
    subprocess.run([sys.executable, GENERATOR, "--proto-dir", root / "protos", "--output", output], check=True)
    return root


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_smoke_flow_runs_on_renumbered_bindings(renumbered: Path) -> None:
    done = run(renumbered, "smoke", "--simulator", "--json")

    imported, number = done.stderr.splitlines()[0].rsplit(" ", 1)
    assert Path(imported) == renumbered / "mxgateway" / "__init__.py"
    assert int(number) > 1000
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["eventCount"] >= 1
    assert report["events"][0]["family"] == "MX_EVENT_FAMILY_ON_DATA_CHANGE"
    assert report["protocolStatus"] == "PROTOCOL_STATUS_CODE_OK"
    assert report["closeStatus"] == "SESSION_STATE_CLOSED"


def test_a_write_is_confirmed_on_renumbered_bindings(renumbered: Path) -> None:
    done = run(renumbered, "smoke", "--simulator", "--type", "int32", "--value", "123", "--json")

    assert done.returncode == 0, done.stderr
    families = [event["family"] for event in json.loads(done.stdout)["events"]]
    assert "MX_EVENT_FAMILY_ON_WRITE_COMPLETE" in families


def test_the_renumbered_bindings_differ_from_the_shipped_ones(renumbered: Path) -> None:
    shipped = ROOT / "mxgateway" / "generated" / "contract.binpb"

    done = run(renumbered, "contract", "--descriptor-set", str(shipped), "--json")

    assert done.returncode == 1
    kinds = {difference["kind"] for difference in json.loads(done.stdout)["differences"]}
    assert kinds == {"other number", "other enum value"}
