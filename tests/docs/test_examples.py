"""Every example of the README and the guide runs as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.process import mxgw

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
SIMULATE = "mxgw-py simulate --port 5000"
EXECUTED, SETUP = ("python", "console"), ("sh",)
FILES = {
    "operator.txt": "operator-password\n",
    "setpoints.csv": "tag,type,value\nTestMachine_001.SpeedSetpoint,double,1200\nTestMachine_001.Recipe,string,Fine\n",
}
"""What the reader has written before."""


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    language: str
    text: str


def _examples() -> list[Example]:
    return [
        Example(page.name, text[: match.start()].count("\n") + 1, match[1], match[2])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in BLOCK.finditer(text)
    ]


def _commands(example: Example) -> list[str]:
    return [line for line in example.text.splitlines() if line and not line.startswith("#")]


EXAMPLES = _examples()
CONSOLE = [
    pytest.param(command, id=f"{example.page}:{example.line}:{command}")
    for example in EXAMPLES
    if example.language == "console"
    for command in _commands(example)
    if command != SIMULATE
]


@dataclass(frozen=True)
class Gateway:
    port: int
    environment: dict[str, str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The simulated gateway that the pages tell the reader to start."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = shlex.split(SIMULATE.replace("5000", str(port)))[1:]
    process = subprocess.Popen(
        [sys.executable, "-m", "mxgateway_cli", *command], stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stderr is not None
    key = ""
    for line in process.stderr:
        if match := re.search(r"MXGATEWAY_API_KEY=(\S+)", line):
            key = match[1].strip("'\"")
            break
    try:
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
        profiles = tmp_path_factory.mktemp("config") / "config.toml"
        # What the example that writes it would have made: each example runs by itself.
        profiles.write_text(f'[profile.lab]\nendpoint = "localhost:{port}"\nplaintext = true\n', encoding="utf-8")
        environment = {"MXGATEWAY_API_KEY": key, "MXGATEWAY_CONFIG": str(profiles), "PATH": path}
        yield Gateway(port, {**os.environ, **environment})
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _run(argv: list[str], gateway: Gateway, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=gateway.environment, cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "example",
    [pytest.param(each, id=f"{each.page}:{each.line}") for each in EXAMPLES if each.language == "python"],
)
def test_a_python_example_runs(example: Example, gateway: Gateway, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(example.text.replace("localhost:5000", f"localhost:{gateway.port}"), encoding="utf-8")
    done = _run([sys.executable, "-W", "error", str(script)], gateway, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def protoset(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a gateway publishes of its contract."""
    directory = tmp_path_factory.mktemp("contract")
    exported = _run([sys.executable, "-m", "mxgateway_cli", "contract", "--export", "exported"], gateway, directory)
    assert exported.returncode == 0, exported.stderr
    return (directory / "exported").read_bytes()


@pytest.mark.parametrize("command", CONSOLE)
async def test_a_console_example_runs(
    command: str, gateway: Gateway, protoset: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gateway.protoset", "client.protoset"):
        (tmp_path / name).write_bytes(protoset)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = shlex.split(command.replace("localhost:5000", f"localhost:{gateway.port}"))
    assert words[0] == "mxgw-py"
    monkeypatch.chdir(tmp_path)
    outcome = await mxgw(*words[1:], env=gateway.environment)
    assert outcome.code == 0, outcome.err
    assert outcome.out or "--export" in command


def test_the_pages_start_the_gateway_that_their_examples_need() -> None:
    assert SIMULATE in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {example.language for example in EXAMPLES} <= {*EXECUTED, *SETUP}
    assert len(CONSOLE) > 5


def test_every_make_target_in_the_pages_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
