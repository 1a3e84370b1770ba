"""Bulk writes with `confirm` wait until MXAccess has carried out each write; their results say what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from grpclib.const import Status

from mxgateway import MxGatewayError, Session, proto
from mxgateway.commands.bulk import chunks
from mxgateway.simulator import SimulatedGateway
from mxgateway.simulator.options import DEFAULT_USERS
from tests.client.confirming import accepted
from tests.client.support import TAG

OPERATOR, PASSWORD, _ = DEFAULT_USERS[0]
MOMENT: Final = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
TAGS: Final = (TAG, "TestChildObject.RefusedInt", "TestChildObject.DeniedInt", "TestChildObject.UncertainInt")
"""Tags that take a value, refuse it later, refuse it at once, take it."""

NOT_IN_TIME: Final = "accepted, but not confirmed in time: the write may still be carried out"

Write = Callable[..., Awaitable[list[proto.BulkWriteResult]]]


class Items:
    """The tags as advised items, and a user."""

    def __init__(self, session: Session, server: int, handles: list[int], user: int) -> None:
        self.session, self.server, self.handles, self.user = session, server, handles, user

    def write(self, kind: str, *, count: int | None = None, **keywords: Any) -> Awaitable[list[proto.BulkWriteResult]]:
        """Write to the first items."""
        handles = self.handles[:count]
        times = (MOMENT,) if "2" in kind else ()
        users = {"current_user_id": self.user} if "secured" in kind else {}
        method: Write = getattr(self.session, kind)
        return method(self.server, handles, [5] * len(handles), *times, confirm=True, **users, **keywords)


@pytest.fixture
async def items(session: Session) -> Items:
    server = await session.register("test")
    handles = [each.item_handle for each in await session.subscribe_bulk(server, TAGS)]
    return Items(session, server, handles, await session.authenticate_user(server, OPERATOR, PASSWORD))


KINDS: Final = ("write_bulk", "write2_bulk", "write_secured_bulk", "write_secured2_bulk")
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
async def test_a_result_is_that_of_the_completion(gateway: SimulatedGateway, items: Items, kind: str) -> None:
    found = await items.write(kind)

    assert [each.was_successful for each in found] == [True, False, False, True]
    assert [each.item_handle for each in found] == [*items.handles[:2], 0, items.handles[3]]
    assert all(each.statuses or each.hresult for each in found[1:3])
    assert not items.session._writes.pending
    assert gateway.tag(TAG).sample.native == 5


async def test_nothing_returns_before_the_last_completion(gateway: SimulatedGateway, items: Items) -> None:
    gateway.hold_write_completions()
    writing = asyncio.ensure_future(items.write("write_bulk"))
    await accepted(gateway, items.session, 3)
    await asyncio.sleep(0.05)
    assert not writing.done()
    gateway.release_write_completions()
    assert [each.was_successful for each in await writing] == [True, False, False, True]


async def test_a_completion_that_does_not_come_in_time_is_said(gateway: SimulatedGateway, items: Items) -> None:
    gateway.hold_write_completions()
    found = await items.write("write2_bulk", timeout=0.3)
    assert [each.was_successful for each in found] == [False] * 4
    assert {found[index].error_message for index in (0, 1, 3)} == {NOT_IN_TIME}
    gateway.release_write_completions()


async def test_a_dropped_connection_costs_only_time(gateway: SimulatedGateway, items: Items) -> None:
    gateway.hold_write_completions()
    writing = asyncio.ensure_future(items.write("write_secured_bulk"))
    await accepted(gateway, items.session, 3, known=True)
    gateway.drop_connections()
    gateway.release_write_completions()
    assert [each.was_successful for each in await writing] == [True, False, False, True]


async def test_after_a_restart_nothing_is_called_done(gateway: SimulatedGateway, items: Items) -> None:
    gateway.hold_write_completions()
    writing = asyncio.ensure_future(items.write("write_secured2_bulk"))
    await accepted(gateway, items.session, 3, known=True)
    await gateway.restart()
    found = await writing
    assert [each.was_successful for each in found] == [False] * 4
    assert all("accepted, but its completion was not seen: " in found[index].error_message for index in (0, 1, 3))


async def test_a_call_that_fails_tells_what_is_known_of_the_earlier_ones(
    gateway: SimulatedGateway, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_LIMIT", 2)
    gateway.hold_write_completions()

    def fail_the_next(answer: proto.MxCommandReply) -> proto.MxCommandReply:
        gateway.fail_next("Invoke.WriteBulk", Status.INTERNAL)
        return answer

    gateway.reply_override("Invoke.WriteBulk", fail_the_next)
    with pytest.raises(MxGatewayError) as caught:
        await items.write("write_bulk")
    partial = caught.value.partial
    assert partial is not None
    assert (partial.in_doubt, partial.not_sent) == (range(2, 4), range(4, 4))
    assert [(each.was_successful, each.error_message) for each in partial.results] == [(False, NOT_IN_TIME)] * 2
    gateway.release_write_completions()
