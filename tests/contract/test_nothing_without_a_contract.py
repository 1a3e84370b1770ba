"""Who gives no contract pays for none: nothing of `mxgateway.contract` is loaded."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.contract.protos import ROOT
from tests.rows import each_row

PROGRAMS = {
    "import": "import mxgateway",
    "every public name but the contract's own": "import mxgateway\n[getattr(mxgateway, name) for name in mxgateway.__all__ if name != 'contract']",
    "help": "from mxgateway_cli.main import run\nrun(['--help'])",
    "main job": (
        "import asyncio\n"
        "from mxgateway import GatewayClient\n"
        "from mxgateway.simulator import SimulatedGateway\n"
        "async def main():\n"
        "    async with SimulatedGateway() as gateway:\n"
        "        async with GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True) as client:\n"
        "            async with client.open_session() as session:\n"
        "                await session.read(['TestChildObject.TestInt'])\n"
        "            await client.galaxy.test_connection()\n"
        "asyncio.run(main())"
    ),
    "a command": "from mxgateway_cli.main import run\nrun(['smoke', '--simulator'])",
}


@each_row("name", PROGRAMS)
def test_nothing_of_a_contract_is_loaded(name: str) -> None:
    tail = "\nimport json, sys\nprint(json.dumps([each for each in sys.modules if each.startswith('mxgateway.contract')]), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS[name] + tail], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stderr.splitlines()[-1]) == []
