"""A program that makes one call loads what the call needs: its time goes into imports."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from mxgateway.simulator import SimulatedGateway

PROGRAM = """
import asyncio, sys
from mxgateway import GatewayClient, proto
async def main():
    async with GatewayClient.connect({endpoint!r}, api_key={key!r}, plaintext=True) as client:
        reply = await client.open_session_raw(proto.OpenSessionRequest())
        print(reply.session_id.partition("-")[0])
asyncio.run(main())
unneeded = "json", "encodings.idna", "ipaddress", "mxgateway.contract", "mxgateway.session", "mxgateway.galaxy.browse", "mxgateway.wire.json"
print([name for name in unneeded if name in sys.modules])
"""


async def test_a_first_call_loads_nothing_that_it_does_not_need() -> None:
    async with SimulatedGateway() as gateway:
        code = PROGRAM.format(endpoint=gateway.endpoint, key=gateway.api_key)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
    assert output.decode().split() == ["session", "[]"]
