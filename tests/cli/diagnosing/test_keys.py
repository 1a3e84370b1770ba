"""What `doctor` says of a key: whether the gateway knows it, and what it may do, found without changing anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from grpclib.const import Status

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.diagnosing.doctors import doctor, states, steps, the_failure
from tests.cli.gateway import KEY, SECRET, Gateway


@asynccontextmanager
async def gateway_with(scopes: Iterable[Scope]) -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY, scopes=scopes)]) as gateway:
        yield gateway


async def test_a_wrong_key(gateway: Gateway) -> None:
    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", key="mxgw_tests_not-this-one")

    assert outcome.code == 80
    failure = the_failure(outcome, "key")
    assert "Missing or invalid API key" in failure["detail"]
    assert failure["hint"].startswith("pass an API key that this gateway knows")
    assert "mxgw-py config" in failure["hint"]
    assert states(outcome) == "oosos" + "f" + "s" * 5
    assert "not-this-one" not in outcome.out + outcome.err


async def test_no_key(gateway: Gateway) -> None:
    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", key=None)

    assert outcome.code == 80
    hint = the_failure(outcome, "key")["hint"]
    assert hint.startswith("no API key was sent: set MXGATEWAY_API_KEY")


async def test_a_key_without_scopes() -> None:
    async with gateway_with([]) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert outcome.code == 71
    failure = the_failure(outcome, "session")
    assert "session:open" in failure["detail"]
    key = steps(outcome)["key"]
    assert key["status"] == "warning"
    assert set(key["rights"].values()) == {False}
    assert key["missingScopes"] == sorted({scope.value for scope in Scope} - {"admin"})
    assert states(outcome) == "oosos" + "wsf" + "sss"


READ_ONLY = frozenset(Scope) - {Scope.INVOKE_WRITE, Scope.INVOKE_SECURE, Scope.ADMIN}


async def test_a_key_that_may_not_write_is_well() -> None:
    async with gateway_with(READ_ONLY) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert outcome.code == 0
    key = steps(outcome)["key"]
    assert key["status"] == "ok"
    assert key["detail"].endswith("; lacks write (invoke:write), securedWrite (invoke:secure)")


@pytest.mark.parametrize(
    ("missing", "right", "code", "failing"),
    [
        (Scope.SESSION_OPEN, "session", 71, "session"),
        (Scope.SESSION_CLOSE, "close", 71, "close"),
        (Scope.INVOKE_READ, "read", 71, "ping"),
        (Scope.EVENTS_READ, "alarms", 0, ""),
        (Scope.METADATA_READ, "galaxy", 0, ""),
        (Scope.INVOKE_WRITE, "write", 0, ""),
        (Scope.INVOKE_SECURE, "securedWrite", 0, ""),
    ],
)
async def test_each_right_is_found_missing_by_itself(missing: Scope, right: str, code: int, failing: str) -> None:
    async with gateway_with(set(Scope) - {missing}) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert outcome.code == code
    key = steps(outcome)["key"]
    assert [name for name, has in key["rights"].items() if not has] == [right]
    assert key["missingScopes"] == [missing.value]
    if failing:
        assert the_failure(outcome, failing)["error"]["grpcStatus"] == "PERMISSION_DENIED"
    assert steps(outcome)["galaxy"]["status"] == ("skipped" if right == "galaxy" else "ok")


async def test_a_right_that_cannot_be_found_out_is_neither_granted_nor_missing(gateway: Gateway) -> None:
    gateway.simulated.fail_next("QueryActiveAlarms", Status.INTERNAL, "broken")

    outcome = await doctor(gateway.simulated.endpoint, "--plaintext")

    assert outcome.code == 0
    assert steps(outcome)["key"]["rights"]["alarms"] is None


async def test_a_key_in_a_flag_is_warned_about_and_not_shown(gateway: Gateway) -> None:
    outcome = await doctor(gateway.simulated.endpoint, "--plaintext", "--api-key", KEY, key=None)

    assert outcome.code == 0
    assert "visible in the process list" in outcome.err
    assert SECRET not in outcome.out + outcome.err
