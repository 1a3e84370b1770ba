"""The lines of a batch share connections, sessions and the batch's own options."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.cli.batches import batch, dialogue
from tests.cli.gateway import KEY, TAG, Gateway


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(gateway.simulated.port) as proxy:
        yield proxy


def through(proxy: FaultProxy) -> dict[str, str]:
    return {"MXGATEWAY_ENDPOINT": proxy.endpoint, "MXGATEWAY_API_KEY": KEY}


async def test_a_thousand_commands_open_one_connection(gateway: Gateway, proxy: FaultProxy) -> None:
    session = await gateway.open_session()
    lines = [
        f"ping --session-id {session} -o value",
        f"session-state --session-id {session} -o value --timeout 5",
        f"register --session-id {session} -o value",
        f"ping --session-id {session} -o value --endpoint {proxy.endpoint}",
    ]

    outcome = await batch("\n".join(lines * 250), "--plaintext", env=through(proxy))
    await proxy.until_idle()

    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.answers) == 1000
    assert all(outcome.answers)
    assert proxy.accepted == 1


async def test_a_line_with_other_connection_options_has_a_connection_of_its_own_and_only_once(
    gateway: Gateway, proxy: FaultProxy
) -> None:
    other = "mxgw_other_0ther"
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY), SimulatedKey.parse(other)]) as simulated:
        proxy.target_port = simulated.port
        env = {**through(proxy), "OTHER": other}
        outcome = await batch("ping\nping --api-key-env OTHER\n" * 3, "--plaintext", env=env)

        assert outcome.code == 0, outcome.answers
        assert proxy.accepted == 2


async def test_each_line_has_its_own_timeout_on_the_connection_that_it_shares(
    gateway: Gateway, proxy: FaultProxy
) -> None:
    session = await gateway.open_session()
    ping = f"ping --session-id {session} -o value"
    async with dialogue("--plaintext", "--timeout", "40", env=through(proxy)) as talk:
        assert await talk.ask(f"{ping} --timeout 20")
        gateway.simulated.hold_commands()
        refused = json.loads(await talk.ask(f"{ping} --timeout 0.2"))
        gateway.simulated.release_commands()
        assert await talk.ask(ping)
        outcome = await talk.end()

    assert "0.2 s" in refused["error"]  # whoever notices it first, the gateway or this side
    assert outcome.code == 21
    assert proxy.accepted == 1


async def test_a_lost_connection_is_replaced_before_the_next_line(gateway: Gateway, proxy: FaultProxy) -> None:
    session = await gateway.open_session()
    async with dialogue("--plaintext", env=through(proxy)) as talk:
        assert "error" not in await talk.ask(f"register --session-id {session}")
        proxy.reset_all()
        await proxy.until_idle()
        assert "error" not in await talk.ask(f"register --session-id {session}")
        outcome = await talk.end()

    assert outcome.code == 0
    assert proxy.accepted == 2


async def test_a_line_with_patience_is_not_held_to_the_haste_of_the_line_that_connected(
    gateway: Gateway, proxy: FaultProxy
) -> None:
    session = await gateway.open_session()
    ping = f"ping --session-id {session} -o value"
    async with dialogue("--plaintext", env=through(proxy)) as talk:
        assert "error" not in await talk.ask(f"{ping} --timeout 0.5")
        proxy.reset_all()
        await proxy.until_idle()
        proxy.to_client.delay(0.7, on="new")  # the greeting of a new connection takes longer than half a second
        assert "error" not in await talk.ask(ping)
        outcome = await talk.end()

    assert outcome.code == 0


async def test_a_gateway_that_is_not_there_costs_a_line_and_is_tried_again(gateway: Gateway, proxy: FaultProxy) -> None:
    await proxy.refuse()
    async with dialogue("--plaintext", env=through(proxy)) as talk:
        first = await talk.ask("ping --timeout 5")
        await proxy.accept()
        second = await talk.ask("ping --timeout 5 --json")
        outcome = await talk.end()

    assert "nothing is listening" in json.loads(first)["error"]
    assert json.loads(second)["operation"] == "ping"
    assert outcome.code == 21


async def test_commands_of_every_kind_are_lines_of_one_batch(gateway: Gateway, proxy: FaultProxy) -> None:
    lines = [
        f"read {TAG}",
        f"write {TAG} --type int32 --value 4 --confirm",
        f"wait {TAG} --until '== 4' --timeout 20",
        "watch TestMachine_001.TestChangingInt --count 1",
        "smoke",
        f"check {TAG}",
        "worker-info",
        "bench-read-bulk --duration-seconds 0.2 --warmup-seconds 0",
        "contract",
    ]

    outcome = await batch("\n".join(lines), "--plaintext", "--json", env=through(proxy))

    assert (outcome.code, outcome.err) == (0, ""), outcome.answers
    assert len(outcome.answers) == len(lines)
    assert proxy.accepted == 1
    assert not gateway.simulated.sessions


async def test_a_session_of_one_line_is_worked_with_in_the_next(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        session = await talk.ask("open-session -o value")
        server = await talk.ask(f"register --session-id {session} -o value")
        handles = f"--session-id {session} --server-handle {server}"
        item = json.loads(await talk.ask(f"add-item {handles} --item {TAG} --json"))["itemHandle"]
        await talk.ask(f"advise {handles} --item-handle {item}")
        events = json.loads(await talk.ask(f"stream-events --session-id {session} --max-events 1 --json"))
        write = f"write {handles} --item-handle {item} --type int32 --value 7 --confirm --json"
        written = json.loads(await talk.ask(write))
        closed = json.loads(await talk.ask(f"close-session --session-id {session} --json"))
        outcome = await talk.end()

    assert (outcome.code, outcome.err) == (0, "")
    assert events["eventCount"] == 1
    assert written["confirmed"] is True
    assert closed["finalState"] == "SESSION_STATE_CLOSED"


async def test_a_session_that_a_line_opened_for_itself_is_closed_at_the_lines_end(gateway: Gateway) -> None:
    async with dialogue("--plaintext", env=gateway.env) as talk:
        await talk.ask("ping")
        assert not gateway.simulated.sessions
        session = await talk.ask("open-session -o value")
        assert list(gateway.simulated.sessions) == [session]
        await talk.end()

    assert list(gateway.simulated.sessions) == [session]


@pytest.mark.parametrize("where", ["batch", "line"])
async def test_the_simulated_gateway_lives_as_long_as_the_batch(where: str) -> None:
    flag = " --simulator" if where == "line" else ""
    async with dialogue(*(["--simulator"] if where == "batch" else [])) as talk:
        session = await talk.ask(f"open-session -o value{flag}")
        state = await talk.ask(f"session-state -o value --session-id {session}{flag}")
        await talk.ask(f"close-session --session-id {session}{flag}")
        over = await talk.ask(f"ping --session-id {session}{flag}")
        outcome = await talk.end()

    assert state == "SESSION_STATE_READY"
    assert session in json.loads(over)["error"]
    assert outcome.code == 21


async def test_a_line_wins_over_the_batch_and_the_batch_over_the_environment(gateway: Gateway) -> None:
    env = {**gateway.env, "MXGATEWAY_ENDPOINT": "127.0.0.1:1", "MXGATEWAY_PIN": "00" * 32}
    endpoint = gateway.simulated.endpoint
    lines = f"ping\nping --endpoint 127.0.0.1:2\nping --tls\nping --simulator\nping --endpoint {endpoint}\n"

    outcome = await batch(lines, "--endpoint", endpoint, "--plaintext", "-ojsonl", env=env)

    assert outcome.documents[0]["operation"] == "ping"
    assert "127.0.0.1:2" in outcome.failure(2)
    assert f"{endpoint}" in outcome.failure(3)
    assert "sessionId" in outcome.answers[3]
    assert outcome.documents[4]["operation"] == "ping"
    assert outcome.error["message"] == "2 of 5 lines failed, first in line 2"


async def test_a_gateway_that_a_line_names_is_used_instead_of_the_batchs_simulated_one(gateway: Gateway) -> None:
    line = f"ping --json --plaintext --endpoint {gateway.simulated.endpoint}\n"

    outcome = await batch(line, "--simulator", env=gateway.env)

    assert outcome.code == 0, outcome.answers
    assert [call.method for call in gateway.simulated.received] == ["OpenSession", "Invoke", "CloseSession"]
