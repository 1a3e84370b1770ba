"""`mxgw-py simulate --scenario`, a process that a client of another process meets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from mxgateway import GatewayClient, RecoveryOptions, SubscriptionOptions, TagUpdate
from tests.cli.in_process import run_here
from tests.cli.process import finish, start
from tests.scenarios.rig import TAG, steps, written

TEXT = f"""
when = {{ subscribers = 1 }}
set_tag = {{ tag = "{TAG}", value = 41 }}

after = 0.1
restart = {{ down = 0.1 }}

crash_worker = {{ session = "nobody" }}

when = {{ subscribers = 1 }}
set_tag = {{ tag = "{TAG}", value = 42 }}
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_a_client_meets_what_the_scenario_does_and_each_step_is_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, steps(TEXT))
    process = await start("simulate", "--port", "0", "-ojsonl", "--scenario", str(path))
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    options = SubscriptionOptions(recovery=RecoveryOptions(initial_backoff=0.02, max_backoff=0.1))
    values = []
    async with (
        asyncio.timeout(30),
        GatewayClient.connect(told["endpoint"], api_key=told["apiKey"], plaintext=True) as client,
        client.subscribe([TAG], options=options) as updates,
    ):
        async for update in updates:
            if isinstance(update, TagUpdate):
                values.append(update.value)
                if update.value == 42:
                    break
    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)
    assert outcome.code == 143
    assert values[-1] == 42
    assert 41 in values
    done = [json.loads(line)["step"] for line in outcome.err.splitlines()]
    assert [step["action"] for step in done] == ["set_tag", "restart", "crash_worker", "set_tag"]
    assert [step["place"] for step in done] == [f"line {1 + 3 * n}: steps[{n}]" for n in range(2)] + [
        "line 7: steps[2]",
        "line 9: steps[3]",
    ]
    assert [step["failure"] for step in done] == ["", "", "no session 'nobody' is open", ""]
    assert outcome.out == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_people_read_a_line_for_each_step(tmp_path: Path) -> None:
    text = f'set_tag = {{ tag = "{TAG}", value = 1 }}\n\ncrash_worker = {{}}'
    process = await start("simulate", "--port", "0", "--scenario", str(written(tmp_path, steps(text))))
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or "crash_worker" not in lines[-1]:
        lines.append((await process.stderr.readline()).decode())
    process.send_signal(signal.SIGTERM)
    assert (await finish(process)).code == 143
    assert lines[-2].endswith("s: line 1: steps[0]: set_tag\n")
    assert lines[-1].startswith("warning: ")
    assert lines[-1].endswith("line 3: steps[1]: crash_worker: no session is open\n")


def test_a_scenario_is_judged_by_the_plant_that_is_served(tmp_path: Path) -> None:
    path = written(tmp_path, steps(f'set_tag = {{ tag = "{TAG}", value = 1 }}'))
    outcome = run_here("simulate", "--port", "0", "--plant", "demo", "--scenario", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert "the plant has no tag" in outcome.err
