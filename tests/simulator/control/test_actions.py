"""Each action by its name over the control, by a client that is not ours: the gateway's client sees what a scenario's step does."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayError, TlsOptions
from mxgateway.simulator import ControlServer, SimulatedGateway, make_certificate
from mxgateway.simulator.scenarios.actions import ACTIONS
from tests.client.support import connect
from tests.scenarios import test_fault_actions, test_network_actions, test_plant_actions
from tests.scenarios.rig import ONCE, World
from tests.simulator.control.control_peer import ControlPeer, contract

ROWS = {**test_plant_actions.ROWS, **test_fault_actions.ROWS, **test_network_actions.ROWS}


@dataclass
class ControlledWorld(World):
    """A world whose steps are calls of the control."""

    peer: ControlPeer
    done: set[str]
    """The actions that were done."""

    async def play(self, text: str | None = None) -> Any:
        for step in tomllib.loads(self.text if text is None else text)["steps"]:
            (action,) = step.keys() - {"after"}
            await asyncio.sleep(step.get("after", 0))
            await self.peer.do(action, **step[action])
            self.done.add(action)
        return SimpleNamespace(scenario=SimpleNamespace(steps=()), log=())


async def test_the_gateway_s_client_sees_what_each_action_of_the_control_does(tmp_path: Path) -> None:
    done: set[str] = set()
    failures: dict[str, Exception] = {}
    for name, (text, outcome) in ROWS.items():
        try:
            async with (
                SimulatedGateway() as gateway,
                ControlServer(gateway) as control,
                ControlPeer(control.endpoint, control.key) as peer,
                connect(gateway, retry=ONCE, call_timeout=10) as client,
                asyncio.timeout(20),
            ):
                await outcome(ControlledWorld(gateway, client, text, peer, done))
        except Exception as error:  # noqa: BLE001 - the other rows are tried, too
            failures[name] = error
    assert failures == {}
    await another_certificate_is_presented(tmp_path)
    assert done | {"serve_certificate"} == set(ACTIONS)
    assert len(ACTIONS) == 47


async def another_certificate_is_presented(folder: Path) -> None:
    trust = {}
    for name in ("first", "second"):
        made = make_certificate()
        (folder / f"{name}.pem").write_text(made.certificate + made.private_key)
        (folder / f"{name}-ca.pem").write_text(made.authority)
        trust[name] = TlsOptions(ca_file=folder / f"{name}-ca.pem")
    async with (
        SimulatedGateway(certificate=folder / "first.pem") as gateway,
        ControlServer(gateway) as control,
        ControlPeer(control.endpoint, control.key) as peer,
    ):
        where: dict[str, Any] = {"endpoint": gateway.endpoint, "api_key": gateway.api_key}
        await (await GatewayClient.connect(**where, tls=trust["first"])).close()
        await peer.do("serve_certificate", certificate=str(folder / "second.pem"))
        with pytest.raises(MxGatewayError, match="certificate"):
            await GatewayClient.connect(**where, tls=trust["first"])
        await (await GatewayClient.connect(**where, tls=trust["second"])).close()


async def test_every_action_is_described_with_its_parameters() -> None:
    kinds = contract().make("Parameter").DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number
    async with (
        SimulatedGateway() as gateway,
        ControlServer(gateway) as control,
        ControlPeer(control.endpoint, control.key) as peer,
    ):
        told = (await peer.call("ListActions")).actions
    assert [each.name for each in told] == list(ACTIONS)
    assert [each.summary for each in told] == [each.summary for each in ACTIONS.values()]
    for each in told:
        known = {one.name: one for one in ACTIONS[each.name].parameters}
        assert [(one.name, one.is_required) for one in each.parameters] == [
            (one.name, one.is_required) for one in known.values()
        ]
        for one in each.parameters:
            assert kinds[one.kind].name != "PARAMETER_KIND_UNSPECIFIED"
            schema = known[one.name].kind.schema
            assert list(one.choices) == list(
                (schema.get("items") or schema.get("additionalProperties") or schema).get("enum", ())
            )
            assert one.HasField("minimum") == ("minimum" in schema)
            assert one.HasField("maximum") == ("maximum" in schema)
    by_name = {each.name: {one.name: one for one in each.parameters} for each in told}
    assert by_name["add_key"]["key"].is_secret
    assert by_name["serve_certificate"]["certificate"].is_file
    assert by_name["deploy"]["plant"].is_file
    assert by_name["restart"]["down"].minimum == 0
