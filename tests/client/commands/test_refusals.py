"""What is wrong is refused here, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayInvalidRequestError, Session, proto
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect
from tests.rows import each_row

NAIVE = datetime(2024, 1, 1)
LONE_SURROGATE = "A.\ud800"

REFUSED: dict[str, tuple[Callable[[Session], Awaitable[Any]], str]] = {
    "a bool as handle": (lambda s: s.unregister(True), "server_handle is True"),
    "a float as handle": (lambda s: s.advise(1.0, 2), "server_handle is 1.0"),  # type: ignore[arg-type]
    "a text as handle": (lambda s: s.advise(1, "2"), "item_handle is '2'"),  # type: ignore[arg-type]
    "no handle": (lambda s: s.remove_item(1, None), "item_handle is None"),  # type: ignore[arg-type]
    "a handle beyond 32 bits": (lambda s: s.unadvise(1, 2**31), "item_handle is 2147483648"),
    "a handle below 32 bits": (lambda s: s.advise_supervisory(-(2**31) - 1, 1), "server_handle is -2147483649"),
    "a NUL in a tag": (lambda s: s.add_item(1, "A\0B"), "item_definition is 'A\\x00B'"),
    "a lone surrogate in a tag": (lambda s: s.add_item(1, LONE_SURROGATE), "item_definition is"),
    "bytes as tag": (lambda s: s.add_item(1, b"A.B"), "item_definition is b'A.B'"),  # type: ignore[arg-type]
    "a NUL in a context": (lambda s: s.add_item2(1, "A", "\0"), "item_context is"),
    "a NUL in a name": (lambda s: s.register("\0"), "client_name is"),
    "nan": (lambda s: s.write(1, 2, math.nan), "nan"),
    "infinity": (lambda s: s.write_confirmed(1, 2, -math.inf), "inf"),
    "a naive datetime": (lambda s: s.write(1, 2, NAIVE), "time zone"),
    "a mixed list": (lambda s: s.write(1, 2, [1, "a"]), "an array has one type"),  # type: ignore[arg-type]
    "an int beyond 64 bits": (lambda s: s.write(1, 2, 2**63), "64"),
    "an unknown type": (lambda s: s.write(1, 2, object()), "object"),  # type: ignore[arg-type]
    "a value that does not fit the type": (lambda s: s.write(1, 2, "a", data_type=proto.MxDataType.INTEGER), "INTEGER was requested"),
    "a bool as user": (lambda s: s.write(1, 2, 3, user_id=True), "user_id is True"),
    "a user beyond 32 bits": (lambda s: s.write2(1, 2, 3, datetime.now(UTC), user_id=2**31), "user_id is"),
    "a naive time of a write": (lambda s: s.write2(1, 2, 3, NAIVE), "time zone"),
    "a number as time": (lambda s: s.write2(1, 2, 3, 4), "timestamp is 4"),  # type: ignore[arg-type]
    "no time": (lambda s: s.write2(1, 2, 3, None), "timestamp is None"),  # type: ignore[arg-type]
    "a bound of zero": (lambda s: s.ping(timeout=0), "timeout is 0"),
    "a negative bound": (lambda s: s.write_confirmed(1, 2, 3, timeout=-1), "timeout is -1"),
    "nan as bound": (lambda s: s.state(timeout=math.nan), "timeout is nan"),
    "a lone surrogate as correlation id": (lambda s: s.ping(correlation_id=LONE_SURROGATE), ""),
}  # fmt: skip


@each_row("name", REFUSED)
async def test_a_wrong_argument_is_refused_before_anything_is_sent(
    gateway: SimulatedGateway, session: Session, name: str
) -> None:
    call, words = REFUSED[name]
    before = len(gateway.received)
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        await call(session)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.grpc_status is None
    assert caught.value.phase == "request"
    assert isinstance(caught.value, ValueError)
    await session.ping()
    assert len(gateway.received) == before + 1


@pytest.mark.parametrize("after", [-1, 2**64, True, 1.5, "1"])
async def test_a_wrong_sequence_is_refused_before_the_stream_is_opened(session: Session, after: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="after_worker_sequence is"):
        session.stream_events(after)


@each_row(
    "fields",
    [
        {"client_session_name": "a\0b"},
        {"requested_backend": 5},
        {"correlation_id": LONE_SURROGATE},
        {"command_timeout": math.nan},
        {"command_timeout": math.inf},
        {"command_timeout": 0},
        {"command_timeout": -1.0},
        {"command_timeout": 1e300},
        {"command_timeout": timedelta(0)},
        {"command_timeout": timedelta(seconds=-1)},
        {"timeout": 0},
    ],
)
async def test_wrong_options_of_a_session_are_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient, fields: dict[str, Any]
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        await client.open_session(**fields)

    assert caught.value.grpc_status is None
    assert not gateway.received


async def test_an_option_that_does_not_exist_is_a_type_error_and_no_connection_is_made(
    gateway: SimulatedGateway,
) -> None:
    with pytest.raises(TypeError, match="api_keey"):
        await connect(gateway, api_keey="x")
    assert gateway.connections == 0


async def test_a_command_that_is_larger_than_the_limit_is_refused_before_it_is_sent(gateway: SimulatedGateway) -> None:
    async with connect(gateway, max_send_bytes=1000) as client, client.open_session() as session:
        before = len(gateway.received)
        with pytest.raises(MxGatewayInvalidRequestError, match="max_send_bytes"):
            await session.write(1, 2, "x" * 1000)
        await session.ping()
        assert len(gateway.received) == before + 1
