"""The key that a function returns shows in no frame, no error and no log, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayError
from mxgateway.simulator import SimulatedGateway
from tests.secrets.test_library import KEY, MARK, told

RETURNED: dict[str, Callable[[], Any]] = {
    "a key": lambda: KEY,
    "a key that cannot be sent": lambda: KEY + "\n and more",
    "bytes": lambda: KEY.encode(),
    "a list": lambda: [KEY],
}


async def later(value: Any) -> Any:
    return value


@pytest.mark.parametrize("how", ["at once", "later"])
@pytest.mark.parametrize("returned", RETURNED)
async def test_it_shows_nowhere(returned: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    def source() -> Any:
        return RETURNED[returned]() if how == "at once" else later(RETURNED[returned]())

    async with SimulatedGateway() as gateway:
        with caplog.at_level(logging.DEBUG), pytest.raises(MxGatewayError) as caught:
            async with GatewayClient.connect(gateway.endpoint, api_key=source, plaintext=True) as client:
                await client.open_session()  # the gateway does not know the key
    assert MARK not in told(caught.value)
    assert MARK not in caplog.text
