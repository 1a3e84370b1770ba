"""What tests of commands need of a gateway: its address and key in the environment, and sessions opened beforehand."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import mxgateway
from mxgateway.simulator import ControlServer, SimulatedGateway
from mxgateway.wire import which_one_of
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome

SECRET = "t0p-s3cr3t"
KEY = f"mxgw_tests_{SECRET}"
TAG = "TestChildObject.TestInt"


@dataclass(frozen=True)
class Gateway:
    """A simulated gateway that a command finds through its environment."""

    simulated: SimulatedGateway
    control: ControlServer | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables that name it, and its control if it has one."""
        found = {"MXGATEWAY_ENDPOINT": self.simulated.endpoint, "MXGATEWAY_API_KEY": KEY}
        if self.control is not None:
            found |= {"MXGATEWAY_CONTROL": self.control.endpoint, "MXGATEWAY_CONTROL_KEY": self.control.key}
        return found

    async def mxgw(self, *arguments: str) -> Outcome:
        return await mxgw(*arguments, "--plaintext", env=self.env)

    def client(self) -> AbstractAsyncContextManager[mxgateway.GatewayClient]:
        return mxgateway.GatewayClient.connect(self.simulated.endpoint, api_key=KEY, plaintext=True)

    async def received(self, *arms: str) -> None:
        """Wait until the gateway has taken one of these commands; it tells nobody, so it is asked."""

        def taken() -> bool:
            requests = (call.request for call in self.simulated.received if call.method == "Invoke")
            return any(request is not None and which_one_of(request.command, "payload") in arms for request in requests)

        async with asyncio.timeout(30):
            while not taken():
                await asyncio.sleep(0.01)

    async def open_session(self) -> str:
        """Open a session that stays open, and return its id."""
        async with self.client() as client:
            reply = await client.open_session_raw(mxgateway.proto.OpenSessionRequest(client_correlation_id="test"))
        return reply.session_id
