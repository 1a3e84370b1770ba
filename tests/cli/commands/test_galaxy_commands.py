from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest
from grpclib.const import Status

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import refused
from tests.cli.process import finish, start

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3}){0,2})?Z"
on_posix = pytest.mark.skipif(os.name == "nt", reason="needs signals to one process")


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode()


# -- the database and the last deployment


async def test_the_connection_to_the_database_is_an_answer_and_an_exit_code(gateway: Gateway) -> None:
    well = await gateway.mxgw("galaxy-test-connection", "--json")
    gateway.simulated.galaxy.database_answers = False
    away = await gateway.mxgw("galaxy-test-connection", "-ovalue")

    assert (well.code, well.err) == (0, "")
    assert list(well.document) == ["operation", "ok", "correlationId"]
    assert well.document["ok"] is True
    assert (away.code, away.out) == (1, "false\n")
    assert away.err.startswith("error: the gateway does not reach the galaxy's database")


async def test_the_last_deployment_has_its_time_zone_in_every_format(gateway: Gateway) -> None:
    found = {form: await gateway.mxgw("galaxy-last-deploy", "-o", form) for form in ("table", "json", "jsonl", "value")}

    assert {outcome.code for outcome in found.values()} == {0}
    moment = found["value"].out.strip()
    assert re.fullmatch(TIME, moment)
    assert re.search(rf"^timeOfLastDeploy +{re.escape(moment)}$", found["table"].out, re.MULTILINE)
    for form in ("json", "jsonl"):
        assert list(found[form].document) == ["operation", "present", "timeOfLastDeploy", "correlationId"]
        assert (found[form].document["present"], found[form].document["timeOfLastDeploy"]) == (True, moment)


async def test_a_galaxy_that_was_never_deployed_has_no_time(gateway: Gateway) -> None:
    gateway.simulated.galaxy.undeploy()

    document = await gateway.mxgw("galaxy-last-deploy", "--json")
    value = await gateway.mxgw("galaxy-last-deploy", "-ovalue")
    watched = await gateway.mxgw("galaxy-watch", "--count", "1")

    assert (document.document["present"], document.document["timeOfLastDeploy"]) == (False, None)
    assert (value.code, value.out) == (0, "\n")
    assert watched.out.splitlines()[1].split()[:2] == ["1", "never"]


async def test_a_key_without_metadata_read_is_told_the_scope() -> None:
    key = SimulatedKey.parse(KEY, scopes=set(Scope) - {Scope.METADATA_READ})
    async with SimulatedGateway(api_keys=[key]) as simulated:
        for name in ("test-connection", "last-deploy", "discover", "browse", "watch"):
            outcome = await Gateway(simulated).mxgw(f"galaxy-{name}", "-ojsonl")
            assert (outcome.code, outcome.out) == (71, "")
            assert "metadata:read" in outcome.error["message"]


# -- deployments as they come


async def test_a_watch_begins_with_the_deployment_in_force_and_tells_times_with_their_zone(gateway: Gateway) -> None:
    found = {
        form: await gateway.mxgw("galaxy-watch", "--count", "1", "-o", form)
        for form in ("table", "json", "jsonl", "value")
    }
    moment = found["value"].out.strip()

    assert {outcome.code for outcome in found.values()} == {0}
    assert re.fullmatch(TIME, moment)
    heading, row = found["table"].out.splitlines()
    assert heading.split() == ["sequence", "deployed", "observed", "objects", "attributes", "note"]
    assert row.split()[:2] == ["1", moment]
    assert re.fullmatch(TIME, row.split()[2])
    assert list(found["json"].document) == ["operation", "eventCount", "correlationId", "events"]
    [event] = found["json"].document["events"]
    assert found["jsonl"].lines == [event]
    assert list(event) == [
        "sequence", "observedAt", "timeOfLastDeploy", "timeOfLastDeployPresent", "objectCount", "attributeCount",
    ]  # fmt: skip
    assert (event["sequence"], event["timeOfLastDeploy"], event["objectCount"]) == ("1", moment, 16)


async def test_a_watch_shows_a_redeploy_as_it_comes(gateway: Gateway) -> None:
    process = await start("galaxy-watch", "--count", "2", "--plaintext", "-ojsonl", env=gateway.env)
    assert '"sequence":"1"' in await line_of(process)
    gateway.simulated.deploy()
    outcome = await finish(process)

    assert (outcome.code, outcome.err) == (0, "")
    assert [line["sequence"] for line in outcome.lines] == ["2"]


async def test_a_watch_begins_after_the_deployment_that_is_known_already(gateway: Gateway) -> None:
    known = (await gateway.mxgw("galaxy-last-deploy", "-ovalue")).out.strip()
    arguments = ("galaxy-watch", "--last-seen-deploy-time", known, "--count", "1", "-ojsonl")

    process = await start(*arguments, "--plaintext", env=gateway.env)
    async with asyncio.timeout(30):
        while not any(call.method == "WatchDeployEvents" for call in gateway.simulated.received):
            await asyncio.sleep(0.01)
    gateway.simulated.deploy()
    outcome = await finish(process)

    assert [line["sequence"] for line in outcome.lines] == ["2"]


async def test_missed_deployments_are_a_record_of_their_own(gateway: Gateway) -> None:
    process = await start("galaxy-watch", "--count", "3", "--plaintext", "-ojsonl", env=gateway.env)
    table = await start("galaxy-watch", "--count", "3", "--plaintext", env=gateway.env)
    await line_of(process)
    await line_of(table)
    await line_of(table)
    for _ in range(20):  # without a pause in between: the gateway keeps the last 16 for one watcher
        gateway.simulated.deploy()
    outcome, shown = await finish(process), await finish(table)

    gap, first, second = outcome.lines
    assert gap == {"gap": {"cause": "sequence", "firstMissed": "2", "lastMissed": "5"}}
    assert (first["sequence"], second["sequence"]) == ("6", "7")
    assert shown.out.splitlines()[0].split(maxsplit=1) == ["gap", "deployments 2 to 5 were missed (sequence)"]


async def test_a_watch_goes_on_after_the_gateway_was_restarted(gateway: Gateway) -> None:
    gateway.simulated.deploy()
    process = await start("galaxy-watch", "--count", "2", "--plaintext", "-ojsonl", env=gateway.env)
    await line_of(process)
    await gateway.simulated.restart(deployed=True)
    outcome = await finish(process)

    gap, event = outcome.lines
    assert outcome.code == 0, outcome.err
    assert gap["gap"] == {"cause": "restarted", "firstMissed": "3", "lastMissed": None}
    assert event["sequence"] == "1"


async def test_missing_deployments_at_the_time_limit_are_exit_code_20_with_what_came(gateway: Gateway) -> None:
    in_vain = await gateway.mxgw("galaxy-watch", "--count", "2", "--timeout", "2", "--json")
    unbounded = await gateway.mxgw("galaxy-watch", "--timeout", "1", "-ojsonl")

    assert in_vain.code == 20
    assert in_vain.document["eventCount"] == 1
    assert in_vain.error["message"] == "1 of 2 deployments arrived within 2 s"
    assert (unbounded.code, len(unbounded.lines)) == (0, 1)


@on_posix
async def test_ctrl_c_ends_a_watch_quietly(gateway: Gateway) -> None:
    process = await start("galaxy-watch", "--plaintext", "-ojsonl", env=gateway.env)
    await line_of(process)
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


@on_posix
async def test_a_closed_pipe_ends_a_watch_quietly_with_0(gateway: Gateway) -> None:
    process = await start("galaxy-watch", "--plaintext", "-ojsonl", env=gateway.env)
    await line_of(process)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]
    gateway.simulated.deploy()
    outcome = await finish(process)

    assert (outcome.code, outcome.err) == (0, "")


async def test_a_watch_that_is_refused_ends_with_the_code_of_its_status(gateway: Gateway) -> None:
    gateway.simulated.fail_next("WatchDeployEvents", Status.UNIMPLEMENTED, "no such method", times=100)

    outcome = await gateway.mxgw("galaxy-watch", "--json", "--count", "1")

    assert (outcome.code, outcome.out) == (64 + Status.UNIMPLEMENTED.value, "")


@pytest.mark.parametrize("text", ["noon", "2026-03-01T08:30:00"])
def test_a_last_seen_time_without_a_zone_is_wrong_usage(text: str) -> None:
    outcome = refused("galaxy-watch", "--last-seen-deploy-time", text)

    assert (outcome.code, outcome.out) == (2, "")
    assert "--last-seen-deploy-time is" in outcome.err
