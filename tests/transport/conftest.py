"""Fixtures of the transport tests."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.garbage import leave_alone_what_there_is
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed


@pytest.fixture
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fail when a test leaves a task running, or a socket or transport that only the garbage collector closes."""
    before = asyncio.all_tasks()
    leave_alone_what_there_is()
    yield
    left = {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()}
    assert not left
    await asyncio.sleep(0)  # a transport that was closed or aborted takes one turn of the loop
    gc.collect()  # an unclosed one warns, and warnings are errors


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return an authority that no system trusts."""
    return Authority()


@pytest.fixture(scope="session")
def own_certificate() -> ServerCertificate:
    """Return a certificate that the gateway made itself."""
    return self_signed()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> Path:
    """Return the PEM file of `authority`."""
    return authority.write(tmp_path / "ca.pem")
