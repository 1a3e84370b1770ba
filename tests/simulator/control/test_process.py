"""`simulate` as a process, driven by grpcio with protobuf's own messages: every RPC of the gateway and every call of the control."""

from __future__ import annotations

import json
import os
from typing import Any

import grpc
import pytest

from tests.cli.process import finish, start
from tests.simulator.control.control_peer import ControlPeer, contract
from tests.simulator.peer import CONTRACT, Peer, ending, integer, ok, take

TAG = "TestChildObject.TestInt"
ALARM = "Galaxy!TankYard.Tank02.Lo"


class Counted:
    """Notes which methods a peer calls.

    Args:
        peer: The peer, whose channel is wrapped.
    """

    def __init__(self, peer: Any, names: list[str]) -> None:
        self._peer, self._names = peer, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._peer, name)
        if name not in ("call", "stream"):
            return found

        def call(method: str, *arguments: Any, **fields: Any) -> Any:
            self._names.append(method)
            return found(method, *arguments, **fields)

        return call


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_every_call_of_the_gateway_and_of_its_control() -> None:
    process = await start("simulate", "--port", "0", "--control", "0", "--manual-clock", "-ojsonl")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    called: list[str] = []
    try:
        async with Peer(told["endpoint"], told["apiKey"]) as plain, ControlPeer(told["control"], told["controlKey"]) as control:  # fmt: skip
            peer = Counted(plain, called)
            session = await galaxy_and_session(peer)
            await controlled(peer, control, session)
    except BaseException:
        process.kill()
        raise
    outcome = await finish(process)

    assert set(called) == set(CONTRACT.rpcs)
    assert (outcome.code, outcome.err) == (0, ""), "the control has stopped it"


async def galaxy_and_session(peer: Any) -> str:
    """Call the galaxy and what a session needs; return the id of one that stays open."""
    assert (await peer.call("TestConnection")).ok
    assert (await peer.call("GetLastDeployTime")).present
    assert (await peer.call("DiscoverHierarchy")).total_object_count > 3
    assert (await peer.call("BrowseChildren")).children
    (deployed,) = await take(peer.stream("WatchDeployEvents"), 1)
    assert deployed.sequence == 1
    closed = (await peer.call("OpenSession")).session_id
    await peer.call("CloseSession", session_id=closed)
    session: str = (await peer.call("OpenSession", client_session_name="other language")).session_id
    return session


async def controlled(peer: Any, control: ControlPeer, session: str) -> None:
    """Call the control, and see what it does at the gateway."""
    events = peer.stream("StreamEvents", session_id=session)
    await events.initial_metadata()
    server = ok(await peer.call("Invoke", **command(session, "register", client_name="peer"))).register.server_handle
    item = ok(
        await peer.call("Invoke", **command(session, "add_item", server_handle=server, item_definition=TAG))
    ).add_item.item_handle
    ok(await peer.call("Invoke", **command(session, "advise", server_handle=server, item_handle=item)))
    (first,) = await take(events, 1)
    assert first.value.int32_value == 17

    await control.call("SetTag", tag=TAG, value={"int64_value": 23})
    (second,) = await take(events, 1)
    assert second.value.int32_value == 23
    ok(await peer.call("Invoke", **command(session, "write", server_handle=server, item_handle=item, value=integer(5))))
    await take(events, 2)
    got = await control.call("GetTag", tag=TAG)
    assert (got.value.int64_value, got.quality, got.data_type, got.is_array) == (5, 192, "integer", False)

    await peer.call("AcknowledgeAlarm", alarm_full_reference=ALARM)
    await take(peer.stream("StreamAlarms"), 1)
    await take(peer.stream("QueryActiveAlarms"), 1)

    status = await control.call("GetStatus")
    (seen,) = status.sessions
    assert (seen.session_id, seen.name, seen.state, seen.has_stream) == (session, "other language", "READY", True)
    assert (seen.registrations, seen.items, seen.advised_items) == (1, 1, 1)
    assert (status.calls["OpenSession"], status.calls["Invoke.AddItem"]) == (2, 1)
    assert status.clock.is_manual
    assert status.events_sent >= 4

    before = status.clock.now.ToNanoseconds()
    after = (await control.call("AdvanceClock", seconds=3600)).now.ToNanoseconds()
    assert after - before == 3600 * 10**9

    steps = [step async for step in control.play(f'[[steps]]\nset_tag = {{ tag = "{TAG}", value = 9 }}\n')]
    assert [(step.action, step.place, step.failure) for step in steps] == [("set_tag", "line 1: steps[0]", "")]
    assert "crash_worker" in [each.name for each in (await control.call("ListActions")).actions]
    await control.do("crash_worker", session="other language")
    assert (await ending(events))[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)
    await control.call("Stop")


def command(session_id: str, arm: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": session_id, "command": {"kind": f"MX_COMMAND_KIND_{arm.upper()}", arm: fields}}


def test_the_published_file_has_the_calls_that_are_tested_here() -> None:
    assert set(contract().rpcs) == {
        "ListActions", "Do", "SetTag", "GetTag", "Play", "GetStatus", "AdvanceClock", "Stop",
    }  # fmt: skip
