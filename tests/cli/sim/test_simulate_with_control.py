"""`simulate` with a control: its ready line, its ready file, its keys, its own certificate, and every way to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from tests.cli.in_process import mxgw
from tests.cli.process import LIMIT_SECONDS, finish, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")

SERVE = ("simulate", "--port", "0", "--control", "0")


async def told_by(process: Process) -> dict[str, Any]:
    """Return the ready line of a process with -ojsonl."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("stop", 0)])
async def test_the_ready_file_is_whole_private_and_gone_at_the_end(tmp_path: Path, number: str, code: int) -> None:
    file = tmp_path / "gateway.json"
    file.write_text("of an earlier run")
    file.chmod(0o644)
    process = await start(*SERVE, "--certificate", "self", "--ready-file", str(file), "-ojsonl")
    told = await told_by(process)

    assert json.loads(file.read_text()) == told
    assert list(told) == ["operation", "endpoint", "host", "port", "apiKey", "caFile", "control", "controlPort", "controlKey", "pid"]  # fmt: skip
    assert told["endpoint"] == f"127.0.0.1:{told['port']}"
    assert told["control"] == f"127.0.0.1:{told['controlPort']}"
    assert told["pid"] == process.pid
    assert told["controlKey"].startswith("mxgw_control_")
    ca = Path(told["caFile"])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, ca, ca.parent)]
    assert modes == [0o600, 0o600, 0o700]
    assert [each.name for each in ca.parent.iterdir()] == ["ca.pem"], "the private key is kept in memory only"

    env = {"MXGATEWAY_READY_FILE": str(file)}
    pasted = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
    smoke = await mxgw("smoke", "--ca-file", told["caFile"], "--json", env=pasted)
    assert smoke.code == 0, smoke.err
    status = await mxgw("sim", "status", "--json", env=env)
    assert status.document["calls"]["OpenSession"] == 1
    if number == "stop":
        assert (await mxgw("sim", "stop", env=env)).code == 0
    else:
        process.send_signal(signal.Signals[number])
    outcome = await finish(process)

    assert (outcome.code, outcome.out, outcome.err) == (code, "", "")
    assert not file.exists()
    assert not ca.parent.exists()
    gone = await mxgw("sim", "status", env=env)
    assert gone.code == 2
    assert gone.err.splitlines()[0] == f"error: there is no ready file '{file}': no gateway that writes it is ready"


async def test_people_are_told_what_to_paste(tmp_path: Path) -> None:
    process = await start(*SERVE, "--certificate", "self")
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or "smoke" not in lines[-1]:
        lines.append((await process.stderr.readline()).decode().strip())
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert list(variables) == ["MXGATEWAY_ENDPOINT", "MXGATEWAY_API_KEY", "MXGATEWAY_CA_FILE", "MXGATEWAY_CONTROL", "MXGATEWAY_CONTROL_KEY"]  # fmt: skip
    assert lines[-2:] == ["mxgw-py sim status", "mxgw-py smoke"]
    for line in lines[-2:]:
        outcome = await mxgw(*line.split()[1:], env=variables)
        assert outcome.code == 0, outcome.err
    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)
    assert (outcome.code, outcome.err.strip()) == (143, "")


async def test_keys_that_were_given_are_not_shown_but_are_in_the_ready_file(tmp_path: Path) -> None:
    keys = {"GATEWAY": "mxgw_mine_h1dd3n-gateway", "CONTROL": "mxgw_mine_h1dd3n-control"}
    file = tmp_path / "gateway.json"
    given = ("--api-key-env", "GATEWAY", "--control-key-env", "CONTROL", "--ready-file", str(file), "-v", "-ojsonl")
    process = await start(*SERVE, *given, env=keys)
    told = await told_by(process)
    assert (told["apiKey"], told["controlKey"]) == (None, None)
    written = json.loads(file.read_text())
    assert (written["apiKey"], written["controlKey"]) == tuple(keys.values())

    env = {"MXGATEWAY_CONTROL": told["control"], "MXGATEWAY_CONTROL_KEY": keys["CONTROL"]}
    assert (await mxgw("sim", "status", env=env)).code == 0
    wrong = await mxgw("sim", "status", env=env | {"MXGATEWAY_CONTROL_KEY": keys["GATEWAY"]})
    assert wrong.code == 80
    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)
    assert "h1dd3n" not in outcome.out + outcome.err + wrong.out + wrong.err


async def test_another_gateway_s_ready_file_is_left_alone(tmp_path: Path) -> None:
    file = str(tmp_path / "gateway.json")
    first = await start(*SERVE, "--ready-file", file, "-ojsonl")
    await told_by(first)
    second = await start(*SERVE, "--ready-file", file, "-ojsonl")
    told = await told_by(second)
    first.terminate()
    await finish(first)
    assert json.loads(Path(file).read_text()) == told  # noqa: ASYNC240 - a small file of this test
    second.terminate()
    await finish(second)
    assert not os.path.exists(file)  # noqa: ASYNC240


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--control", "0.0.0.0:0"), 2, "the control is for this machine only: '0.0.0.0' is not a loopback address"),
        (("--control", "gw.plant:0"), 2, "'gw.plant' is not a loopback address"),
        (("--control", "65536"), 2, "'65536' is no port from 0 to 65535"),
        (("--control", "x"), 2, "'x' is no port"),
        (("--manual-clock",), 2, "--control-key-env and --manual-clock require --control."),
        (("--control-key-env", "SAME"), 2, "--control-key-env and --manual-clock require --control."),
        (("--control", "0", "--control-key-env", "NOT_SET"), 2, "'NOT_SET' named by --control-key-env is not set"),
        (("--control", "0", "--control-key-env", "EMPTY"), 2, "EMPTY"),
        (("--control", "0", "--control-key-env", "SAME", "--api-key-env", "SAME"), 2, "the control needs a key of its own"),
        (("--control", "0", "--control-key-env", "WRONG"), 2, "an API key reads mxgw_<key-id>_<secret>"),
        (("--control", "0", "--ready-file", "no-such-folder/gateway.json"), 2, "the ready file 'no-such-folder/gateway.json' cannot be written"),
        (("--certificate", "self", "--private-key", __file__), 2, "--private-key requires --certificate FILE."),
        (("--certificate", "selfish"), 2, "'selfish' does not exist"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_one_line_and_nothing_is_left(
    words: tuple[str, ...], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"SAME": "mxgw_same_s3cr3tt3xt", "EMPTY": "", "WRONG": "not-a-gateway-key"}
    outcome = await mxgw("simulate", "--port", "0", *words, env=env)
    assert (outcome.code, outcome.out) == (code, "")
    assert says in outcome.err.splitlines()[0], outcome.err
    assert "Traceback" not in outcome.err
    assert "s3cr3tt3xt" not in outcome.err


async def test_a_control_port_that_is_taken_is_one_line_and_the_gateway_is_not_left_running() -> None:
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    outcome = await mxgw("simulate", "--port", "0", "--control", str(port))
    other.close()
    assert outcome.code == 1
    assert outcome.err.splitlines()[0].startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert outcome.err.splitlines()[1] == "hint: choose another --control port"
