"""The shell parts of the pipelines run against a gateway with TLS, in the environment that the pipelines' files give them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trustme

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, SECRET
from tests.examples.pipelines import FOLDER, PIPELINES, SECRETS, Step, parsed, run, workspace

EXPECTED = [row["tag"] for row in csv.DictReader((FOLDER / "expected.csv").read_text(encoding="utf-8").splitlines())]


@dataclass(frozen=True)
class Plant:
    """A gateway with TLS, and what a pipeline's server keeps to reach it."""

    simulated: SimulatedGateway
    kept: Mapping[str, str]


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    certificate = trustme.CA().issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(chain.read_text())).hexdigest()
    async with SimulatedGateway(
        api_keys=[SimulatedKey.parse(KEY)], certificate=str(chain), private_key=str(key)
    ) as simulated:
        kept = (simulated.endpoint, pin, KEY)
        yield Plant(simulated, dict(zip(SECRETS, kept, strict=True)))


def impatient(steps: list[Step]) -> list[Step]:
    """Return steps that wait for seconds where the pipeline waits for minutes."""
    return [
        dataclasses.replace(step, script=step.script.replace("--timeout 60", "--timeout 6").replace("--timeout 120", "--timeout 30"))
        for step in steps
    ]  # fmt: skip


@pytest.mark.parametrize("name", PIPELINES)
async def test_a_pipeline_is_green_when_the_plant_is_as_expected(name: str, plant: Plant, tmp_path: Path) -> None:
    checkout = workspace(tmp_path)
    outcomes = await run(PIPELINES[name](), checkout, plant.kept)

    assert [outcome.code for outcome in outcomes] == [0] * len(PIPELINES[name]()), outcomes
    assert SECRET not in repr(outcomes)
    suite = ElementTree.fromstring((checkout / "junit.xml").read_bytes())[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == (str(len(EXPECTED)), "0", "0")
    assert not plant.simulated.sessions


@pytest.mark.parametrize("name", ["gitlab-ci.yml"])
async def test_a_pipeline_is_red_when_the_plant_is_not(name: str, plant: Plant, tmp_path: Path) -> None:
    checkout = workspace(tmp_path)
    plant.simulated.set_tag("TestMachine_001.SpeedSetpoint", 1011.0)
    plant.simulated.set_tag("TestMachine_001.Recipe", None, quality=0)
    outcomes = await run(impatient(PIPELINES[name]()), checkout, plant.kept)

    assert outcomes[-1].code == 20, outcomes
    suite = ElementTree.fromstring((checkout / "junit.xml").read_bytes())[0]
    faults = {case.attrib["name"]: case[0].attrib["message"] for case in suite if len(case)}
    assert faults == {
        "TestMachine_001.SpeedSetpoint: 1000 ± 1%": "its value is 1011.0, expected was 1000 ± 1%",
        "TestMachine_001.Recipe: Standard": "its quality is bad, expected was good",
    }


@pytest.mark.parametrize("name", PIPELINES)
async def test_a_pipeline_ends_with_its_first_step_that_fails(name: str, plant: Plant, tmp_path: Path) -> None:
    checkout = workspace(tmp_path)
    kept = {**plant.kept, "MXGATEWAY_API_KEY": "mxgw_tests_an0ther-s3cr3t"}
    outcomes = await run(PIPELINES[name](), checkout, kept)

    assert outcomes[-1].code == 80, outcomes
    assert "an0ther" not in repr(outcomes)
    assert not (checkout / "junit.xml").exists(), "the doctor has stopped it"


@pytest.mark.parametrize("name", PIPELINES)
async def test_a_secret_that_is_not_set_is_no_reason_for_less_security(name: str, plant: Plant, tmp_path: Path) -> None:
    outcomes = await run(PIPELINES[name](), workspace(tmp_path), {**plant.kept, "MXGATEWAY_PIN": ""})
    assert outcomes[-1].code == 2
    assert "MXGATEWAY_PIN" in outcomes[-1].err


def test_all_pipelines_run_the_same_and_name_what_their_servers_keep() -> None:
    lines = []
    for name, steps in PIPELINES.items():
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert [each for each in SECRETS if each not in text] == []
        scripts = "\n".join(step.script for step in steps())
        lines.append([line for line in scripts.splitlines() if line.startswith("mxgw-py ")])
    assert all(each == lines[0] for each in lines)
    assert [line.split()[1] for line in lines[0]] == ["doctor", "wait", "verify"]


def test_the_result_is_kept_whatever_it_is() -> None:
    [job] = parsed("github-actions.yml")["jobs"].values()
    assert (job["steps"][-1]["if"], job["steps"][-1]["with"]["path"]) == ("always()", "junit.xml")
    [job] = parsed("gitlab-ci.yml").values()
    assert job["artifacts"] == {"when": "always", "reports": {"junit": "junit.xml"}}
    step = parsed("azure-pipelines.yml")["steps"][-1]
    assert (step["condition"], step["inputs"]["testResultsFiles"]) == ("succeededOrFailed()", "junit.xml")
    jenkins = (FOLDER / "Jenkinsfile").read_text(encoding="utf-8")
    assert "testResults: 'junit.xml'" in jenkins[jenkins.index("post {") :]
    assert jenkins.count("{") == jenkins.count("}")
