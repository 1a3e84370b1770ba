"""A key that is rotated while the client runs: it is asked for again, the refused call is repeated, and the cause is named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mxgateway import (
    ApiKey,
    ConnectionChange,
    GatewayClient,
    MxGatewayAuthenticationError,
    MxGatewayError,
    Outcome,
    RecoveryOptions,
    Session,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.client.support import TAG, advised
from tests.rows import each_row

OLD, NEW = "mxgw_svc_oldsecret123456", "mxgw_svc_newsecret123456"
QUICK = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, rejected_backoff=0.05)


class Vault:
    """Where the key of the client is from."""

    def __init__(self) -> None:
        self.key: Any = OLD
        self.asked = 0

    async def __call__(self) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.key, Exception):
            raise self.key
        return self.key


def rotate(gateway: SimulatedGateway) -> None:
    """Let the gateway know the new key, and no other."""
    gateway.revoke_key()
    gateway.add_key(SimulatedKey.parse(NEW))


@asynccontextmanager
async def running(api_key: Any) -> AsyncIterator[tuple[SimulatedGateway, GatewayClient, Session]]:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(OLD)]) as gateway:
        async with GatewayClient.connect(gateway.endpoint, api_key=api_key, plaintext=True) as client:
            yield gateway, client, await client.open_session()


async def test_a_function_is_asked_at_the_connect_and_a_refused_call_is_repeated_with_the_new_key() -> None:
    vault = Vault()
    async with running(vault) as (gateway, client, session):
        assert vault.asked == 1
        rotate(gateway)
        vault.key = NEW
        await session.ping()
        assert vault.asked == 2
        assert client.stats().calls_retried == 1
        assert client.stats().calls_failed == 0


async def test_a_subscription_goes_on_with_a_key_that_was_renewed_in_time_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing was interrupted, so no `ConnectionChange` tells it."""
    vault = Vault()
    async with running(vault) as (gateway, client, session):
        async with client.subscribe([TAG]) as updates:
            while getattr(await anext(updates), "state", None) is not SubscriptionState.CONNECTED:
                pass
            rotate(gateway)
            vault.key = NEW
            caplog.set_level(logging.INFO)
            await session.ping()
            gateway.set_tag(TAG, 77)
            value = None
            while value != 77:
                update = await anext(updates)
                assert isinstance(update, TagUpdate)
                value = update.value
    told = [record for record in caplog.records if record.name == "mxgateway.transport.keys"]
    assert [(record.levelname, record.getMessage()) for record in told] == [
        ("INFO", "the API key mxgw_svc_*** is replaced by mxgw_svc_***")
    ]


async def test_calls_at_the_same_time_ask_once() -> None:
    vault = Vault()
    async with running(vault) as (gateway, _, session):
        rotate(gateway)
        vault.key = NEW
        await asyncio.gather(*(session.ping() for _ in range(50)))
        assert vault.asked == 2


async def test_a_key_that_has_not_changed_is_refused_once_for_each_failure() -> None:
    vault = Vault()
    async with running(vault) as (gateway, _, session):
        rotate(gateway)
        before = len(gateway.received)
        for asked in (2, 3):
            with pytest.raises(MxGatewayAuthenticationError):
                await session.ping()
            assert vault.asked == asked
        assert len(gateway.received) - before == 2
        vault.key = NEW  # the sessions are closed with it


async def test_a_confirmed_write_is_repeated_with_the_new_key() -> None:
    vault = Vault()
    async with running(vault) as (gateway, _, session):
        item = await advised(session)
        rotate(gateway)
        vault.key = NEW
        await session.write_confirmed(*item.pair, 41)
        assert (await session.read([TAG]))[0].value == 41


STREAMS: dict[str, Callable[[GatewayClient, Session], Any]] = {
    "events": lambda _, session: session.stream_events(),
    "alarms": lambda client, _: client.stream_alarms(),
    "board": lambda client, _: client.alarm_board(),
    "deployments": lambda client, _: client.galaxy.watch_deploy_events(),
    "objects": lambda client, _: client.galaxy.iter_hierarchy(),
}


@each_row("stream", STREAMS)
async def test_a_stream_is_repeated_with_the_new_key(stream: str) -> None:
    vault = Vault()
    async with running(vault) as (gateway, client, session):
        await advised(session)
        rotate(gateway)
        vault.key = NEW
        async with STREAMS[stream](client, session) as iterator:
            if stream == "events":
                gateway.set_tag(TAG, 5)
            if stream != "board":
                await anext(iterator)
        assert vault.asked == 2


@each_row(
    ("returned", "words"),
    [
        (OSError("no such vault"), "no API key: the function given as api_key raised OSError: no such vault"),
        ("", "no API key: the API key is empty"),
        (None, "no API key: the API key must be a str or an ApiKey, not NoneType"),
        ("mxgw_svc_bad secret", "no API key: the API key has a character at position 12"),
    ],
)
async def test_a_function_without_a_key_is_refused_at_the_connect(returned: Any, words: str) -> None:
    vault = Vault()
    vault.key = returned
    async with SimulatedGateway() as gateway:
        with pytest.raises(MxGatewayAuthenticationError, match=words):
            await GatewayClient.connect(gateway.endpoint, api_key=vault, plaintext=True)
        assert len(gateway.received) == 0


async def test_a_function_that_fails_later_leaves_the_gateways_refusal(caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault()
    async with running(vault) as (gateway, _, session):
        rotate(gateway)
        vault.key = OSError(f"cannot open the vault with {OLD}")
        with caplog.at_level(logging.WARNING), pytest.raises(MxGatewayAuthenticationError, match="UNAUTHENTICATED"):
            await session.ping()
        assert "cannot open the vault with mxgw_svc_***" in caplog.text
        vault.key = NEW


async def test_a_function_that_never_answers_is_bounded_by_the_connect_timeout() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return OLD

    async with SimulatedGateway() as gateway:
        with pytest.raises(MxGatewayError) as caught:
            await GatewayClient.connect(gateway.endpoint, api_key=never, plaintext=True, connect_timeout=0.05)
        assert isinstance(caught.value, TimeoutError)


async def test_the_key_that_a_function_returned_never_shows() -> None:
    async with running(lambda: ApiKey(OLD)) as (_, client, _):
        assert OLD not in repr(vars(client._channel.keys))
        assert OLD.rpartition("_")[2] not in client._channel.gate.line(f"the gateway repeats {OLD.rpartition('_')[2]}")


@pytest.mark.parametrize("knows_it", [True, False], ids=["a new key", "no new key"])
async def test_a_subscription_names_a_rotated_key_and_goes_on_with_the_new_one(knows_it: bool) -> None:
    vault = Vault()
    first = SimulatedGateway(api_keys=[SimulatedKey.parse(OLD)])
    await first.start()
    second = SimulatedGateway(port=first.port, api_keys=[SimulatedKey.parse(NEW)])
    causes: list[tuple[SubscriptionState, str, Outcome | None]] = []
    async with GatewayClient.connect(first.endpoint, api_key=vault, plaintext=True) as client:
        async with client.subscribe([TAG], recovery=QUICK) as updates:
            await anext(updates)
            await first.stop()
            vault.key = NEW if knows_it else OLD
            await second.start()
            async with asyncio.timeout(10):
                async for update in updates:
                    if isinstance(update, ConnectionChange):
                        causes.append((update.state, type(update.cause).__name__, update.outcome))
                        if "Authentication" in causes[-1][1]:
                            vault.key = NEW
                        if update.outcome is Outcome.REBUILT:
                            break
    await second.stop()
    refused = [] if knows_it else [(SubscriptionState.RECOVERING, "MxGatewayAuthenticationError", None)]
    assert causes == [
        (SubscriptionState.CONNECTED, "NoneType", None),
        (SubscriptionState.RECOVERING, "MxGatewayTransportError", None),
        *refused,
        (SubscriptionState.CONNECTED, "NoneType", Outcome.REBUILT),
    ]
