"""Fixtures of the transport tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.transport.rows import nothing_left


@pytest.fixture
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fail when a test leaves a task running, or a socket or transport that only the garbage collector closes."""
    async with nothing_left():
        yield


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
