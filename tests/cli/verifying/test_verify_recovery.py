"""`verify --timeout` uses its whole time: it waits, survives and reads again; signals and closed pipes end it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mxgateway.simulator import Attribute, PlantObject, SimulatedGateway, SimulatedKey, Template
from mxgateway.wire import which_one_of
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.recovery.running import Fault, away, crash, drop, go_away, restart, running
from tests.cli.recovery.test_check_and_start import said
from tests.transport.connecting.test_greeted_first import closed_port

OTHER = "TestChildObject.TestDouble"
ONCE = ("verify", TAG, "--expect", "18")
WAITING = (*ONCE, "--timeout", "50")


def reads(gateway: Gateway) -> list[list[str]]:
    """Return the tags of each read."""
    requests = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    found = [each for each in requests if each is not None and which_one_of(each.command, "payload") == "read_bulk"]
    return [list(each.command.read_bulk.tag_addresses) for each in found]


async def read(gateway: Gateway, times: int) -> None:
    """Wait until the gateway was read so many times."""
    async with asyncio.timeout(30):
        while len(reads(gateway)) < times:
            await asyncio.sleep(0.01)


async def test_only_rows_that_do_not_hold_are_read_again_and_at_the_end_all_together(gateway: Gateway) -> None:
    async with running(gateway, "verify", TAG, OTHER, "--expect", "> 17", "--timeout", "50", "--json") as command:
        await read(gateway, 1)
        gateway.simulated.set_tag(OTHER, 18.5)
        await read(gateway, 3)
        gateway.simulated.set_tag(TAG, 18)
        outcome = await command.outcome()

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.document["okCount"] == 2
    found = reads(gateway)
    assert found[0] == found[-1] == [TAG, OTHER]
    assert [TAG] in found[1:-1], "a row that holds is not read again"
    assert outcome.document["rounds"] == len(found)


async def test_a_tag_that_becomes_bad_meanwhile_is_noticed(gateway: Gateway) -> None:
    async with running(gateway, "verify", TAG, OTHER, "--expect", "< 17", "--timeout", "6", "--json") as command:
        await read(gateway, 2)
        gateway.simulated.set_tag(OTHER, None, quality=0)
        gateway.simulated.set_tag(TAG, 16)
        outcome = await command.outcome()

    assert outcome.code == 20
    assert [row["error"] for row in outcome.document["results"]] == ["", "its quality is bad, expected was good"]
    words = f"1 of 2 rows do not hold within 6 s, the first: {OTHER}: its quality is bad, expected was good"
    assert outcome.error["message"] == words


@pytest.mark.parametrize("fault", [drop, go_away, restart, away, crash], ids=lambda fault: fault.__name__)
async def test_a_fault_costs_only_time(gateway: Gateway, fault: Fault) -> None:
    async with running(gateway, *WAITING) as command:
        await read(gateway, 1)
        await fault(gateway)
        gateway.simulated.set_tag(TAG, 18)
        outcome = await command.outcome()

    assert outcome.code == 0, outcome
    assert outcome.out.endswith("1 row: all hold")
    words = [line.split("connected again")[0].split("connection lost")[0] for line in outcome.err.splitlines()]
    assert words in ([], ["warning: ", "warning: "]), outcome.err
    assert not gateway.simulated.sessions


async def test_a_fault_during_the_read_is_survived(gateway: Gateway) -> None:
    gateway.simulated.hold("Invoke.ReadBulk")
    async with running(gateway, *WAITING) as command:
        await read(gateway, 1)
        await restart(gateway)
        gateway.simulated.set_tag(TAG, 18)
        gateway.simulated.release("Invoke.ReadBulk")
        outcome = await command.outcome()
    assert outcome.code == 0, outcome


async def test_an_object_that_a_deployment_brings_is_waited_for(gateway: Gateway) -> None:
    mixer = Template("$Mixer", attributes=(Attribute(name="Speed", value=7),))
    async with running(gateway, "verify", "Mixer01.Speed", "--expect", "7", "--timeout", "50") as command:
        await read(gateway, 1)
        gateway.simulated.deploy(add=[PlantObject(900, "Mixer01", mixer)])
        outcome = await command.outcome()
    once = await gateway.mxgw("verify", "Mixer02.Speed", "--expect", "7")
    assert (outcome.code, once.code) == (0, 21), outcome


async def test_a_gateway_that_starts_late_is_waited_for() -> None:
    _, port = closed_port()
    late = Gateway(SimulatedGateway(port=port, api_keys=[SimulatedKey.parse(KEY)]))
    async with running(late, "verify", TAG, "--expect", "17", "--timeout", "50") as command:
        assert b"waiting for" in await said(command)
        await late.simulated.start()
        outcome = await command.outcome()
        await late.simulated.stop()
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "1 row: all hold")


async def test_without_a_timeout_nothing_is_waited_for(gateway: Gateway) -> None:
    outcome = await gateway.mxgw(*ONCE)
    assert outcome.code == 21
    assert len(reads(gateway)) == 1


async def test_a_timeout_in_an_outage_says_both(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    async with running(gateway, *ONCE, "--timeout", "5", "--junit", str(file)) as command:
        await read(gateway, 1)
        await gateway.simulated.stop()
        outcome = await command.outcome()

    assert outcome.code == 20, outcome
    error = outcome.err.splitlines()[1]
    assert error.startswith(f"error: 1 of 1 rows do not hold within 5 s, the first: {TAG}: its value is 17, expected")
    assert "; the connection was lost: " in error
    [case] = ElementTree.fromstring(file.read_bytes())[0]
    assert case[0].tag == "failure"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_it_and_the_file_says_what_is_known(
    gateway: Gateway, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "junit.xml"
    async with running(gateway, *WAITING, "--junit", str(file)) as command:
        await read(gateway, 1)
        command.process.send_signal(number)
        outcome = await command.outcome()

    assert (outcome.code, outcome.out, outcome.err) == (code, "", "")
    [case] = ElementTree.fromstring(file.read_bytes())[0]
    assert case[0].attrib["message"].startswith(("its value is 17", "it was not read: the command was interrupted"))
    assert not gateway.simulated.sessions


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of asyncio is closed otherwise there")
@pytest.mark.parametrize(("expected", "code"), [("17", 0), ("18", 21)])
async def test_a_closed_pipe_does_not_hide_that_rows_do_not_hold(gateway: Gateway, expected: str, code: int) -> None:
    gateway.simulated.hold_commands()
    async with running(gateway, "verify", TAG, "--expect", expected) as command:
        await gateway.received("register")
        command.close_pipe()
        gateway.simulated.release_commands()
        async with asyncio.timeout(30):
            assert await command.process.wait() == code
