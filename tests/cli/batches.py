"""Runs `mxgw-py batch`, as a process with a pipe on each side where somebody talks with it, and takes its answers apart as a script would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.cli.in_process import mxgw
from tests.cli.process import LIMIT_SECONDS, Outcome, finish, start

MARKER = "__MXGW_BATCH_EOR__"


@dataclass(frozen=True)
class BatchOutcome(Outcome):
    """How a batch ended, and what it answered to each line."""

    @property
    def answers(self) -> list[str]:
        """The text before each marker; nothing may stand behind the last one."""
        answers: list[list[str]] = [[]]
        for line in self.out.split("\n"):
            if line == MARKER:
                answers.append([])
            else:
                answers[-1].append(line)
        assert answers.pop() == [""], "stdout ends with a marker and its line feed"
        return ["\n".join(answer) for answer in answers]

    @property
    def documents(self) -> list[Any]:
        """The answers as JSON, None for an empty one."""
        return [json.loads(answer) if answer else None for answer in self.answers]

    def failure(self, line: int) -> str:
        """The error of the answer to a line, counted from 1."""
        document = json.loads(self.answers[line - 1].splitlines()[-1])
        assert list(document) == ["error", "type"]
        assert document["type"] == "error"
        text: str = document["error"]
        return text


async def start_batch(*arguments: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    """Start a batch whose stdin stays open."""
    return await start("batch", *arguments, env=env, stdin=asyncio.subprocess.PIPE)


async def batch(lines: str | bytes, *arguments: str, env: Mapping[str, str] | None = None) -> BatchOutcome:
    """Run a batch over `lines` to its end."""
    outcome = await mxgw("batch", *arguments, env=env, stdin=lines)
    return BatchOutcome(outcome.code, outcome.out, outcome.err)


class Dialogue:
    """Someone who writes one line and waits for its answer before writing the next."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def send(self, line: str) -> None:
        """Write a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def read_line(self) -> str:
        """Read one line of the answer."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            line = await self.process.stdout.readline()
        assert line.endswith(b"\n"), "stdout has ended"
        return line.decode().removesuffix("\n")

    async def ask(self, line: str) -> str:
        """Write a line and return the answer to it."""
        self.send(line)
        answer = []
        while (read := await self.read_line()) != MARKER:
            answer.append(read)
        return "\n".join(answer)

    async def end(self) -> Outcome:
        """Close stdin and wait for the end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await finish(self.process)


@asynccontextmanager
async def dialogue(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Dialogue]:
    """Start a batch to talk with; it is killed if it has not ended at the end of the block."""
    process = await start_batch(*arguments, env=env)
    try:
        yield Dialogue(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
