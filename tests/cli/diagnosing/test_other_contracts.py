"""`doctor` at a gateway whose contract differs from the one in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mxgateway.contract import Contract, ContractError, NoReflectionError
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.diagnosing.doctors import doctor, states, steps, the_failure
from tests.cli.gateway import KEY
from tests.contract.permuted import permuted


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Contract:
    """The contract that gateways publish; the simulated one has no reflection."""
    contract = Contract(permuted(3))

    async def fetch(*_: object) -> Contract:
        return contract

    monkeypatch.setattr(Contract, "fetch", fetch)
    return contract


async def test_another_contract_fails_and_the_rest_runs_as_far_as_it_goes(theirs: Contract) -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], contract=theirs) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert outcome.code == 1
    failure = the_failure(outcome, "contract")
    assert failure["detail"].startswith("the gateway's contract differs from the built-in one: other number")
    assert "mxgw-py doctor --contract auto" in failure["hint"]
    assert failure["breaking"] > 0
    assert failure["fingerprint"] == theirs.fingerprint
    assert steps(outcome)["key"]["status"] != "skipped"


async def test_with_auto_the_client_adapts(theirs: Contract) -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], contract=theirs) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext", "--contract", "auto")

    assert outcome.code == 0, outcome.err
    assert states(outcome) == "oosoooooooo"
    assert steps(outcome)["contract"]["detail"].endswith("--contract auto adapts to it")


async def test_with_its_file_the_contract_is_that_one(theirs: Contract, tmp_path: Path) -> None:
    file = tmp_path / "gateway.binpb"
    theirs.export(file)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], contract=theirs) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext", "--contract", os.fspath(file))

    assert outcome.code == 0, outcome.err
    assert steps(outcome)["contract"]["detail"] == "the gateway's contract is that of --contract"


@pytest.mark.parametrize(
    ("fault", "status"), [(NoReflectionError("none"), "skipped"), (ContractError("broken"), "failed")]
)
async def test_no_reflection_is_told_from_a_broken_one(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, status: str
) -> None:
    async def fetch(*_: object) -> Contract:
        raise fault

    monkeypatch.setattr(Contract, "fetch", fetch)
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as gateway:
        outcome = await doctor(gateway.endpoint, "--plaintext")

    assert steps(outcome)["contract"]["status"] == status
    assert outcome.code == (0 if status == "skipped" else 1)
    assert steps(outcome)["close"]["status"] == "ok"
