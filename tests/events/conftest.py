"""A gateway behind a network that can fail, and a session of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.events.support import Site, site


@pytest.fixture
async def world() -> AsyncIterator[Site]:
    async with site() as found:
        yield found
