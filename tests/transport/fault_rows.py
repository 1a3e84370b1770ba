"""How a call ends that meets a fault: the rows of the fault tables, and the calls that are held against them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Phase,
)
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.channel import Channel
from tests.transport.rig import invoke, stream

SOON = 0.2
"""Seconds that a call has where nobody answers."""
BOUND = 20.0
"""Seconds that a call has where an answer or an end comes by itself: it is the fault that ends it, and not the bound."""
GRACE = 5.0
"""Seconds beyond its bound after which a call counts as one that hangs."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one call ends."""

    error: type[MxGatewayError] | None = None
    """The very class; None is success."""
    status: GrpcStatus | None = None
    text: str = ""
    """What the message must tell."""
    phase: Phase = "stream"
    retryable: bool = False
    messages: int = 0
    """How many messages a stream delivers before it ends."""
    bound: float = BOUND
    """Seconds that the call is given."""

    def after(self, messages: int) -> Ending:
        """Return the same ending behind so many messages of a stream."""
        return replace(self, messages=messages)

    def check(self, error: MxGatewayError) -> None:
        """Hold an error against this ending."""
        seen = (type(error), error.grpc_status, error.phase, error.retryable)
        assert seen == (self.error, self.status, self.phase, self.retryable), error
        assert self.text in error.message
        check_form(error)


def check_form(error: MxGatewayError) -> None:
    """Check what holds for every error that a call ends with, whatever was the matter."""
    assert str(error).isprintable()
    assert error.endpoint
    assert error.endpoint in error.message
    assert error.method
    assert error.hint
    assert "report it" not in str(error), error.__cause__  # what the mapping says of an exception that it does not know


# -- endings


OK = Ending()


def reset(code: str, status: GrpcStatus = GrpcStatus.INTERNAL, *, retryable: bool = False) -> Ending:
    """The gateway has reset the stream."""
    return Ending(
        error=MxGatewayTransportError, status=status, text=f"reset the stream with {code}", retryable=retryable
    )


def lost(text: str) -> Ending:
    """The connection is gone."""
    return Ending(error=MxGatewayTransportError, status=GrpcStatus.UNAVAILABLE, text=text, retryable=True)


def no_status(text: str) -> Ending:
    """The reply says neither OK nor what else."""
    return Ending(error=MxGatewayTransportError, status=GrpcStatus.UNKNOWN, text=text)


def broken(text: str, *, phase: Phase = "stream") -> Ending:
    """The peer broke a rule, or a limit."""
    return Ending(error=MxGatewayProtocolError, status=GrpcStatus.INTERNAL, text=text, phase=phase)


def unanswered(bound: float = SOON) -> Ending:
    """Nobody answers within the call's bound."""
    text = f"within {bound:g} s"
    return Ending(error=MxGatewayTimeoutError, status=GrpcStatus.DEADLINE_EXCEEDED, text=text, bound=bound)


# -- calls


@asynccontextmanager
async def open_channel(endpoint: str, **options: Any) -> AsyncIterator[Channel]:
    """Give a plaintext channel that has no connection yet."""
    channel = Channel([Endpoint.parse(endpoint)], ClientOptions(**{"plaintext": True, **options}))
    try:
        yield channel
    finally:
        await channel.aclose()


async def unary_ends(channel: Channel, expected: Ending, **options: Any) -> None:
    """Make a unary call and hold its end against what is expected."""
    async with bounded(expected), raising(expected):
        await invoke(channel, timeout=expected.bound, **options)


async def stream_ends(channel: Channel, expected: Ending) -> None:
    """Read a stream to its end, and hold that and what it delivers against what is expected."""
    received = 0
    async with bounded(expected), raising(expected), stream(channel, timeout=expected.bound) as call:
        try:
            while batch := await call.messages():
                received += len(batch)
        finally:
            assert received == expected.messages


@asynccontextmanager
async def bounded(expected: Ending) -> AsyncIterator[None]:
    """Fail a call that hangs."""
    try:
        async with asyncio.timeout(expected.bound + GRACE) as hang:
            yield
    except TimeoutError:
        assert not hang.expired(), "the call hangs"
        raise


@asynccontextmanager
async def raising(expected: Ending) -> AsyncIterator[None]:
    """Expect the error of an ending, or none."""
    if expected.error is None:
        yield
        return
    with pytest.raises(MxGatewayError) as caught:
        yield
    expected.check(caught.value)


async def next_call_succeeds(channel: Channel) -> None:
    """Make a call that nothing happens to."""
    async with asyncio.timeout(BOUND):
        assert (await invoke(channel, timeout=BOUND)).diagnostic_message == "answered"


@asynccontextmanager
async def nothing_escapes() -> AsyncIterator[None]:
    """Fail when the loop is left with an exception that nobody has caught."""
    escaped: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: escaped.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(before)
    assert escaped == []
