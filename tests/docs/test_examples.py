"""Every example of the pages runs, pasted as it stands there."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.forking import nursery
from tests.docs.pages import PAGES, ROOT, Block, blocks, lines_outside_blocks, name_of, text_of
from tests.forks import Forks
from tests.packaging import built

README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
PATIENCE = 600
"""Seconds for what takes ten to thirty on an idle machine."""
NOT_PASTED = {
    "make demo": "the recipe runs in a test of its own; `make test` is what runs these tests",
    "make bench": "takes eleven minutes; tests/benchmarks run every theme",
    "python -m tests.benchmarks": "takes minutes; tests/benchmarks run every theme",
    "git worktree add": "takes minutes; tests/benchmarks/test_against.py runs it",
    "make setup": "makes the environment in which these tests run",
    "MXGATEWAY_INTEGRATION=1": "needs a real gateway; tests/live/test_live_checks_run.py runs the checks",
    "make proto": "writes the generated code; tests/contract/proto_files/test_replaceable_contract.py runs it",
}
"""Shell blocks that begin so are not run here, and why."""

BLOCKS = [block for page in PAGES for block in blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]


def is_pasted(block: Block) -> bool:
    """Tell whether a block is run in the page's shell."""
    return block.language == "sh" and not block.text.startswith(tuple(NOT_PASTED))


def pasted(page: Path) -> str:
    """Return all that a reader of a page pastes into one shell."""
    return "".join(block.text for block in blocks(page) if is_pasted(block))


WITH_SHELL = [page for page in PAGES if pasted(page) and page != README]


@dataclass(frozen=True)
class Gateway:
    """A simulated gateway in the place of the one at localhost:5000."""

    port: int
    key: str

    def instead(self, text: str) -> str:
        """Return a text that names this gateway."""
        return text.replace("localhost:5000", f"localhost:{self.port}")


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """The gateway that the guides have running, as README starts it."""
    serve = [sys.executable, "-m", "mxgateway_cli", "simulate", "--port", "0"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stderr is not None
            said = "".join(process.stderr.readline() for _ in range(5))
            port, key = re.search(r"127\.0\.0\.1:(\d+)", said), re.search(r"MXGATEWAY_API_KEY=(\S+)", said)
            assert port, said
            assert key, said
            yield Gateway(int(port[1]), key[1])
        finally:
            process.terminate()


def environment(home: Path) -> dict[str, str]:
    """Return what a shell of a reader has: nothing of ours is configured, and nothing is in their home."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MXGATEWAY_", "XDG_", "PYTHON"))}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**kept, "HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}


def paste(text: str, into: Path, env: dict[str, str]) -> str:
    """Paste a text into one bash that starts in an empty directory; return what it wrote."""
    bash = shutil.which("bash")
    if bash is None or os.name == "nt":
        pytest.skip("there is no bash here")
    shell = [bash, "--noprofile", "--norc", "-ev"]  # the first command that fails ends it; each is echoed
    output = into.with_suffix(".out")  # no pipe, which a simulated gateway in the background would hold open
    with output.open("wb") as file, subprocess.Popen(
        shell, cwd=into, env=env, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True
    ) as process:  # fmt: skip
        try:
            process.communicate(text.encode(), timeout=PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):  # what is left in the background
                os.killpg(process.pid, signal.SIGKILL)
    written = output.read_text(encoding="utf-8")
    assert process.returncode == 0, written
    assert "Traceback" not in written, written
    return written


@pytest.mark.packaging
def test_the_tour_of_the_readme_runs_when_it_is_pasted_into_one_shell(tmp_path: Path) -> None:
    """Into an empty directory, with nothing of ours installed: it installs the wheel, and starts the gateway."""
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    env = {**os.environ, "HOME": str(tmp_path)}
    for name in ("PYTHONPATH", "VIRTUAL_ENV", *(name for name in env if name.startswith("MXGATEWAY_"))):
        env.pop(name, None)
    env["PIP_FIND_LINKS"] = f"{env.get('PIP_FIND_LINKS', '')} {built.wheel().parent}".strip()
    env["PIP_NO_COMPILE"] = "1"  # Python compiles the few modules that are used

    written = paste(pasted(README).replace("5000", port), tmp_path / "empty", env)

    (installed,) = (tmp_path / "empty").glob("mxgw-tour/lib/python*/site-packages/mxgateway/client.py")
    assert installed.read_bytes() == (ROOT / "mxgateway" / "client.py").read_bytes()
    assert '"closeStatus": "SESSION_STATE_CLOSED"' in written
    for line in ("confirmed by event", "Tank01.Level", "Pump01.Setpoint written", "TestMachine_006.Speed"):
        assert line in written, written


@pytest.mark.parametrize("page", WITH_SHELL, ids=name_of)
def test_the_shell_examples_of_a_page_run_when_they_are_pasted_into_one_shell(
    page: Path, gateway: Gateway, tmp_path: Path
) -> None:
    """One after the other, from an empty directory, with the gateway's key exported: no file comes from anywhere else."""
    (tmp_path / "empty").mkdir()
    env = {**environment(tmp_path), "MXGATEWAY_API_KEY": gateway.key}
    nursery.program(tmp_path / "bin")  # the tour of the README has processes of its own
    env["PATH"] = os.pathsep.join([str(tmp_path / "bin"), env["PATH"]])
    paste(gateway.instead(pasted(page)), tmp_path / "empty", env)


Runner = Callable[[Path, dict[str, str]], tuple[int, str]]


@pytest.fixture(scope="module")
def run() -> Iterator[Runner]:
    """Return what runs a script in its folder and returns its exit code and stderr."""
    with Forks("mxgateway", options=["-W", "error"]) as forks:

        def start(script: Path, env: dict[str, str]) -> tuple[int, str]:
            done = forks.run([str(script)], cwd=script.parent, env=env)
            return done.returncode, done.stderr.decode()

        yield start


@pytest.mark.parametrize("example", PYTHON, ids=lambda block: block.place)
def test_a_python_example_runs(example: Block, gateway: Gateway, run: Runner, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(gateway.instead(example.text), encoding="utf-8")
    assert run(script, {**environment(tmp_path), "MXGATEWAY_API_KEY": gateway.key}) == (0, "")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("import undeclared", 1, "ModuleNotFoundError: No module named 'undeclared'"),
        ("open(__file__)", 0, "ResourceWarning: unclosed file"),
        ("import atexit\natexit.register(lambda: 1 / 0)", 0, "ZeroDivisionError"),
    ],
)
def test_an_example_that_does_not_run_would_be_noticed(
    run: Runner, tmp_path: Path, text: str, code: int, said: str
) -> None:
    (script := tmp_path / "example.py").write_text(text, encoding="utf-8")
    found = run(script, environment(tmp_path))
    assert found[0] == code
    assert said in found[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_demo_of_the_makefile_runs(tmp_path: Path) -> None:
    """Only its recipe: the environment is the one of this test."""
    (tmp_path / "ready").touch()
    demo = ["make", "demo", f"BIN={sysconfig.get_path('scripts')}", f"READY={tmp_path / 'ready'}"]
    done = subprocess.run(demo, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"closeStatus": "SESSION_STATE_CLOSED"' in done.stdout


def test_the_tour_exports_the_key_of_the_simulated_gateway(gateway: Gateway) -> None:
    assert f"MXGATEWAY_API_KEY={gateway.key}\n" in pasted(README)


def test_every_block_is_run_or_says_why_it_is_not() -> None:
    """`bat` is for the readers on Windows, `text` is no example."""
    assert {block.language for block in BLOCKS} <= {"python", "sh", "bat", "text"}
    assert len(PYTHON) > 20
    assert len(WITH_SHELL) >= 2
    starts = [block.text for block in BLOCKS if block.language == "sh" and not is_pasted(block)]
    unused = [words for words in NOT_PASTED if not any(text.startswith(words) for text in starts)]
    assert unused == []


def test_every_make_target_in_the_pages_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text_of(page), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name_of(page)}: make {target}"


def test_every_target_of_the_makefile_is_described() -> None:
    makefile, page = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "CONTRIBUTING.md"))
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert [target for target in targets if target != "help" and f"| `make {target}` |" not in page] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target, heading in LINK.findall(text_of(page)):
            there = (page.parent / target).resolve() if target else page
            assert there.exists(), f"{name_of(page)} links to {target}"
            assert not heading or heading in headings(there), f"{name_of(page)} links to {target}#{heading}"


@functools.cache
def headings(page: Path) -> set[str]:
    """Return what links call the headings of a page."""
    found = [line.lstrip("#") for _, line in lines_outside_blocks(page) if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in found}
