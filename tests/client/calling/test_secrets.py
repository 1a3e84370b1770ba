"""The API key is seen by the gateway and by nobody else."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from mxgateway import ApiKey, ClientOptions, GatewayClient, MxGatewayError, TlsOptions
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.client.support import DENIED_TAG, REFUSED_TAG, advised, connect
from tests.rows import each_row

SECRET = "s3cr3t-0f-the-pl4nt"
KEY = SimulatedKey(key_id="tests", secret=SECRET)


class Given:
    """Where a test keeps the key, so that its own variables do not show it."""

    key = KEY.reveal()

    def __repr__(self) -> str:
        return "<a key>"


GIVEN = Given()


def told(error: BaseException) -> str:
    """Return everything that can be told of an error: texts, causes, notes, and the variables of every frame."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True, limit=100)
    return "".join(formatted.format()) + repr(error) + str(error) + repr(vars(error)) + repr(error.args)


async def smoke(gateway: SimulatedGateway) -> None:
    """Everything that a client does, with some of it going wrong."""
    async with GatewayClient.connect(
        gateway.endpoint, api_key=GIVEN.key, plaintext=True, metadata=(("x-site", "7"),)
    ) as client:
        async with client.open_session() as session:
            item = await advised(session)
            async with session.stream_events() as events:
                await anext(events)
                await session.write_confirmed(*item.pair, 1)
            for tag in (DENIED_TAG, REFUSED_TAG):
                handle = await session.add_item(item.server, tag)
                await session.advise(item.server, handle)
                with pytest.raises(MxGatewayError):
                    await session.write_confirmed(item.server, handle, 1)
            gateway.fail_next("Invoke.Ping", Status.INTERNAL, "no ping today")
            with pytest.raises(MxGatewayError):
                await session.ping()
            gateway.drop_connections()
            await asyncio.sleep(0)
        logging.getLogger("tests").debug("%r %r %s", client, session, client._channel.options)


async def test_no_logger_shows_the_key_over_a_whole_run(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    for name in ("hpack", "hpack.hpack", "hpack.table", "h2", "grpclib", "asyncio", "mxgateway"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with SimulatedGateway(api_keys=[KEY]) as gateway:
        await smoke(gateway)

    is_asyncio = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)  # other loops have nothing to say
    assert {record.name for record in caplog.records} >= {"tests"} | ({"asyncio"} if is_asyncio else set())
    for record in caplog.records:
        assert SECRET not in record.getMessage()
        assert SECRET not in repr(record.args)
        assert SECRET not in (record.exc_text or "")


async def test_no_repr_shows_the_key() -> None:
    options = ClientOptions(api_key=GIVEN.key, plaintext=True)
    async with SimulatedGateway(api_keys=[KEY]) as gateway:
        opening = GatewayClient.connect(gateway.endpoint, options)
        async with opening as client, client.open_session() as session:
            for thing in (
                options, options.api_key, options.key, client, session, opening, session.stream_events(), client._channel,
                vars(client), vars(client._channel), vars(session), gateway, KEY, list(gateway.received),
            ):  # fmt: skip
                assert SECRET not in f"{thing!r} {thing}"
    assert "mxgw_tests_***" in repr(options.key)


def test_a_key_is_not_pickled_and_does_not_show_in_the_refusal() -> None:
    for thing in (ApiKey(GIVEN.key), ClientOptions(api_key=GIVEN.key, plaintext=True)):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(thing)
        assert SECRET not in told(caught.value)


async def connect_to_nobody() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key, plaintext=True)


async def connect_to_a_malformed_endpoint() -> None:
    await GatewayClient.connect("127.0.0.1", api_key=GIVEN.key, plaintext=True)


async def connect_against_the_scheme() -> None:
    await GatewayClient.connect("https://127.0.0.1:1", api_key=GIVEN.key, plaintext=True)


async def connect_with_a_wrong_option() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key, plaintext=True, connect_timeout=-1)


async def connect_with_contradicting_options() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key, plaintext=True, tls=TlsOptions())


async def connect_with_an_option_that_does_not_exist() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key, plaintex=True)  # type: ignore[call-arg]


async def connect_without_a_ca_file() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key, tls=TlsOptions(ca_file="/no/such/file"))


async def connect_with_a_key_that_is_none() -> None:
    await GatewayClient.connect("127.0.0.1:1", api_key=GIVEN.key + "\nx", plaintext=True)


async def connect_with_options() -> None:
    await GatewayClient.connect("127.0.0.1:1", ClientOptions(api_key=GIVEN.key, plaintext=True))


FAILURES: list[Callable[[], Awaitable[None]]] = [
    connect_to_nobody,
    connect_to_a_malformed_endpoint,
    connect_against_the_scheme,
    connect_with_a_wrong_option,
    connect_with_contradicting_options,
    connect_with_an_option_that_does_not_exist,
    connect_without_a_ca_file,
    connect_with_a_key_that_is_none,
    connect_with_options,
]


@each_row("fail", FAILURES)
async def test_a_connection_that_fails_tells_nothing_of_the_key(fail: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises((MxGatewayError, TypeError)) as caught:
        await fail()

    assert SECRET not in told(caught.value)


async def test_calls_and_streams_that_fail_tell_nothing_of_the_key() -> None:
    async with SimulatedGateway(api_keys=[KEY]) as gateway, connect(gateway, api_key=GIVEN.key) as client:
        session = await client.open_session()
        stranger = await GatewayClient.connect(gateway.endpoint, api_key=f"mxgw_tests_{SECRET[::-1]}", plaintext=True)
        denied = stranger.open_session().__aenter__()
        gateway.fail_next("Invoke.Ping", Status.INTERNAL, "no ping today")
        gateway.fail_next("StreamEvents", Status.UNKNOWN, "no events today")
        errors = await asyncio.gather(
            denied, session.ping(), anext(session.stream_events()), session.advise(1, 2), session.ping(timeout=1e-6),
            session.write(1, 2, "x" * 20_000_000), return_exceptions=True,
        )  # fmt: skip
        await gateway.stop()
        errors += await asyncio.gather(
            session.ping(), anext(session.stream_events()), session.close(), return_exceptions=True
        )
        await stranger.close()

    for error in errors:
        assert isinstance(error, MxGatewayError)
        text = told(error)
        assert SECRET not in text
        assert SECRET[::-1] not in text


async def test_a_gateway_that_repeats_the_key_does_not_spread_it() -> None:
    async with SimulatedGateway(api_keys=[KEY]) as gateway, connect(gateway, api_key=GIVEN.key) as client:
        session = await client.open_session()
        gateway.fail_next("Invoke.Ping", Status.INTERNAL, f"you sent {GIVEN.key}, Bearer {GIVEN.key}")
        with pytest.raises(MxGatewayError, match=r"you sent mxgw_tests_\*\*\*") as caught:
            await session.ping()

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_wrong_options_tell_nothing_of_the_key() -> None:
    with pytest.raises(MxGatewayError) as caught:
        ClientOptions(api_key=GIVEN.key, connect_timeout=-1)

    assert SECRET not in told(caught.value)
