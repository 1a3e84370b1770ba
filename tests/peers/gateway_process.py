"""A simulated gateway in a separate process, so that this process measures only the client.

The program prints its address, then executes lines of JSON: a method of `SimulatedGateway` and its arguments.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mxgateway.simulator import SimulatedGateway

ROOT = Path(__file__).parents[2]


class GatewayProcess:
    """A simulated gateway in a separate process; a context manager that ends it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.peers.gateway_process"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT
        )
        self.endpoint, self.api_key = self._answer()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of the gateway and wait until it returns."""
        assert self._process.stdin is not None
        print(json.dumps([method, *arguments]), file=self._process.stdin, flush=True)
        self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the gateway's process has ended with exit code {self._process.wait()}"
        return json.loads(line)


class _Gateway(SimulatedGateway):
    """A gateway that can drop its connections at a certain point."""

    def drop_connections_instead_of_replying(self, method: str) -> None:
        """Close every connection instead of sending the next reply of a method."""

        def drop(reply: Any) -> Any:
            self.drop_connections()
            return reply

        self.reply_override(method, drop)


async def _serve() -> None:
    async with _Gateway() as gateway:
        loop = asyncio.get_running_loop()
        print(json.dumps([gateway.endpoint, gateway.api_key]), flush=True)
        ended = asyncio.Event()

        def obey(line: str) -> None:
            method, *arguments = json.loads(line)
            getattr(gateway, method)(*arguments)
            print("null", flush=True)

        def listen() -> None:
            for line in sys.stdin:
                loop.call_soon_threadsafe(obey, line)
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=listen, daemon=True).start()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
