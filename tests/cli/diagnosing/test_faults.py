"""What `doctor` says where a gateway is reached and something behind it is wrong; steps that need nothing of it still run."""

from __future__ import annotations

from typing import Any

import pytest
from grpclib.const import Status

from mxgateway.simulator import SimulatedGateway, SimulatedKey, SimulatorOptions
from tests.cli.diagnosing.doctors import doctor, states, steps, the_failure
from tests.cli.gateway import KEY, Gateway
from tests.contract.loading.test_reflection import ALPHA, SERVICES, grpcio_server


async def test_a_worker_that_does_not_start(gateway: Gateway) -> None:
    gateway.simulated.fail_next("OpenSession", Status.UNAVAILABLE, "the worker did not start", times=9)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 78
    failure = the_failure(outcome, "session")
    assert "the worker did not start" in failure["detail"]
    assert failure["error"]["type"] == "MxGatewayWorkerError"
    assert states(outcome) == "oososos" + "fsos"
    assert steps(outcome)["galaxy"]["status"] == "ok"


async def test_a_worker_that_does_not_answer(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway_cli.diagnosing.diagnosis.CALL_SECONDS", 0.4)
    gateway.simulated.hold_commands()

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    gateway.simulated.release_commands()
    assert outcome.code in (0, 68)
    assert steps(outcome)["galaxy"]["status"] == "ok"


async def test_a_worker_that_fails_at_the_ping_and_the_rest_still_runs(gateway: Gateway) -> None:
    def fail_for_real_sessions(reply: Any) -> Any:
        reply.protocol_status.code, reply.protocol_status.message = 5, "the worker is gone"
        return reply

    gateway.simulated.reply_override("Invoke.Ping", fail_for_real_sessions)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    failure = the_failure(outcome, "ping")
    assert failure["error"]["grpcStatus"]
    assert states(outcome) == "oosos" + "ooo" + "foo"


async def test_a_galaxy_that_fails(gateway: Gateway) -> None:
    gateway.simulated.fail_next("GetLastDeployTime", Status.UNAVAILABLE, "SQL Server does not answer", times=9)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 78
    assert "SQL Server does not answer" in the_failure(outcome, "galaxy")["detail"]
    assert states(outcome) == "oosos" + "oooo" + "fo"
    assert not gateway.simulated.sessions


async def test_a_galaxy_without_its_database(gateway: Gateway) -> None:
    gateway.simulated.reply_override("TestConnection", lambda reply: type(reply)(ok=False), times=None)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 1
    failure = the_failure(outcome, "galaxy")
    assert failure["detail"] == "the gateway does not reach the galaxy's database"
    assert "SQL Server" in failure["hint"]


async def test_a_galaxy_that_never_answers_does_not_hold_the_rest_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway_cli.diagnosing.diagnosis.CALL_SECONDS", 0.5)
    gateway.simulated.hold("GetLastDeployTime")

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 68
    failure = the_failure(outcome, "galaxy")
    assert failure["error"]["type"] == "MxGatewayTimeoutError"
    assert steps(outcome)["close"]["status"] == "ok"


async def test_an_empty_galaxy_is_a_warning(gateway: Gateway) -> None:
    gateway.simulated.reply_override("GetLastDeployTime", lambda reply: type(reply)(), times=None)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 0
    galaxy = steps(outcome)["galaxy"]
    assert (galaxy["status"], galaxy["timeOfLastDeploy"]) == ("warning", None)
    assert "mxgw-py galaxy-discover" in galaxy["hint"]


async def test_another_protocol_version_is_a_warning() -> None:
    options = SimulatorOptions(gateway_protocol_version=9)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert outcome.code == 0
    versions = steps(outcome)["versions"]
    assert (versions["status"], versions["gatewayProtocolVersion"]) == ("warning", 9)
    assert "protocol 9 instead of 3" in versions["detail"]


async def test_a_server_that_is_no_gateway_and_speaks_grpc() -> None:
    async with grpcio_server([ALPHA], SERVICES) as endpoint:
        outcome = await doctor(endpoint, "--plaintext")

    assert outcome.code == 76
    assert the_failure(outcome, "key")["error"]["grpcStatus"] == "UNIMPLEMENTED"
    assert steps(outcome)["contract"]["status"] == "ok"


async def test_a_gateway_that_answers_no_call(gateway: Gateway) -> None:
    for method in ("CloseSession", "Invoke", "QueryActiveAlarms", "TestConnection", "OpenSession"):
        gateway.simulated.hold(method)

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", "--timeout", "0.7")

    assert outcome.code == 68
    the_failure(outcome, "key")


async def test_the_time_of_the_whole_is_over_between_two_steps(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway_cli.diagnosing.diagnosis.RIGHT_SECONDS", 0.2)
    gateway.simulated.hold("QueryActiveAlarms")

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", "--timeout", "0.2")

    assert outcome.code in (20, 68)
    assert outcome.document["ok"] is False
