"""Wrong use of the library fails type checking, right use passes."""

from __future__ import annotations

import re
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[2]

# Each line stands alone; those marked `# wrong` must be reported, the others must not.
CALLS = """
from datetime import UTC, datetime, timedelta
from mxgateway import (
    ActiveAlarm, AlarmAcknowledgement, AlarmChange, AlarmReference, ApiKey, ClientOptions, DeployGap, Endpoint, EventStream, GalaxyRepositoryClient,
    GatewayClient, HierarchyOptions, LazyBrowseNode, MxAccessError, MxGatewayError, OpenSessionOptions, Session, Secret, TlsOptions, proto,
)
NOW = datetime.now(UTC)
async def right(client: GatewayClient, session: Session, command: proto.MxCommand, error: MxAccessError) -> None:
    opened: GatewayClient = await GatewayClient.connect()
    await GatewayClient.connect("gw:5001", api_key="k", tls=TlsOptions(ca_file="ca.pem"))
    await GatewayClient.connect(endpoint="gw:5000", options=ClientOptions(plaintext=True), api_key=ApiKey("k"), call_timeout=None)
    await GatewayClient.connect("gw:5000", metadata=(("x-site", "7"),), connect_timeout=1, max_send_bytes=1)
    await GatewayClient.connect(tls=TlsOptions(pin=["AB"], client_cert="c", client_key_password=Secret("p")), proxy="http://p:1")
    another: Session = await client.open_session()
    await client.open_session(OpenSessionOptions(client_session_name="svc"), timeout=5)
    await client.open_session(client_session_name="svc", command_timeout=timedelta(seconds=5), correlation_id="c")
    async with GatewayClient.connect() as c, c.open_session() as s:
        handle: int = await s.register("svc")
        await s.advise(handle, await s.add_item(handle, "A.B"), timeout=1, correlation_id="c")
    await session.write(1, 2, 3, user_id=4, data_type=proto.MxDataType.FLOAT)
    await session.write2(1, 2, [1.5, 2.5], NOW)
    confirmed: proto.MxEvent = await session.write_confirmed(1, 2, "text", timeout=5)
    state: proto.SessionStateReply = await session.state()
    reply: proto.MxCommandReply = await session.invoke(command)
    events: EventStream = session.stream_events(after_worker_sequence=5)
    async with session.stream_events() as stream:
        async for event in stream:
            sequence: int = event.worker_sequence
    async for raw in client.stream_events_raw(proto.StreamEventsRequest(session_id="s")):
        family: proto.MxEventFamily = raw.family
    galaxy: GalaxyRepositoryClient = client.galaxy
    await GalaxyRepositoryClient.connect("gw:5001", api_key="k", tls=TlsOptions(ca_file="ca.pem"))
    objects: list[proto.GalaxyObject] = await galaxy.discover_hierarchy(HierarchyOptions(max_depth=1), category_ids=[13], timeout=5)
    async for each in galaxy.iter_hierarchy(root_tag_name="Area1", page_size=10, prefetch=1, on_redeploy="restart"):
        name: str = each.tag_name
    async for page in galaxy.iter_hierarchy().pages():
        first: proto.GalaxyObject = page[0]
    nodes: list[LazyBrowseNode] = await galaxy.browse(parent_gobject_id=1)
    children: tuple[LazyBrowseNode, ...] = await nodes[0].expand(refresh=True)
    async for told in galaxy.watch_deploy_events(NOW):
        number: int | None = told.last_missed if isinstance(told, DeployGap) else told.sequence
    tags: list[str] = await galaxy.find("Tank*.Level", limit=5)
    inner: proto.GalaxyObject | None = (await galaxy.tree(max_depth=2)).by_tag_name("Area1")
    deployed: datetime | None = await galaxy.get_last_deploy_time()
    alarms: list[ActiveAlarm] = await client.query_active_alarms("Galaxy!", timeout=5)
    done: AlarmAcknowledgement = await client.acknowledge_alarm(AlarmReference.parse("A!B.C"), comment="c", operator="me")
    async with client.alarm_board(prefix="Galaxy!", stale_after=None) as board, client.stream_alarms() as feed:
        known: ActiveAlarm = board.active["A!B.C"]
        async for change in board:
            if isinstance(change, AlarmChange):
                before: ActiveAlarm | None = change.before
    closed: proto.CloseSessionReply = await session.close()
    hresult: int | None = error.hresult
    general: MxGatewayError = error
async def wrong(client: GatewayClient, session: Session, command: proto.MxCommand, error: MxAccessError) -> None:
    await GatewayClient.connect(api_keey="k")  # wrong
    await GatewayClient.connect(5000)  # wrong
    await GatewayClient.connect(api_key=b"k")  # wrong
    await GatewayClient.connect(tls=True)  # wrong
    await GatewayClient.connect(connect_timeout="10")  # wrong
    await GatewayClient.connect(metadata={"x-site": "7"})  # wrong
    await GatewayClient.connect(proxy=("p", 1))  # wrong
    await GatewayClient.connect(tls=TlsOptions(pin=5))  # wrong
    await GatewayClient.connect(tls=TlsOptions(client_key_password=b"p"))  # wrong
    await client.galaxy.discover_hierarchy(depth=1)  # wrong
    await client.galaxy.discover_hierarchy(category_ids=13)  # wrong
    await client.galaxy.discover_hierarchy(prefetch=1)  # wrong
    await client.galaxy.discover_hierarchy(parent_tag_name="Area1")  # wrong
    await client.galaxy.browse(HierarchyOptions())  # wrong
    await client.galaxy.browse(max_depth=1)  # wrong
    await client.galaxy.tree(on_redeploy="raise")  # wrong
    client.galaxy.iter_hierarchy(on_redeploy="retry")  # wrong
    await client.galaxy.iter_hierarchy()  # wrong
    async with client.galaxy() as called: ...  # wrong
    client.galaxy.watch_deploy_events("2024-01-01")  # wrong
    client.galaxy.watch_deploy_events(recovery=5)  # wrong
    await client.open_session("svc")  # wrong
    await client.open_session(name="svc")  # wrong
    unopened: Session = client.open_session()  # wrong
    client.open_session().session_id  # wrong
    async with session.stream_events as stream: ...  # wrong
    await client.acknowledge_alarm(5)  # wrong
    await client.acknowledge_alarm("A!B.C", "comment")  # wrong
    await client.query_active_alarms(5)  # wrong
    await client.stream_alarms()  # wrong
    client.alarm_board(recovery=5)  # wrong
    await session.register(1)  # wrong
    await session.register()  # wrong
    await session.register("svc", 5.0)  # wrong
    text: str = await session.register("svc")  # wrong
    await session.add_item("1", "A.B")  # wrong
    await session.advise(1)  # wrong
    await session.write()  # wrong
    await session.write(1, 2)  # wrong
    await session.write(1, 2, object())  # wrong
    await session.write(1, 2, 3, 4)  # wrong
    await session.write(1, 2, 3, data_type="FLOAT")  # wrong
    await session.write2(1, 2, 3)  # wrong
    await session.write2(1, 2, 3, "2024-01-01")  # wrong
    await session.write_confirmed(1, 2, {1: 2})  # wrong
    await session.ping("x")  # wrong
    await session.ping(timeout="5")  # wrong
    await session.invoke(proto.PingCommand())  # wrong
    await session.stream_events()  # wrong
    for event in session.stream_events(): ...  # wrong
    session.stream_events("5")  # wrong
    session.session_id.nothing  # wrong
    session.reed  # wrong
    await client.invoke(command)  # wrong
    ClientOptions("key")  # wrong
    ClientOptions().plaintext = True  # wrong
    Endpoint(5000, "gw")  # wrong
    number: int = error.hresult  # wrong
"""


def test_wrong_calls_fail_type_checking_and_right_ones_pass(tmp_path: Path) -> None:
    script = tmp_path / "wrong_use.py"
    script.write_text(CALLS.lstrip(), encoding="utf-8")
    # With the options of `make check`, whose cache then serves here and stays as it is.
    arguments = [f"--config-file={ROOT / 'pyproject.toml'}", str(script)]
    output, problems, _ = api.run(arguments)
    assert problems == ""

    reported = {int(line) for line in re.findall(r"wrong_use\.py:(\d+): error", output)}
    expected = {number for number, line in enumerate(CALLS.lstrip().splitlines(), start=1) if line.endswith("# wrong")}
    assert reported == expected, output


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (ROOT / "mxgateway" / "py.typed").is_file()
