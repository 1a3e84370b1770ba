from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.cli.in_process import mxgw
from tests.cli.process import finish, start
from tests.peers.network.certificates import Authority, self_signed


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_it_serves_until_the_signal_and_tells_programs_where() -> None:
    process = await start("simulate", "--port", "0", "-ojsonl")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    assert list(told)[:5] == ["operation", "endpoint", "host", "port", "apiKey"]
    assert {name for name, value in told.items() if value is None} == {"caFile", "control", "controlPort", "controlKey"}

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
    lines: list[str] = []
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
    assert outcome.err.splitlines()[0].startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_with_a_certificate_it_serves_tls(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("127.0.0.1").write(tmp_path)
    process = await start(
        "simulate", "--port", "0", "--certificate", str(certificate), "--private-key", str(key), "-ojsonl"
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())

    env = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
    verified = await mxgw("ping", "--ca-file", str(authority.write(tmp_path / "ca.pem")), env=env)
    plain = await mxgw("ping", "--plaintext", env=env)
    process.send_signal(signal.SIGINT)
    outcome = await finish(process)

    assert verified.code == 0, verified.err
    assert plain.code != 0
    assert (outcome.code, outcome.err) == (130, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_key_and_certificate_may_be_one_file_and_the_hint_speaks_tls(tmp_path: Path) -> None:
    made = self_signed()
    file = tmp_path / "both.pem"
    file.write_bytes(made.certificate_pem + made.key_pem)
    process = await start("simulate", "--port", "0", "--certificate", str(file))
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or "smoke" not in lines[-1]:
        lines.append((await process.stderr.readline()).decode())
    endpoint = lines[2].partition("=")[2].strip()
    env = {"MXGATEWAY_ENDPOINT": endpoint, "MXGATEWAY_API_KEY": "mxgw_simulator_demo"}
    smoke = await mxgw("smoke", "--known-hosts", str(tmp_path / "known"), env=env)
    process.send_signal(signal.SIGTERM)
    await finish(process)

    assert lines[-1].strip() == "mxgw-py smoke"
    assert smoke.code == 0, smoke.err


@pytest.mark.parametrize("case", ["another key", "an encrypted key", "no key", "no certificate"])
async def test_a_certificate_that_cannot_be_served_is_one_clear_line(tmp_path: Path, case: str) -> None:
    certificate, key = self_signed().write(tmp_path)
    arguments = ["--certificate", str(certificate), "--private-key", str(key)]
    if case == "another key":
        key.write_bytes(self_signed().key_pem)
    elif case == "an encrypted key":
        self_signed().write(tmp_path, password=b"secret")
    elif case == "no key":
        del arguments[2:]
    else:
        certificate.write_text("nothing\n")
    outcome = await mxgw("simulate", "--port", "0", *arguments)

    assert outcome.code == 1
    first, hint = outcome.err.splitlines()
    assert first.startswith(f"error: cannot serve the certificate in {certificate} and its key in ")
    assert hint.startswith("hint: use PEM files")


async def test_a_key_without_its_certificate_is_a_usage_error(tmp_path: Path) -> None:
    _, key = self_signed().write(tmp_path)
    outcome = await mxgw("simulate", "--private-key", str(key))
    assert outcome.code == 2
    assert "--private-key requires --certificate" in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize(
    ("host", "arguments", "is_warned"),
    [
        ("0.0.0.0", (), True), ("0.0.0.0", ("--json",), True), ("localhost", (), False), ("127.0.0.2", (), False),
        ("0.0.0.0", ("--api-key-env", "MINE"), False),
    ],
)  # fmt: skip
async def test_a_gateway_that_other_machines_reach_says_that_everybody_knows_its_key(
    host: str, arguments: tuple[str, ...], is_warned: bool
) -> None:
    process = await start("simulate", "--port", "0", "--host", host, *arguments, env={"MINE": "mxgw_mine_h1dd3n"})
    told = process.stdout if arguments[:1] == ("--json",) else process.stderr
    assert told is not None
    lines: list[str] = []
    while not lines or not ("smoke" in lines[-1] or "endpoint" in lines[-1]):
        lines.append((await told.readline()).decode())
    process.send_signal(signal.SIGTERM)
    outcome = await finish(process)

    said = "".join(lines) + outcome.err
    assert ("it listens on 0.0.0.0, and its key is public; use --api-key-env for another key" in said) == is_warned
    if arguments[:1] == ("--json",):
        assert json.loads(outcome.err.splitlines()[0])["warning"]["message"].startswith("other machines")


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
async def test_it_serves_another_plant() -> None:
    for option, count in (("--plant=demo", 13), ("--tags=95", 14)):
        process = await start("simulate", "--port", "0", "-ojsonl", option)
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        env = {"MXGATEWAY_ENDPOINT": told["endpoint"], "MXGATEWAY_API_KEY": told["apiKey"]}
        found = await mxgw("galaxy-discover", "--plaintext", "-ojsonl", env=env)
        process.send_signal(signal.SIGINT)
        await finish(process)
        assert found.out.count("\n") == count, option
        if option.startswith("--tags"):
            assert found.out.count("fullTagReference") >= 95
