"""Another protocol version is warned about and never refused."""

from __future__ import annotations

import logging

import pytest

from mxgateway import PROTOCOL_VERSION
from mxgateway.simulator import SimulatorOptions
from tests.client.support import advised, opened


async def warnings_of(version: int, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    options = SimulatorOptions(gateway_protocol_version=version)
    async with opened(options) as (_, session):
        assert session.gateway_protocol_version == version
        item = await advised(session)
        await session.write_confirmed(*item.pair, 1)
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1])
async def test_another_version_is_warned_about_and_everything_works(
    caplog: pytest.LogCaptureFixture, version: int
) -> None:
    (warning,) = await warnings_of(version, caplog)

    assert warning.name == "mxgateway.client"
    assert f"gateway protocol {version}, this client implements {PROTOCOL_VERSION}" in warning.message
    assert "\n" not in warning.message


async def test_the_version_that_the_client_was_made_for_is_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    assert await warnings_of(PROTOCOL_VERSION, caplog) == []
