"""Every public asynchronous call, ready to be made: what the tests that treat all of them alike go through."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from mxgateway import (
    GatewayClient,
    Session,
    proto,
)
from mxgateway.simulator import SimulatorOptions
from mxgateway.transport.connecting.open_channel import Opening
from tests.client.closing.public_alarm_calls import ALARM_CALLS
from tests.client.closing.public_galaxy_calls import GALAXY_CALLS
from tests.client.closing.public_stream_calls import STREAM_CALLS, SUBSCRIPTION_CALLS
from tests.client.stage import TAGS, Call, Stage, next_call
from tests.client.support import TAG, WRITE_COMPLETE

# -- the client


async def _and_close(opening: Opening[Any]) -> None:
    await (await opening).close()


async def _in_a_block(opening: Opening[Any]) -> None:
    async with opening:
        pass


async def _raw_session(stage: Stage) -> None:
    stage.prepared = await stage.client.open_session_raw(proto.OpenSessionRequest())


async def raw_session_closed(stage: Stage) -> None:
    """Prove that the session is the caller's, if the call has told of one."""
    if stage.prepared is not None:
        await stage.client.close_session_raw(stage.prepared.session_id)
    await next_call(stage)


async def _another_client(stage: Stage) -> GatewayClient:
    client = await stage.connect()
    await client.open_session()
    return client


async def _entered_opening(stage: Stage) -> Opening[Session]:
    opening = stage.client.open_session()
    await opening.__aenter__()
    return opening


async def close_again(stage: Stage) -> None:
    """Prove that the session is closed, and that the client can open another."""
    reply = await stage.session.close()
    assert reply.final_state == proto.SessionState.CLOSED
    async with stage.client.open_session() as session:
        await session.ping()


async def close_other_again(stage: Stage) -> None:
    """Prove that the other client is closed, and that this one works."""
    await stage.prepared.close()
    assert stage.prepared._channel._connections == set()
    await next_call(stage)


def _ping() -> proto.MxCommand:
    return proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand())


def _ping_request(stage: Stage) -> proto.MxCommandRequest:
    return proto.MxCommandRequest(session_id=stage.session.session_id, command=_ping())


CLIENT_CALLS: Final = [
    Call("GatewayClient.connect", lambda s: _and_close(s.connect())),
    Call("GatewayClient.close", lambda s: s.prepared.close(), close_other_again, _another_client, reconnects=True),
    Call("GatewayClient.__aenter__", lambda s: s.client.__aenter__()),
    Call("GatewayClient.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), close_other_again, _another_client),
    Call("GatewayClient.open_session", lambda s: _and_close(s.client.open_session()), reconnects=True),
    Call("GatewayClient.open_session_raw", _raw_session, raw_session_closed, reconnects=True),
    Call("GatewayClient.close_session_raw", lambda s: s.client.close_session_raw(s.session.session_id), close_again),
    Call("GatewayClient.invoke", lambda s: s.client.invoke(_ping_request(s))),
    Call("GatewayClient.invoke_raw", lambda s: s.client.invoke_raw(_ping_request(s))),
    Call("Opening.__await__", lambda s: _and_close(s.client.open_session())),
    Call("Opening.__aenter__", lambda s: _in_a_block(s.client.open_session())),
    Call("Opening.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), prepare=_entered_opening),
]  # fmt: skip

# -- the session


async def write_again(stage: Stage) -> None:
    """Prove that a completion is not mistaken for that of the write which was given up."""
    event = await stage.session.write_confirmed(*stage.item.pair, 9, timeout=10)
    assert event.family == WRITE_COMPLETE
    assert not stage.session._writes.pending


async def _write(stage: Stage) -> None:
    await stage.session.write_confirmed(*stage.item.pair, 1)


async def _write_behind_another(stage: Stage) -> None:
    """A write that waits for its turn."""
    first = asyncio.create_task(stage.session.write(*stage.item.pair, 1))
    try:
        await stage.session.write(*stage.item.pair, 2)
    finally:
        await asyncio.wait([first])


def _refused_write(stage: Stage) -> Coroutine[Any, Any, object]:
    value = proto.MxValue(data_type=proto.MxDataType.INTEGER, int32_value=1)
    body = proto.WriteCommand(server_handle=stage.item.server, item_handle=stage.item.handle, value=value)
    return stage.session.invoke_raw(proto.MxCommand(kind=proto.MxCommandKind.WRITE, write=body))


async def _unadvise(stage: Stage) -> None:
    await stage.session.unadvise(*stage.item.pair)


async def _advise_and_write(stage: Stage) -> None:
    await stage.session.advise(*stage.item.pair)
    await write_again(stage)


JANE: Final = SimulatorOptions().users[0]


async def _user(stage: Stage) -> int:
    return await stage.session.authenticate_user(stage.item.server, JANE.name, JANE.password)


def _write_secured(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured(*stage.item.pair, 5, current_user_id=stage.prepared)


def _write_secured2(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured2(*stage.item.pair, 5, datetime.now(UTC), current_user_id=stage.prepared)


def _write_elements(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_array_elements(*stage.item.pair, proto.MxDataType.INTEGER, 3, {1: 5})


def _bulk(stage: Stage) -> tuple[int, list[int], list[int]]:
    return stage.item.server, [stage.item.handle], [5]


def _write_secured_bulk(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured_bulk(*_bulk(stage), current_user_id=stage.prepared)


def _write_secured2_bulk(stage: Stage) -> Coroutine[Any, Any, object]:
    return stage.session.write_secured2_bulk(*_bulk(stage), datetime.now(UTC), current_user_id=stage.prepared)


async def _write_tags(stage: Stage) -> None:
    await stage.session.write_tags({TAG: 5}, confirm=True)


async def write_tags_again(stage: Stage) -> None:
    """Prove that a tag can be written by name, and its item by handle."""
    (write,) = await stage.session.write_tags({TAG: 9}, confirm=True, timeout=10)
    assert write.ok
    await write_again(stage)


SESSION_CALLS: Final = [
    Call("Session.register", lambda s: s.session.register("tests")),
    Call("Session.unregister", lambda s: s.session.unregister(s.item.server)),
    Call("Session.add_item", lambda s: s.session.add_item(s.item.server, TAG)),
    Call("Session.add_item2", lambda s: s.session.add_item2(s.item.server, "TestInt", "TestChildObject")),
    Call("Session.remove_item", lambda s: s.session.remove_item(*s.item.pair)),
    Call("Session.advise", lambda s: s.session.advise(*s.item.pair)),
    Call("Session.unadvise", lambda s: s.session.unadvise(*s.item.pair)),
    Call("Session.advise_supervisory", lambda s: s.session.advise_supervisory(*s.item.pair)),
    Call("Session.write", lambda s: s.session.write(*s.item.pair, 5), write_again, streams=1, reconnects=True),
    Call("Session.write (behind another)", _write_behind_another, write_again, streams=1),
    Call("Session.write2", lambda s: s.session.write2(*s.item.pair, 5, datetime.now(UTC)), write_again, streams=1),
    Call(
        "Session.write_confirmed",
        lambda s: s.session.write_confirmed(*s.item.pair, 5),
        write_again,
        streams=1,
        reconnects=True,
    ),
    Call(
        "Session.write_confirmed (again)", lambda s: s.session.write_confirmed(*s.item.pair, 5), write_again, _write, 1
    ),
    Call("Session.add_buffered_item", lambda s: s.session.add_buffered_item(s.item.server, TAG, "")),
    Call("Session.set_buffered_update_interval", lambda s: s.session.set_buffered_update_interval(s.item.server, 500)),
    Call("Session.suspend", lambda s: s.session.suspend(*s.item.pair)),
    Call("Session.activate", lambda s: s.session.activate(*s.item.pair)),
    Call("Session.write_secured", _write_secured, write_again, _user, streams=1),
    Call("Session.write_secured2", _write_secured2, write_again, _user, streams=1),
    Call("Session.write_array_elements", _write_elements, write_again, streams=1),
    Call("Session.authenticate_user", lambda s: _user(s)),
    Call("Session.archestra_user_to_id", lambda s: s.session.archestra_user_to_id(s.item.server, JANE.guid)),
    Call("Session.add_item_bulk", lambda s: s.session.add_item_bulk(s.item.server, TAGS)),
    Call("Session.subscribe_bulk", lambda s: s.session.subscribe_bulk(s.item.server, TAGS)),
    Call("Session.advise_item_bulk", lambda s: s.session.advise_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.unadvise_item_bulk", lambda s: s.session.unadvise_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.remove_item_bulk", lambda s: s.session.remove_item_bulk(s.item.server, [s.item.handle])),
    Call("Session.unsubscribe_bulk", lambda s: s.session.unsubscribe_bulk(s.item.server, [s.item.handle])),
    Call("Session.write_bulk", lambda s: s.session.write_bulk(*_bulk(s)), write_again, streams=1, reconnects=True),
    Call("Session.write2_bulk", lambda s: s.session.write2_bulk(*_bulk(s), datetime.now(UTC)), write_again, streams=1),
    Call("Session.write_secured_bulk", _write_secured_bulk, write_again, _user, streams=1),
    Call("Session.write_secured2_bulk", _write_secured2_bulk, write_again, _user, streams=1),
    Call("Session.read_bulk", lambda s: s.session.read_bulk(s.item.server, TAGS)),
    Call("Session.read", lambda s: s.session.read(TAGS), reconnects=True),
    Call("Session.read (again)", lambda s: s.session.read(TAGS), prepare=lambda s: s.session.read(TAGS)),
    Call("Session.write_tags", lambda s: s.session.write_tags({TAG: 5}), write_tags_again, streams=1),
    Call("Session.write_tags (confirmed)", _write_tags, write_tags_again, streams=1, reconnects=True),
    Call("Session.write_tags (again)", _write_tags, write_tags_again, _write_tags, 1),
    Call("Session.worker_info", lambda s: s.session.worker_info()),
    Call("Session.drain_events", lambda s: s.session.drain_events()),
    Call("Session.shutdown_worker", lambda s: s.session.shutdown_worker(), close_again),
    Call("Session.ping", lambda s: s.session.ping(), reconnects=True),
    Call("Session.state", lambda s: s.session.state()),
    Call("Session.invoke", lambda s: s.session.invoke(_ping())),
    Call("Session.invoke_raw", lambda s: s.session.invoke_raw(_ping())),
    Call(
        "Session.invoke_raw (a write that is refused)",
        _refused_write,
        _advise_and_write,
        _unadvise,
        streams=1,
        reconnects=True,
    ),
    Call("Session.close", lambda s: s.session.close(), close_again, reconnects=True),
    Call("Session.__aenter__", lambda s: s.session.__aenter__()),
    Call("Session.__aexit__", lambda s: s.session.__aexit__(None, None, None), close_again),
]

CALLS: Final = [*CLIENT_CALLS, *SESSION_CALLS, *STREAM_CALLS, *SUBSCRIPTION_CALLS, *ALARM_CALLS, *GALAXY_CALLS]
