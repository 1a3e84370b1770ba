"""A fork of the nursery as asyncio's own `Process`: with pipes to its streams, signals, and a wait for its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from tests.cli.forking import nursery

LINE_LIMIT = 2**16


class _Transport:
    """What asyncio's `Process` asks of its transport."""

    def __init__(self, child: nursery.Child, pipes: Mapping[int, asyncio.BaseTransport]) -> None:
        self._child, self._pipes = child, pipes
        self._code: int | None = None
        self._end = asyncio.create_task(self._ends())

    async def _ends(self) -> int:
        try:
            self._code = await self._child.exit_code()
        finally:
            self._child.close()
        return self._code

    def get_pid(self) -> int:
        return self._child.pid

    def get_returncode(self) -> int | None:
        return self._code

    def get_pipe_transport(self, descriptor: int) -> asyncio.BaseTransport:
        return self._pipes[descriptor]

    async def _wait(self) -> int:
        return await asyncio.shield(self._end)

    def send_signal(self, number: int) -> None:
        if self._code is not None:
            raise ProcessLookupError
        os.kill(self._child.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._child.kill()


async def start(
    arguments: tuple[str, ...], environment: Mapping[str, str], *, with_stdin: bool
) -> asyncio.subprocess.Process:
    """Start a command with pipes.

    Args:
        arguments: The words after the program's name.
        environment: All of its environment.
        with_stdin: Whether its stdin is a pipe, and not the null device.
    """
    stdin, to_stdin = os.pipe() if with_stdin else (os.open(os.devnull, os.O_RDONLY), None)
    outputs = {number: os.pipe() for number in (1, 2)}
    theirs = [stdin, *(writing for _, writing in outputs.values())]
    try:
        child = nursery.begin(arguments, environment, theirs)
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    loop = asyncio.get_running_loop()
    pipes: dict[int, asyncio.BaseTransport] = {}
    readers = {number: asyncio.StreamReader(LINE_LIMIT, loop) for number in outputs}
    for number, (reading, _) in outputs.items():
        protocol = asyncio.StreamReaderProtocol(readers[number], loop=loop)
        pipes[number], _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb", 0))  # noqa: B023 - called within the iteration
    writer = None
    if to_stdin is not None:
        transport, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(to_stdin, "wb", 0))
        pipes[0], writer = transport, asyncio.StreamWriter(transport, flow, None, loop)
    made: Any = SimpleNamespace(stdin=writer, stdout=readers[1], stderr=readers[2])
    return asyncio.subprocess.Process(_Transport(child, pipes), made, loop)  # type: ignore[arg-type]
