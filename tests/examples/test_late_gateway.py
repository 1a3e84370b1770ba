"""doctor, wait and verify in one script, against a gateway that starts late and restarts meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

from mxgateway_cli.controlling.serving import DEMO_KEY
from tests.cli.process import PROGRAM, environment, finish
from tests.examples.pipelines import start, workspace
from tests.transport.connecting.test_greeted_first import closed_port

SCRIPT = """\
mxgw-py doctor --plaintext
echo the doctor is content
mxgw-py wait --plaintext --from examples/pipelines/ready.csv --timeout 50
mxgw-py verify --plaintext --from examples/pipelines/expected.csv --timeout 50 --junit junit.xml
"""


@asynccontextmanager
async def simulated(port: int) -> AsyncIterator[None]:
    """Run a simulated gateway as a process while the block runs."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "simulate", "--port", str(port), env=environment(),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill() if sys.platform == "win32" else process.terminate()
        await process.wait()


async def test_a_script_goes_through_although_the_gateway_starts_late_and_restarts(tmp_path: Path) -> None:
    _, port = closed_port()
    checkout = workspace(tmp_path)
    variables = {
        "MXGATEWAY_ENDPOINT": f"127.0.0.1:{port}",
        "MXGATEWAY_API_KEY": DEMO_KEY,
        "MXGATEWAY_WAIT_FOR_GATEWAY": "50",
    }
    script = await start(SCRIPT, checkout, variables)
    assert script.stdout is not None
    await asyncio.sleep(2)
    async with simulated(port):
        while await script.stdout.readline() not in (b"the doctor is content\n", b""):
            pass
    await asyncio.sleep(1)
    async with simulated(port):
        outcome = await finish(script)

    assert outcome.code == 0, outcome
    assert outcome.err.count("waiting for") >= 2, outcome.err
    suite = ElementTree.fromstring((checkout / "junit.xml").read_bytes())[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("6", "0", "0")
