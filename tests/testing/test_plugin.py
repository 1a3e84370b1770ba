"""The fixtures in projects of somebody else: sync and async tests, in any mode and loop scope, and with xdist."""

from __future__ import annotations

from pathlib import Path

from tests.testing.projects import install_entry_points, run_pytest

PLANT = """
[templates.Kiln.attributes]
Heat = { type = "float", value = 21.5 }
[objects]
Kiln01 = { template = "Kiln" }
"""

SYNC = """
import asyncio
import pytest
from mxgateway import proto
from mxgateway.simulator import Plant, PlantObject, Template, Attribute

OWN = Plant([PlantObject(1, "Mixer01", Template("$Mixer", attributes=(Attribute(name="Speed", value=7),)))])

async def read(gateway, tag):
    async with gateway.connect() as client, client.open_session() as session:
        return (await session.read([tag]))[0].value

def test_a_sync_test_uses_the_gateway(mx_gateway):
    assert asyncio.run(read(mx_gateway, "TestChildObject.TestInt")) == 17
    mx_gateway.set_tag("TestChildObject.TestInt", 18)
    assert asyncio.run(read(mx_gateway, "TestChildObject.TestInt")) == 18
    assert len(mx_gateway.requests(proto.OpenSessionRequest)) == 2
    assert mx_gateway.requests(proto.ReadBulkCommand)[0].tag_addresses == ["TestChildObject.TestInt"]

@pytest.mark.mx_plant("kiln.toml")
def test_a_plant_of_a_file_beside_the_test(mx_gateway):
    assert asyncio.run(read(mx_gateway, "Kiln01.Heat")) == 21.5

def test_the_former_fixture_checks_nothing(simulated_gateway):
    assert asyncio.run(read(simulated_gateway, "TestChildObject.TestInt")) == 17
    simulated_gateway.fail_next("OpenSession", 14)

@pytest.mark.mx_plant(OWN)
def test_a_plant_of_ones_own(mx_gateway, mx_plant):
    assert mx_plant is OWN
    assert asyncio.run(read(mx_gateway, "Mixer01.Speed")) == 7
"""

ASYNC = """
import asyncio
import warnings
from datetime import timedelta
import pytest
from mxgateway import GrpcStatus, MxGatewayError, MxGatewayTransportError, TagUpdate, proto

{mark}

async def test_a_session_on_the_loop_of_the_test(mx_session, mx_gateway):
    assert await mx_session.register("test") == 1
    assert list(mx_gateway.sessions) == [mx_session.session_id]

async def test_each_test_has_its_own(mx_client, mx_gateway):
    assert not mx_gateway.sessions
    assert mx_client.endpoint == mx_gateway.endpoint

async def test_the_time_of_a_loop_alone(mx_clock):
    task = asyncio.create_task(asyncio.sleep(60))
    await mx_clock.advance(60)
    assert task.done()

async def test_warnings_are_seen_by_those_who_look(mx_gateway, recwarn):
    warnings.warn("look", UserWarning)
    assert [str(each.message) for each in recwarn] == ["look"]

class TestInAClass:
    async def test_a_method(self, mx_session):
        mx_session.session_id

async def test_scripted_replies(mx_session, mx_gateway):
    mx_gateway.script("Invoke.Register", lambda reply: reply, GrpcStatus.UNAVAILABLE)
    assert await mx_session.register("one") == 1
    with pytest.raises(MxGatewayError):
        await mx_session.register("two")
    assert [each.client_name for each in mx_gateway.requests(proto.RegisterCommand)] == ["one", "two"]

async def test_the_time_of_client_and_gateway(mx_client, mx_gateway, mx_clock):
    hour = asyncio.create_task(asyncio.sleep(3600))
    async with mx_client.subscribe(["TestChildObject.TestInt"]) as updates:
        seen = []
        reading = asyncio.create_task(read(updates, seen))
        begun = mx_clock.now
        await mx_clock.advance(1)
        assert [each.value for each in seen if isinstance(each, TagUpdate)] == [17]
        seen.clear()
        mx_gateway.stop()
        await mx_clock.advance(60)
        assert [each.state.value for each in seen] == ["recovering"]
        mx_gateway.start()
        await mx_clock.advance(60)
        assert (mx_clock.now - begun).total_seconds() == 121
        assert [(each.value, each.source_time) for each in seen if isinstance(each, TagUpdate)] == [(17, begun + timedelta(seconds=61))]
    await reading
    assert not hour.done()
    hour.cancel()

async def read(updates, seen):
    async for update in updates:
        seen.append(update)

async def test_a_network_fault(mx_client, mx_proxy):
    async with mx_client.open_session() as session:
        await session.register("before")
        mx_proxy.reset_all()
        with pytest.raises(MxGatewayTransportError):
            await session.register("cut off")
        await session.register("after")
    assert mx_proxy.accepted == 2
"""
MARKS = {
    "auto": "",
    "strict": "pytestmark = pytest.mark.asyncio",
    "module": "pytestmark = pytest.mark.asyncio(loop_scope='module')",
    "session": "pytestmark = pytest.mark.asyncio(loop_scope='session')",
}
TESTS = 4 + 8


def project(folder: Path, scope: str) -> None:
    """Write the kit's tests: the sync ones, and the async ones with a mark."""
    (folder / "kiln.toml").write_text(PLANT)
    (folder / "test_sync.py").write_text(SYNC)
    (folder / "test_async.py").write_text(ASYNC.replace("{mark}", MARKS[scope]))


def test_in_auto_mode_found_by_the_entry_point(tmp_path: Path) -> None:
    project(tmp_path, "auto")
    install_entry_points(tmp_path)
    outcome = run_pytest(tmp_path, "-o", "asyncio_mode=auto", plugin=())
    assert outcome.counts == {"passed": TESTS}, outcome.text


def test_in_strict_mode_on_loops_of_every_scope_with_xdist(tmp_path: Path) -> None:
    project(tmp_path, "session")
    for scope in ("module", "strict"):
        (tmp_path / f"test_{scope}.py").write_text(ASYNC.partition("class")[0].replace("{mark}", MARKS[scope]))
    outcome = run_pytest(tmp_path, "-o", "asyncio_mode=strict", "-n", "2")
    assert outcome.counts == {"passed": TESTS + 2 * 4}, outcome.text


def test_without_any_plugin_for_async_tests(tmp_path: Path) -> None:
    project(tmp_path, "auto")
    outcome = run_pytest(tmp_path, "-p", "no:asyncio")
    assert outcome.counts == {"passed": TESTS}, outcome.text


def test_nothing_of_the_library_is_loaded_until_a_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("""
import sys
def loaded():
    return {name for name in sys.modules if name.partition(".")[0] in ("mxgateway", "grpclib", "h2", "betterproto")}
def test_before():
    print(sorted(loaded()))
    assert loaded() <= {"mxgateway", "mxgateway.system", "mxgateway.system.lazy_names", "mxgateway.testing", "mxgateway.testing.plugin"}
def test_with_a_fixture(mx_gateway):
    assert "mxgateway.simulator" in loaded()
""")
    install_entry_points(tmp_path)
    assert run_pytest(tmp_path, plugin=()).counts == {"passed": 2}


FAILING = """
import asyncio
import pytest
from mxgateway import GatewayClient

async def test_leaves_a_session_open(mx_gateway):
    client = await mx_gateway.connect()
    await client.open_session(client_session_name="forgotten")

@pytest.mark.asyncio(loop_scope="module")
async def test_leaves_a_stream_open(mx_gateway):
    client = await mx_gateway.connect()
    session = await client.open_session()
    test_leaves_a_stream_open.stream = await session.stream_events().__aenter__()

async def test_leaves_a_task(mx_client):
    test_leaves_a_task.task = asyncio.create_task(asyncio.sleep(30), name="straggler")

async def test_uses_no_reply(mx_gateway):
    mx_gateway.script("Invoke.Register", lambda reply: reply)
    mx_gateway.fail_next("OpenSession", 14, times=2)

async def test_forgets_to_await(mx_session):
    mx_session.register("x")

async def test_waits_for_ever(mx_gateway, mx_clock):
    mx_clock.patience = 0.1
    await asyncio.sleep(1)

def test_is_not_async(mx_client):
    pass

@pytest.mark.mx_plant("missing.toml")
def test_has_no_plant(mx_gateway):
    pass

@pytest.fixture
def early(mx_client):
    return mx_client.endpoint

async def test_uses_the_client_too_early(early):
    pass

@pytest.mark.mx_unchecked
async def test_is_not_checked(mx_gateway):
    await mx_gateway.connect()
    mx_gateway.fail_next("OpenSession", 14)
"""


def test_what_is_left_or_forgotten_fails_and_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(FAILING)
    outcome = run_pytest(tmp_path, "-o", "asyncio_mode=auto", "-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning")  # fmt: skip
    for said in (
        "of 'forgotten' is open", "with StreamEvents running", "the task 'straggler' goes on: sleep at",
        "1 of the replies for Invoke.Register", "2 of fail_next or refuse_next for OpenSession",
        "'ItemCommands.register' was never awaited", "mx_client needs an async test function", "missing.toml",
        "TimeoutError: nothing has moved the time for 0.1 s",
        "mx_client.endpoint: mx_client is opened when the async test function begins",
    ):  # fmt: skip
        assert said in outcome.text, outcome.text
    assert outcome.counts == {"passed": 5, "failed": 2, "errors": 7}, outcome.text
