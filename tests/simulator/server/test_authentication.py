from __future__ import annotations

import grpc
import pytest

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.rows import each_row
from tests.simulator.peer import CONTRACT, Peer, command, ok

MISSING = "Missing or invalid API key."


@each_row(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer mxgw_",
        "Bearer mxgw_simulator_wrong",
        "Bearer mxgw_nobody_{secret}",
        "Bearer {secret}",
        "Basic mxgw_simulator_{secret}",
        "mxgw_simulator_{secret}",
        "Bearer mxgw_SIMULATOR_{secret}",
        "Bearer mxgw_simulator_{secret}x",
    ],
)
async def test_a_missing_or_wrong_key_is_unauthenticated_on_unary_calls_and_streams(
    gateway: SimulatedGateway, authorization: str | None
) -> None:
    secret = gateway.api_key.rpartition("_")[2]
    async with Peer(gateway.endpoint, None) as peer:
        if authorization is not None:
            peer.metadata = (("authorization", authorization.format(secret=secret)),)
        for method, rpc in CONTRACT.rpcs.items():
            if rpc.is_streaming:
                stream = peer.stream(method)
                code, details = await stream.code(), await stream.details()
            else:
                failure = await peer.fails(method)
                code, details = failure.code(), failure.details()
            assert (method, code, details) == (method, grpc.StatusCode.UNAUTHENTICATED, MISSING)


@pytest.mark.parametrize("form", ["bearer mxgw_{}", "BEARER MXGW_{}", "Bearer  MxGw_{}"])
async def test_bearer_and_prefix_match_without_case(gateway: SimulatedGateway, form: str) -> None:
    async with Peer(gateway.endpoint, None) as peer:
        peer.metadata = (("authorization", form.format(gateway.api_key.removeprefix("mxgw_"))),)
        ok(await peer.call("OpenSession"))


METHOD_SCOPES = {
    "OpenSession": Scope.SESSION_OPEN,
    "CloseSession": Scope.SESSION_CLOSE,
    "StreamEvents": Scope.EVENTS_READ,
    "StreamAlarms": Scope.EVENTS_READ,
    "QueryActiveAlarms": Scope.EVENTS_READ,
    "AcknowledgeAlarm": Scope.INVOKE_WRITE,
    "TestConnection": Scope.METADATA_READ,
    "GetLastDeployTime": Scope.METADATA_READ,
    "DiscoverHierarchy": Scope.METADATA_READ,
    "BrowseChildren": Scope.METADATA_READ,
    "WatchDeployEvents": Scope.METADATA_READ,
}
COMMAND_SCOPES = {
    "drain_events": Scope.EVENTS_READ,
    "write": Scope.INVOKE_WRITE,
    "write2": Scope.INVOKE_WRITE,
    "write_bulk": Scope.INVOKE_WRITE,
    "write2_bulk": Scope.INVOKE_WRITE,
    "write_secured": Scope.INVOKE_SECURE,
    "write_secured2": Scope.INVOKE_SECURE,
    "write_secured_bulk": Scope.INVOKE_SECURE,
    "write_secured2_bulk": Scope.INVOKE_SECURE,
    "shutdown_worker": Scope.ADMIN,
}
KINDS = [name.removeprefix("MX_COMMAND_KIND_").lower() for name in CONTRACT.names("MX_COMMAND_KIND_")]


def required(scope: Scope) -> str:
    return f"API key is missing required scope '{scope}'."


def all_but(scope: Scope) -> SimulatedGateway:
    return SimulatedGateway(api_keys=[SimulatedKey(secret="s", scopes=frozenset(Scope) - {scope})])


def only(scope: Scope) -> SimulatedGateway:
    return SimulatedGateway(api_keys=[SimulatedKey(secret="s", scopes=frozenset({scope}))])


@each_row("method", [method for method in CONTRACT.rpcs if method != "Invoke"])
async def test_each_method_needs_its_scope_and_no_other(method: str) -> None:
    scope = METHOD_SCOPES[method]
    async with all_but(scope) as gateway, Peer(gateway.endpoint, "mxgw_simulator_s") as peer:
        if CONTRACT.rpcs[method].is_streaming:
            stream = peer.stream(method)
            assert (await stream.code(), await stream.details()) == (grpc.StatusCode.PERMISSION_DENIED, required(scope))
        else:
            failure = await peer.fails(method)
            assert (failure.code(), failure.details()) == (grpc.StatusCode.PERMISSION_DENIED, required(scope))
    async with only(scope) as gateway, Peer(gateway.endpoint, "mxgw_simulator_s") as peer:
        if CONTRACT.rpcs[method].is_streaming:
            stream = peer.stream(method)
            await stream.initial_metadata()
            stream.cancel()
        else:
            # An empty request is not good enough for every method, but it is allowed.
            expected = {"CloseSession": grpc.StatusCode.NOT_FOUND, "AcknowledgeAlarm": grpc.StatusCode.INVALID_ARGUMENT}
            if method in expected:
                assert (await peer.fails(method)).code() is expected[method]
            else:
                await peer.call(method)


@each_row("arm", [kind for kind in KINDS if kind != "unspecified"])
async def test_each_command_needs_its_scope_and_no_other(arm: str) -> None:
    scope = COMMAND_SCOPES.get(arm, Scope.INVOKE_READ)
    async with all_but(scope) as gateway, Peer(gateway.endpoint, "mxgw_simulator_s") as peer:
        failure = await peer.invoke_fails("session-x", arm)
        assert (failure.code(), failure.details()) == (grpc.StatusCode.PERMISSION_DENIED, required(scope))
    async with only(scope) as gateway, Peer(gateway.endpoint, "mxgw_simulator_s") as peer:
        assert (await peer.invoke_fails("session-x", arm)).code() is grpc.StatusCode.NOT_FOUND


async def test_what_the_gateway_does_not_know_needs_admin() -> None:
    async with all_but(Scope.ADMIN) as gateway, Peer(gateway.endpoint, "mxgw_simulator_s") as peer:
        for kind in ("MX_COMMAND_KIND_UNSPECIFIED", 9999):
            failure = await peer.fails("Invoke", session_id="x", command={"kind": kind})
            assert failure.details() == required(Scope.ADMIN)
        unknown = peer.channel.unary_unary("/mxaccess_gateway.v1.MxAccessGateway/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await unknown(b"", metadata=peer.metadata)
        assert failed.value.details() == required(Scope.ADMIN)


async def test_an_unknown_method_is_unimplemented_for_an_admin(gateway: SimulatedGateway, peer: Peer) -> None:
    unknown = peer.channel.unary_unary("/mxaccess_gateway.v1.MxAccessGateway/Nothing")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await unknown(b"", metadata=peer.metadata)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_several_keys_each_allow_their_own() -> None:
    keys = [SimulatedKey(key_id="reader", scopes=frozenset({Scope.SESSION_OPEN})), SimulatedKey(key_id="boss")]
    async with SimulatedGateway(api_keys=keys) as gateway:
        assert gateway.api_key == keys[1].reveal()
        async with Peer(gateway.endpoint, keys[0].reveal()) as peer:
            session = await peer.open()
            failure = await peer.fails("CloseSession", session_id=session.session_id)
            assert failure.code() is grpc.StatusCode.PERMISSION_DENIED
        async with Peer(gateway.endpoint, gateway.api_key) as peer:
            ok(await peer.call("CloseSession", session_id=session.session_id))


def test_a_gateway_without_an_almighty_key_says_so() -> None:
    with pytest.raises(LookupError, match="every scope"):
        _ = only(Scope.ADMIN).api_key


def test_a_key_is_parsed_from_its_text_and_shown_without_its_secret() -> None:
    key = SimulatedKey.parse("mxgw_site7_top_secret", scopes={Scope.ADMIN})
    assert (key.key_id, key.secret, key.reveal()) == ("site7", "top_secret", "mxgw_site7_top_secret")
    assert "top_secret" not in repr(key)
    assert "site7" in repr(key)
    with pytest.raises(ValueError, match="mxgw_<key-id>_<secret>") as failed:
        SimulatedKey.parse("hunter2")
    assert "hunter2" not in str(failed.value)


class TestConstraints:
    async def test_a_denied_entry_of_a_bulk_is_a_failed_result_at_its_own_index(self) -> None:
        key = SimulatedKey(read_subtrees=("Area2",), read_globs=("Tank0?.Level",))
        async with SimulatedGateway(api_keys=[key]) as gateway, Peer(gateway.endpoint, key.reveal()) as peer:
            session = await peer.open()
            tags = ["TestMachine_004.Speed", "TestMachine_001.Speed", "tank01.LEVEL", "TestChildObject.TestInt"]
            for arm in ("add_item_bulk", "subscribe_bulk", "read_bulk"):
                reply = ok(await session.on_server(arm, tag_addresses=tags))
                results = getattr(reply, arm).results
                assert [result.was_successful for result in results] == [True, False, True, False]
                assert "may not read 'TestMachine_001.Speed'" in results[1].error_message
                assert results[1].item_handle == 0

    async def test_denied_writes_and_advises_of_a_bulk_fail_at_their_own_index(self) -> None:
        owner = SimulatedKey(key_id="owner")
        narrow = SimulatedKey(key_id="narrow", read_subtrees=("Tank01",), write_subtrees=("Tank01",))
        async with (
            SimulatedGateway(api_keys=[owner, narrow]) as gateway,
            Peer(gateway.endpoint, owner.reveal()) as peer,
            Peer(gateway.endpoint, narrow.reveal()) as other,
        ):
            session = await peer.open()
            items = [await session.advise(tag) for tag in ("TestChildObject.TestDouble", "Tank01.Level")]
            value = {"double_value": 50.5}
            entries = [{"item_handle": item, "value": value} for item in items]
            on_server = {"server_handle": session.server}
            reply = ok(await other.invoke(session.session_id, "write_bulk", entries=entries, **on_server))
            assert [result.was_successful for result in reply.write_bulk.results] == [False, True]
            assert [result.item_handle for result in reply.write_bulk.results] == [0, items[1]]
            assert "may not write 'TestChildObject.TestDouble'" in reply.write_bulk.results[0].error_message
            reply = ok(await other.invoke(session.session_id, "advise_item_bulk", item_handles=items, **on_server))
            assert [result.was_successful for result in reply.advise_item_bulk.results] == [False, True]
            assert [result.item_handle for result in reply.advise_item_bulk.results] == [0, items[1]]
            assert "may not read 'TestChildObject.TestDouble'" in reply.advise_item_bulk.results[0].error_message

    async def test_a_denied_single_command_is_permission_denied(self) -> None:
        key = SimulatedKey(write_subtrees=("Tank01",), read_globs=("*.Level", "*.TestInt"))
        async with SimulatedGateway(api_keys=[key]) as gateway, Peer(gateway.endpoint, key.reveal()) as peer:
            session = await peer.open()
            item = await session.advise("TestChildObject.TestInt")
            request = command(
                session.session_id, "write", server_handle=session.server, item_handle=item, value={"int32_value": 1}
            )
            failure = await peer.fails("Invoke", **request)
            assert failure.code() is grpc.StatusCode.PERMISSION_DENIED
            failure = await peer.invoke_fails(
                session.session_id, "add_item", server_handle=session.server, item_definition="TestMachine_001.Speed"
            )
            assert failure.code() is grpc.StatusCode.PERMISSION_DENIED
            tank = await session.advise("Tank01.Level")
            ok(await session.on_server("write", item_handle=tank, value={"double_value": 51.0}))

    async def test_browse_constraints_filter_results(self) -> None:
        key = SimulatedKey(browse_subtrees=("Area2",))
        async with SimulatedGateway(api_keys=[key]) as gateway, Peer(gateway.endpoint, key.reveal()) as peer:
            page = await peer.call("DiscoverHierarchy")
            names = [obj.tag_name for obj in page.objects]
            assert names == ["Area2", "TankYard", "Tank02", "TestMachine_004", "TestMachine_005", "TestMachine_006"]
            assert page.total_object_count == len(names)
