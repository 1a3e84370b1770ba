"""Run with an installed wheel alone: a gateway and a client speak the contract in the file that is named, and do the main job."""

from __future__ import annotations

import asyncio
import json
import sys

from mxgateway import GatewayClient, from_mx_value
from mxgateway.contract import Contract
from mxgateway.simulator import SimulatedGateway

TAG = "TestChildObject.TestInt"


async def main(file: str) -> dict[str, object]:
    contract = Contract.load(file)
    async with (
        SimulatedGateway(contract=contract) as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True, contract=contract) as client,
        client.open_session() as session,
    ):
        gateway.set_tag(TAG, 17)
        server = await session.register("wheel")
        item = await session.add_item(server, TAG)
        async with session.stream_events() as events:
            await session.advise(server, item)
            first = await anext(events)
        await session.write_confirmed(server, item, 42, timeout=5)
        read = (await session.read([TAG]))[0].value
        objects = len(await client.galaxy.discover_hierarchy())
        sent = contract.encode(first) != bytes(first)
    return {"first": from_mx_value(first.value), "read": read, "objects": objects, "other numbers": sent}


if __name__ == "__main__":
    report = asyncio.run(main(sys.argv[1]))
    files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    report["compiled"] = [
        file for file in files if file and file.endswith((".so", ".pyd")) and "lib-dynload" not in file
    ]
    report["fingerprint"] = Contract.load(sys.argv[1]).fingerprint
    print(json.dumps(report))
