"""What a pipeline runs, doctor, wait and verify, in each situation that it meets: the exit code of each step as a process, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from mxgateway.simulator import Attribute, PlantObject, Scope, SimulatedGateway, SimulatedKey, Template
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.process import Outcome, fork
from tests.peers.network.certificates import Authority
from tests.transport.connecting.test_greeted_first import closed_port

NEW_TAG: Final = "Mixer01.Level"
AUTHORITY: Final = Authority()


class Stage(NamedTuple):
    """What the commands of a situation get."""

    gateway: SimulatedGateway
    options: tuple[str, ...] = ("--plaintext",)
    tag: str = TAG
    act: Callable[[], Any] | None = None
    """What happens as soon as a command has opened its session."""


@asynccontextmanager
async def started(**options: Any) -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(**{"api_keys": [SimulatedKey.parse(KEY)], **options}) as gateway:
        yield gateway


@asynccontextmanager
async def starts_late(_: Path) -> AsyncIterator[Stage]:
    """The gateway is stopped before each step, and starts while the step waits for it."""
    await fork("version")  # the first process of a test run takes its time to begin
    port = closed_port()[1]
    async with started(port=port) as gateway:
        yield Stage(gateway, ("--plaintext", "--wait-for-gateway", "50"))


@asynccontextmanager
async def restarts(_: Path) -> AsyncIterator[Stage]:
    async with started() as gateway:
        yield Stage(gateway, act=lambda: gateway.restart())


@asynccontextmanager
async def redeploys(_: Path) -> AsyncIterator[Stage]:
    async with started() as gateway:
        number = 900

        async def deploy() -> None:
            nonlocal number
            number += 1
            level = Attribute(name="Level", value=17)
            name = f"{NEW_TAG.split('.')[0]}" if number == 901 else f"Mixer{number}"
            gateway.deploy(add=[PlantObject(number, name, Template("$Mixer", attributes=(level,)))])

        await deploy()
        yield Stage(gateway, tag=NEW_TAG, act=deploy)


@asynccontextmanager
async def has_a_bad_tag(_: Path) -> AsyncIterator[Stage]:
    async with started() as gateway:
        yield Stage(gateway, tag="No.Such")


@asynccontextmanager
async def has_an_expired_certificate(folder: Path) -> AsyncIterator[Stage]:
    async with started(ssl_context=AUTHORITY.expired("127.0.0.1").context()) as gateway:
        yield Stage(gateway, ("--ca-file", str(AUTHORITY.write(folder / "ca.pem"))))


@asynccontextmanager
async def knows_a_key_without_scopes(_: Path) -> AsyncIterator[Stage]:
    async with started(api_keys=[replace(SimulatedKey.parse(KEY), scopes=frozenset[Scope]())]) as gateway:
        yield Stage(gateway)


Situation = Callable[[Path], AbstractAsyncContextManager[Stage]]
STEPS: Final = ("doctor", "wait {tag} --until good --timeout 50", "verify {tag} --expect 17 --timeout {seconds}")
SITUATIONS: Final[dict[Situation, tuple[tuple[int | None, str], ...]]] = {
    starts_late: ((0, "waiting for"), (0, "waiting for"), (0, "waiting for")),
    restarts: ((None, ""), (0, "connected again"), (0, "connected again")),
    redeploys: ((0, ""), (0, ""), (0, "")),
    has_a_bad_tag: ((0, ""), (22, "does not know the tag"), (20, "1 of 1 rows do not hold within 1 s")),
    has_an_expired_certificate: ((78, "certificate has expired"), (78, "certificate has expired"), (78, "certificate has expired")),
    knows_a_key_without_scopes: ((71, "session:open"), (71, "session:open"), (71, "session:open")),
}  # fmt: skip
"""The exit code of each step, and words of its stderr; doctor reports what it finds, before the restart or after it."""


async def ended(stage: Stage, step: str, situation: Situation) -> Outcome:
    """Return how a step ends."""
    gateway = stage.gateway
    seconds = 1 if situation is has_a_bad_tag else 50
    words = step.format(tag=stage.tag, seconds=seconds).split()
    env = Gateway(gateway).env
    if situation is starts_late:
        await gateway.stop()
    before = len(gateway.received)
    if stage.act is not None:
        gateway.hold("Invoke")
    command = asyncio.ensure_future(fork(*words, *stage.options, env=env))
    if situation is starts_late:
        await asyncio.sleep(1)
        await gateway.start()
    if stage.act is not None:
        async with asyncio.timeout(30):
            while all(call.method != "Invoke" for call in list(gateway.received)[before:]) and not command.done():
                await asyncio.sleep(0.01)
        await stage.act()
        gateway.release("Invoke")
    return await command


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
async def test_each_step_of_a_pipeline_ends_as_the_situation_demands(tmp_path: Path, situation: Situation) -> None:
    async with situation(tmp_path) as stage:
        for step, (code, words) in zip(STEPS, SITUATIONS[situation], strict=True):
            outcome = await ended(stage, step, situation)
            assert outcome.code in ((0, 69, 78) if code is None else (code,)), (step, outcome)
            assert words in outcome.err, (step, outcome)
            assert "Traceback" not in outcome.err
        if situation is not has_an_expired_certificate:
            assert not stage.gateway.sessions
