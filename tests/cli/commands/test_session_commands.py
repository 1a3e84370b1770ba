from __future__ import annotations

import json

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw


async def test_worker_info_is_a_document_of_fixed_keys() -> None:
    outcome = await mxgw("worker-info", "--simulator", "--json")

    assert outcome.code == 0, outcome.err
    assert json.dumps(golden(outcome.document)) == json.dumps(
        {
            "operation": "worker-info",
            "sessionId": "<sessionId>",
            "workerProcessId": "<workerProcessId>",
            "workerVersion": "1.0.0-simulated",
            "mxaccessVersion": "20.1.000-simulated",
            "startedAt": "<startedAt>",
            "pendingCommands": 0,
            "pendingEvents": 0,
            "correlationId": "<correlationId>",
        }
    )


async def test_drained_events_are_shown_in_order_and_are_gone_afterwards(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        server = await session.register("test")
        await session.subscribe_bulk(server, [TAG, "TestChildObject.TestString", "TestChildObject.TestBool"])

    first = await gateway.mxgw("drain-events", "--session-id", session_id, "--max-events", "1", "--json")
    rest = await gateway.mxgw("drain-events", "--session-id", session_id, "-o", "value")
    none = await gateway.mxgw("drain-events", "--session-id", session_id, "--json")

    assert list(first.document) == [
        "operation", "sessionId", "eventCount", "lastWorkerSequence", "correlationId", "events",
    ]  # fmt: skip
    assert (first.document["operation"], first.document["eventCount"]) == ("drain-events", 1)
    assert first.document["events"][0]["value"]["int32Value"] == 17
    assert rest.out == "Grüße\ntrue\n"
    assert (none.document["eventCount"], none.document["events"]) == (0, [])


async def test_a_worker_that_was_shut_down_takes_its_session_with_it(gateway: Gateway) -> None:
    session_id = await gateway.open_session()

    outcome = await gateway.mxgw("shutdown-worker", "--session-id", session_id, "--json")

    assert golden(outcome.document) == {
        "operation": "shutdown-worker", "sessionId": "<sessionId>", "correlationId": "<correlationId>",
    }  # fmt: skip
    assert not gateway.simulated.sessions


async def test_shutting_a_worker_down_needs_the_scope_admin() -> None:
    key = SimulatedKey.parse(KEY, scopes=frozenset(Scope) - {Scope.ADMIN})
    async with SimulatedGateway(api_keys=[key]) as simulated:
        gateway = Gateway(simulated)
        session_id = await gateway.open_session()
        outcome = await gateway.mxgw("shutdown-worker", "--session-id", session_id)

    assert outcome.code == 71
    assert "'admin'" in outcome.err


async def test_what_makes_no_sense_in_a_new_session_asks_for_an_open_one() -> None:
    shutdown = await mxgw("shutdown-worker", "--plaintext")
    drain = await mxgw("drain-events", "--plaintext")
    tried = await mxgw("drain-events", "--simulator", "--json")

    assert (shutdown.code, drain.code) == (2, 2)
    assert "Missing option '--session-id'" in shutdown.err
    assert "Missing option '--session-id'" in drain.err
    assert tried.document["events"] == []
