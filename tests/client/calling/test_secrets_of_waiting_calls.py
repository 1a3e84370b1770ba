"""A call that ends while it waits to be sent shows neither the API key nor a password in any frame of its traceback."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import pytest

from mxgateway import MxGatewayInvalidRequestError, MxGatewayTimeoutError, MxGatewayTransportError, Session, proto
from mxgateway.simulator import SimulatedGateway, SimulatedKey, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import Item, advised, connect, is_streaming, until
from tests.rows import each_row

SECRET = "s3cr3t-0f-the-pl4nt"
PASSWORD = "hunter2-0f-the-0perator"
KEY = SimulatedKey(key_id="tests", secret=SECRET)
WINDOW = 65_535


class Vault:
    """Where a test keeps what is secret, so that its own variables do not show it."""

    key = KEY.reveal()
    password = PASSWORD

    def __repr__(self) -> str:
        return "<a vault>"


VAULT = Vault()


@dataclass
class Stage:
    """A session whose calls wait to be sent."""

    session: Session
    item: Item
    proxy: FaultProxy


# -- what is shown


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and everything that it comes from."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.append(each)
            yield each
            waiting += [other for other in (each.__cause__, each.__context__) if other is not None]


def frames(error: BaseException) -> Iterator[FrameType]:
    """Give every frame of an error's tracebacks that is the library's."""
    for each in chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "mxgateway" in frame.f_globals.get("__name__", ""):
                yield frame


def shows(error: BaseException, secret: str) -> list[str]:
    """Return where a secret can be seen: the variables of frames, as they are printed and byte for byte, and what is told of the error itself."""
    found = []
    for frame in frames(error):
        for name, value in frame.f_locals.items():
            raw = bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""
            if secret in repr(value) or secret.encode() in raw:
                found.append(f"{name} of {frame.f_code.co_name}")
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True, limit=100)
    if secret in "".join(formatted.format()) + repr(error) + repr(error.args) + repr(vars(error)):
        found.append("the traceback")
    return found


# -- what a call waits for


@asynccontextmanager
async def stage(*, options: SimulatorOptions) -> AsyncIterator[Stage]:
    async with (
        SimulatedGateway(api_keys=[KEY], options=options) as gateway,
        FaultProxy(gateway.port) as proxy,
        connect(gateway, endpoint=proxy.endpoint, api_key=VAULT.key, retry=None) as client,
    ):
        session = await client.open_session()
        try:
            yield Stage(session, await advised(session), proxy)
        finally:
            proxy.both.heal()


@asynccontextmanager
async def no_window() -> AsyncIterator[Stage]:
    """The gateway takes no more bytes: another call has used up what it takes on all calls together."""
    async with stage(options=SimulatorOptions(connection_window=WINDOW, stream_window=WINDOW)) as waiting:
        waiting.proxy.to_server.freeze()
        session, server = waiting.session, waiting.item.server
        large = asyncio.create_task(session.add_item_bulk(server, ["x" * 1000] * 1000))
        connection = session._channel.current
        assert connection is not None
        await until(lambda: connection.send_window == 0)
        try:
            yield waiting
        finally:
            large.cancel()
            await asyncio.gather(large, return_exceptions=True)


@asynccontextmanager
async def no_stream() -> AsyncIterator[Stage]:
    """The gateway allows one call at once, and an event stream is that call."""
    async with SimulatedGateway(api_keys=[KEY], options=SimulatorOptions(streams_per_connection=1)) as gateway:
        async with FaultProxy(gateway.port) as proxy, connect(gateway, api_key=VAULT.key) as other:
            item = await advised(session := await other.open_session())
            async with connect(gateway, endpoint=proxy.endpoint, api_key=VAULT.key, retry=None) as client:
                attached = client.attach_session(session.session_id)
                async with attached.stream_events() as events:
                    await anext(events)
                    assert is_streaming(gateway, session)
                    proxy.to_server.freeze()
                    try:
                        yield Stage(attached, item, proxy)
                    finally:
                        proxy.both.heal()


# -- what waits, and how it ends


async def authenticates(waiting: Stage, timeout: float) -> None:
    await waiting.session.authenticate_user(waiting.item.server, "operator", VAULT.password, timeout=timeout)


async def authenticates_by_hand(waiting: Stage, timeout: float) -> None:
    await waiting.session.invoke(login(), timeout=timeout)


async def writes(waiting: Stage, timeout: float) -> None:
    await waiting.session.write(*waiting.item.pair, 1, timeout=timeout)


async def pings(waiting: Stage, timeout: float) -> None:
    await waiting.session.ping(timeout=timeout)


def login(password: str = PASSWORD) -> proto.MxCommand:
    command = proto.AuthenticateUserCommand(verify_user="operator", verify_user_password=password)
    return proto.MxCommand(kind=proto.MxCommandKind.AUTHENTICATE_USER, authenticate_user=command)


Call = Callable[[Stage, float], Awaitable[None]]


async def begun(waiting: Stage, call: Call) -> asyncio.Future[None]:
    """Let a call begin, and come to where it waits."""
    counters = waiting.session._channel.counters
    before = counters.calls_started
    task = asyncio.ensure_future(call(waiting, 20))
    await until(lambda: counters.calls_started > before)
    return task


async def is_cancelled(waiting: Stage, call: Call) -> None:
    task = await begun(waiting, call)
    task.cancel()
    await task


async def runs_out_of_time(waiting: Stage, call: Call) -> None:
    await call(waiting, 0.05)


async def runs_out_of_its_callers_time(waiting: Stage, call: Call) -> None:
    async with asyncio.timeout(0.05):
        await call(waiting, 20)


async def loses_its_connection(waiting: Stage, call: Call) -> None:
    task = await begun(waiting, call)
    await waiting.proxy.refuse()  # so that no other one takes the call
    waiting.proxy.reset_all()
    await task


ENDINGS: dict[Callable[[Stage, Call], Awaitable[None]], type[BaseException]] = {
    is_cancelled: asyncio.CancelledError,
    runs_out_of_time: MxGatewayTimeoutError,
    runs_out_of_its_callers_time: TimeoutError,
    loses_its_connection: MxGatewayTransportError,
}


@each_row("ending", ENDINGS)
@each_row("call", [authenticates, authenticates_by_hand, writes, pings])
@each_row("wait", [no_window, no_stream])
async def test_no_frame_shows_the_key_or_a_password(
    wait: Callable[[], AbstractAsyncContextManager[Stage]], call: Call, ending: Callable[[Stage, Call], Awaitable[None]]
) -> None:
    async with wait() as waiting:
        with pytest.raises(ENDINGS[ending]) as caught:
            await ending(waiting, call)
        assert [frame.f_code.co_name for frame in frames(caught.value)]
        assert shows(caught.value, SECRET) == []
        assert shows(caught.value, PASSWORD) == []


async def test_a_password_that_cannot_be_sent_shows_in_no_frame() -> None:
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        with pytest.raises(MxGatewayInvalidRequestError) as caught:
            await session.invoke(login(VAULT.password + "\ud800"))
    assert shows(caught.value, PASSWORD) == []


async def test_a_request_that_is_too_large_shows_no_password_in_any_frame() -> None:
    async with SimulatedGateway() as gateway, connect(gateway, max_send_bytes=1000) as client:
        session = await client.open_session()
        with pytest.raises(MxGatewayInvalidRequestError) as caught:
            await session.invoke(login(VAULT.password * 100))
    assert shows(caught.value, PASSWORD) == []
