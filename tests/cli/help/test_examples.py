"""Every example of a command's help runs as it is typed, against a simulated gateway that the environment names."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mxgateway.contract import own_descriptor_set
from mxgateway.simulator import ControlServer, ManualClock, RecordingWriter, SimulatedGateway
from mxgateway.simulator.options import DEFAULT_USERS
from mxgateway_cli.help.topics import TOPICS
from tests.cli.forking import nursery
from tests.cli.gateway import KEY, TAG, Gateway
from tests.cli.help.pages import pages
from tests.cli.in_process import mxgw
from tests.cli.process import LIMIT_SECONDS, Outcome, environment, start

OPERATOR, PASSWORD, _ = DEFAULT_USERS[0]


def small_recording() -> list[str]:
    lines: list[str] = []
    RecordingWriter(lines.append).end("duration")
    return lines


FILES: Final = {
    "tags.txt": f"{TAG}\nTank01.Level\n",
    "setpoints.csv": "tag,type,value\nTestMachine_001.SpeedSetpoint,double,1200\nTestMachine_002.SpeedSetpoint,double,900\n",
    "expected.csv": f"tag,expected\n{TAG},17\nTank01.Level,good\n",
    "commands.txt": "version\nping\n",
    "operator.txt": f"{PASSWORD}\n",
    "key.txt": f"{KEY}\n",
    "line.jsonl": "\n".join(small_recording()) + "\n",
    "outage.toml": "[[steps]]\nrestart = {}\n",
}
"""What an example may name beside `$SESSION`, an open session with the server handle 1 and the advised item 2."""
FOLDERS: Final = (".zfunc", ".config/fish/completions")
RUNS_UNTIL_A_SIGNAL: Final = {"simulate"}
SHELL: Final = re.compile(r"[|<>&;]|\$\(")
WINDOWS: Final = sys.platform == "win32"

pytestmark = pytest.mark.skipif(WINDOWS or shutil.which("bash") is None, reason="the examples are for a POSIX shell")


def examples() -> Iterator[tuple[str, str]]:
    for name, page in pages().items():
        yield from ((name, example) for example in page.examples)


EXAMPLES: Final = list(examples())


@pytest.fixture
def place(tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make the files that examples name, go there, and return the variables that name the gateway and its control."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "older.protoset").write_bytes(own_descriptor_set())
    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.toml").write_text(
        f'[profile.plant]\nendpoint = "{gateway.simulated.endpoint}"\nplaintext = true\n'
    )
    control = gateway.env["MXGATEWAY_CONTROL"], gateway.env["MXGATEWAY_CONTROL_KEY"]
    ready = {"operation": "simulate", "control": control[0], "controlKey": control[1]}
    (tmp_path / "gateway.json").write_text(json.dumps(ready))
    monkeypatch.chdir(tmp_path)
    return {
        "MXGATEWAY_CONFIG": str(tmp_path / "config.toml"),
        "MXGATEWAY_PROFILE": "plant",
        "MXGATEWAY_API_KEY": KEY,
        "MXGATEWAY_CONTROL": control[0],
        "MXGATEWAY_CONTROL_KEY": control[1],
        "OPERATOR_PASSWORD": PASSWORD,
        "HOME": str(tmp_path),
    }


async def opened(gateway: Gateway) -> str:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        assert await session.register("test") == 1
        assert await session.add_item(1, TAG) == 2
        await session.advise(1, 2)
    return session_id


async def in_shell(example: str, env: dict[str, str], folder: Path) -> Outcome:
    nursery.program(folder / "bin")
    variables = environment({**env, "PYTHONPATH": ":".join(sys.path)})
    variables["PATH"] = f"{folder / 'bin'}:{variables['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-e", "-o", "pipefail", "-c", example, env=variables,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def here(example: str, env: dict[str, str]) -> Outcome:
    """Run an example that needs no more of a shell than that it takes words apart and knows `$SESSION`."""
    line = example.replace("\\\n", "").replace("$SESSION", env["SESSION"])
    program, *words = shlex.split(line)
    assert program == "mxgw-py"
    return await mxgw(*words, env=env)


async def until_a_signal(example: str, env: dict[str, str]) -> Outcome:
    process = await start(*shlex.split(example)[1:], env=env)
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout if "-o" in example else process.stderr
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await said.readline()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    return Outcome(0, out.decode(), err.decode())


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
async def test_an_example_runs_as_it_is_typed(
    name: str, example: str, gateway: Gateway, place: dict[str, str], tmp_path: Path
) -> None:
    place["SESSION"] = await opened(gateway) if "$SESSION" in example else ""
    if name == "sim advance":
        async with SimulatedGateway(clock=ManualClock()) as manual, ControlServer(manual) as control:
            theirs = {"MXGATEWAY_CONTROL": control.endpoint, "MXGATEWAY_CONTROL_KEY": control.key}
            outcome = await here(example, {**place, **theirs})
    elif name in RUNS_UNTIL_A_SIGNAL:
        outcome = await until_a_signal(example, place)
    elif SHELL.search(example):
        outcome = await in_shell(example, place, tmp_path)
    else:
        outcome = await here(example, place)

    assert outcome.code == 0, outcome.err
    assert "error" not in outcome.err


def test_every_command_has_two_or_three_examples_of_itself() -> None:
    counts = {name: len(page.examples) for name, page in pages().items()}
    assert {name: count for name, count in counts.items() if count not in (2, 3)} == {}
    strangers = [each for name, each in EXAMPLES if f"mxgw-py {name}" not in each and name != "profile"]
    assert strangers == []


LINES: Final = [
    (topic.name, line.strip()) for topic in TOPICS for line in topic.text.split("\n") if "  mxgw-py" in line
]


@pytest.mark.parametrize(("topic", "line"), LINES, ids=[line for _, line in LINES])
async def test_a_command_of_a_topic_runs(
    topic: str, line: str, gateway: Gateway, place: dict[str, str], tmp_path: Path
) -> None:
    plaintext = "--plaintext" if "profile set" not in line and ":5001" in line else ""
    line = re.sub(r"gw\.plant:500\d", gateway.simulated.endpoint, line)
    line = f"{line} {plaintext}"
    outcome = await (in_shell(line, place, tmp_path) if SHELL.search(line) else here(line, {**place, "SESSION": ""}))

    assert outcome.code == 0, (topic, outcome.err)
