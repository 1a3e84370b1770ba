"""The registry, its schema, the page and the tables of outcomes name the same actions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mxgateway.simulator import SimulatedGateway
from mxgateway.simulator.files import DescriptionError, schema
from mxgateway.simulator.scenarios.actions import ACTIONS
from mxgateway.simulator.scenarios.scenario import scenario_schema
from tests.scenarios import test_fault_actions, test_network_actions, test_plant_actions
from tests.scenarios.rig import actions_of

ROOT = Path(__file__).resolve().parents[2]
# Played by rows as their second half, or by a test of its own.
ELSEWHERE = {
    "release", "release_commands", "release_write_completions", "load_galaxy", "leave_events", "accept_connections",
    "serve_certificate",
}  # fmt: skip


def test_every_action_has_an_outcome_at_the_client() -> None:
    tables = (test_plant_actions, test_fault_actions, test_network_actions)
    assert set().union(*(actions_of(each.ROWS) for each in tables)) | ELSEWHERE == ACTIONS.keys()
    sources = "".join(Path(str(each.__file__)).read_text(encoding="utf-8") for each in tables)
    assert {name for name in ELSEWHERE if f"\\n{name} = " not in sources} == set()


def test_the_schema_of_the_package_is_that_of_the_registry() -> None:
    shipped = schema("scenarios", "scenario.schema.json")
    assert shipped == json.loads(json.dumps(scenario_schema()))


def test_every_action_and_parameter_is_described() -> None:
    for name, action in ACTIONS.items():
        assert re.fullmatch(r"[A-Z].*\.", action.summary), name
        assert not {each.name for each in action.parameters} & {"at", "after", "when", "every"}


def test_the_page_lists_every_action_with_its_parameters() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    rows = {}
    for line in page.splitlines():
        if found := re.match(r"\| `(\w+)` \| ([^|]*)\|", line):
            rows[found[1]] = re.findall(r"`(\w+)`", found[2])
    listed = {name: names for name, names in rows.items() if name in ACTIONS}
    assert listed == {name: [each.name for each in action.parameters] for name, action in ACTIONS.items()}


async def test_the_registry_serves_other_controls() -> None:
    """A remote control has a name and values, and gets the same refusals."""
    async with SimulatedGateway() as gateway:
        action = ACTIONS["set_tag"]
        action.start(gateway, action.arguments({"tag": "TestChildObject.TestInt", "value": 3}))
        assert gateway.tag("TestChildObject.TestInt").sample.native == 3
        with pytest.raises(DescriptionError, match="tag: this must be of type string"):
            action.arguments({"tag": 3})
        with pytest.raises(LookupError, match="no session is open"):
            ACTIONS["crash_worker"].start(gateway, {})
