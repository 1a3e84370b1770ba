from __future__ import annotations

import json
import os
import signal
import socket

import pytest

from tests.cli.process import finish, mxgw, start


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_it_serves_until_the_signal_and_tells_programs_where() -> None:
    process = await start("simulate", "--port", "0", "-ojsonl")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    assert list(told) == ["operation", "endpoint", "host", "port", "apiKey"]

    env = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
    smoke = await mxgw("smoke", "--plaintext", "--json", env=env)
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert smoke.code == 0, smoke.err
    assert outcome.code == 130
    assert outcome.err == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_it_tells_people_what_to_paste() -> None:
    process = await start("simulate", "--port", "0")
    assert process.stderr is not None
    lines = []
    while not lines or "smoke" not in lines[-1]:
        lines.append((await process.stderr.readline()).decode())
    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)

    assert outcome.code == 143
    assert any(line.strip().startswith("export MXGATEWAY_ENDPOINT=127.0.0.1:") for line in lines)
    assert "  export MXGATEWAY_API_KEY=mxgw_simulator_demo\n" in lines
    assert outcome.out == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_a_key_of_ones_own_is_accepted_and_not_shown() -> None:
    key = "mxgw_mine_h1dd3n"
    process = await start("simulate", "--port", "0", "--api-key-env", "MINE", "-ojsonl", env={"MINE": key})
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())

    ping = await mxgw("ping", "--plaintext", "--endpoint", told["endpoint"], env={"MXGATEWAY_API_KEY": key})
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert ping.code == 0, ping.err
    assert told["apiKey"] is None
    assert "h1dd3n" not in outcome.out + outcome.err


async def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = await mxgw("simulate", "--port", str(port))

    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.splitlines()[0].startswith(f"error: cannot listen at 127.0.0.1:{port}")
    assert "Traceback" not in outcome.err
