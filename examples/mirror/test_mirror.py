"""The mirror survives what happens in the field; written with the test kit of mxgateway."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from database import Database
from mirror import mirror

from mxgateway import GatewayClient
from mxgateway.testing import TestClock, ThreadedFaultProxy, ThreadedGateway

pytestmark = pytest.mark.mx_plant("plant.toml")

TAGS = ["Tank01.Level", "Tank01.Product"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plant.db"


def query(file: Path, statement: str) -> list[tuple[object, ...]]:
    """Read the database as another program does."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()


def values(file: Path) -> dict[str, object]:
    return {str(tag): json.loads(str(value)) for tag, value in query(file, "SELECT tag, value FROM tags")}


def causes(file: Path) -> list[str]:
    return [str(cause) for (cause,) in query(file, "SELECT cause FROM losses")]


def is_connected(file: Path) -> bool:
    return query(file, "SELECT state FROM connection") == [("connected",)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(client: GatewayClient, file: Path) -> AsyncIterator[None]:
    """Run the mirror in the background, until it is connected and then while the block runs."""
    async with Database(file) as database:
        service = asyncio.create_task(mirror(client, TAGS, database))
        try:
            await until(lambda: is_connected(file))
            yield
        finally:
            service.cancel()
            with suppress(asyncio.CancelledError):
                await service


async def test_every_change_arrives(mx_client: GatewayClient, mx_gateway: ThreadedGateway, file: Path) -> None:
    async with running(mx_client, file):
        assert values(file) == {"Tank01.Level": 50.0, "Tank01.Product": "Water"}
        mx_gateway.set_tag("Tank01.Level", 61.5)
        await until(lambda: values(file)["Tank01.Level"] == 61.5)
    assert causes(file) == []


async def test_a_dropped_connection_loses_nothing(
    mx_client: GatewayClient, mx_gateway: ThreadedGateway, mx_proxy: ThreadedFaultProxy, file: Path
) -> None:
    async with running(mx_client, file):
        mx_proxy.refuse()
        mx_proxy.reset_all()
        mx_gateway.set_tag("Tank01.Level", 62.5)
        await until(lambda: not is_connected(file))
        mx_proxy.accept()
        await until(lambda: values(file)["Tank01.Level"] == 62.5)
    assert causes(file) == []


async def test_after_a_restart_of_the_gateway_it_goes_on_and_says_what_is_missing(
    mx_client: GatewayClient, mx_gateway: ThreadedGateway, file: Path
) -> None:
    async with running(mx_client, file):
        mx_gateway.restart()
        mx_gateway.set_tag("Tank01.Product", "Milk")
        await until(lambda: values(file)["Tank01.Product"] == "Milk")
    assert causes(file) == ["session lost"]


async def test_after_a_crash_of_the_worker_it_goes_on_and_says_what_is_missing(
    mx_client: GatewayClient, mx_gateway: ThreadedGateway, file: Path
) -> None:
    async with running(mx_client, file):
        (session_id,) = mx_gateway.sessions
        mx_gateway.crash_worker(session_id)
        mx_gateway.set_tag("Tank01.Level", 63.5)
        await until(lambda: values(file)["Tank01.Level"] == 63.5)
    assert causes(file) == ["session lost"]


async def test_after_an_hour_without_a_gateway_it_is_back_within_its_longest_pause(
    mx_client: GatewayClient, mx_gateway: ThreadedGateway, mx_clock: TestClock, file: Path
) -> None:
    async def stored(condition: Callable[[], bool]) -> None:
        """Wait for SQLite's thread, which takes real time, while time stands still."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            await mx_clock.advance(0)

    async with Database(file) as database:
        service = asyncio.create_task(mirror(mx_client, TAGS, database))
        await mx_clock.advance(1)
        await stored(lambda: is_connected(file))
        mx_gateway.stop()
        await mx_clock.advance(3600)
        await stored(lambda: not is_connected(file))
        mx_gateway.start()
        await mx_clock.advance(31)
        await stored(lambda: is_connected(file))
        service.cancel()
        await asyncio.wait([service])


async def test_a_locked_database_does_not_stop_the_loop(
    mx_client: GatewayClient, mx_gateway: ThreadedGateway, file: Path
) -> None:
    async with running(mx_client, file):
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            mx_gateway.set_tag("Tank01.Level", 64.5)
            began = time.monotonic()
            for _ in range(20):
                await asyncio.sleep(0.01)
            assert time.monotonic() - began < 2
            other.execute("COMMIT")
        await until(lambda: values(file)["Tank01.Level"] == 64.5)


def test_a_killed_process_starts_again_with_the_values_of_now(mx_gateway: ThreadedGateway, file: Path) -> None:
    """A sync test, and the service as it runs in production."""
    service = Path(__file__).with_name("mirror.py")
    command: list[str | Path] = [
        sys.executable,
        service,
        "--endpoint",
        mx_gateway.endpoint,
        "--plaintext",
        "--database",
        file,
        *TAGS,
    ]
    for level in (65.5, 66.5):
        mx_gateway.set_tag("Tank01.Level", level)
        with subprocess.Popen(command, env={**os.environ, "MXGATEWAY_API_KEY": mx_gateway.api_key}) as process:
            end = time.monotonic() + 20
            while not (file.exists() and is_mirrored(file, level)):
                assert time.monotonic() < end
                time.sleep(0.02)
            process.kill()
        for session in mx_gateway.sessions.values():
            session.close()


def is_mirrored(file: Path, level: float) -> bool:
    with suppress(sqlite3.OperationalError):  # the process has not made its tables yet
        return values(file).get("Tank01.Level") == level
    return False
