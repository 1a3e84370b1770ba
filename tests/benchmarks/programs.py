"""Whole processes: the time of an import, of `mxgw-py version` and of a first call, compared with grpcio."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks import calls
from tests.benchmarks.harness import Figure, Sample, Settings, Target, clock, compare, take_turns
from tests.benchmarks.worker import ROOT, Worker

GRPC_IMPORTS: Final = """\
import grpc
import mxaccess_gateway_pb2, mxaccess_gateway_pb2_grpc
import galaxy_repository_pb2, galaxy_repository_pb2_grpc
"""

OURS: Final = """\
import asyncio, sys
from mxgateway import GatewayClient, proto

async def main():
    async with GatewayClient.connect(sys.argv[1], plaintext=True, api_key=sys.argv[2]) as client:
        reply = await client.open_session_raw(proto.OpenSessionRequest(client_session_name="bench"), timeout=10)
        print(reply.session_id, flush=True)

asyncio.run(main())
"""

SYNC: Final = """\
import sys
import grpc
from mxaccess_gateway_pb2 import OpenSessionRequest
from mxaccess_gateway_pb2_grpc import MxAccessGatewayStub

with grpc.insecure_channel(sys.argv[1]) as channel:
    metadata = (("authorization", "Bearer " + sys.argv[2]),)
    request = OpenSessionRequest(client_session_name="bench")
    reply = MxAccessGatewayStub(channel).OpenSession(request, timeout=10, metadata=metadata)
    print(reply.session_id, flush=True)
"""

AIO: Final = """\
import asyncio, sys
import grpc
from mxaccess_gateway_pb2 import OpenSessionRequest
from mxaccess_gateway_pb2_grpc import MxAccessGatewayStub

async def main():
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        metadata = (("authorization", "Bearer " + sys.argv[2]),)
        request = OpenSessionRequest(client_session_name="bench")
        reply = await MxAccessGatewayStub(channel).OpenSession(request, timeout=10, metadata=metadata)
        print(reply.session_id, flush=True)

asyncio.run(main())
"""


def figures(settings: Settings, grpcio_modules: Path) -> Iterator[Figure]:
    """Yield the figures of whole processes.

    Args:
        settings: How often each runs.
        grpcio_modules: A folder with grpcio's generated modules of the contract.
    """
    yield from _imports(settings, grpcio_modules)
    yield from _first_reply(settings, grpcio_modules)


def _imports(settings: Settings, grpcio_modules: Path) -> Iterator[Figure]:
    taken = take_turns(
        {
            "python": _process(_python("pass"), grpcio_modules),
            "import": _process(_python("import mxgateway"), grpcio_modules),
            "import-all": _process(_python("from mxgateway import GatewayClient, proto"), grpcio_modules),
            "version": _process([*_command_line(), "version"], grpcio_modules),
            "grpc": _process(_python(GRPC_IMPORTS), grpcio_modules),
        },
        settings.rounds,
    )
    other = "import grpc and generated modules"
    yield _share("import", "import mxgateway", taken["import"], taken["grpc"], other, Target(0.5, at_least=False))
    yield _share("version", "mxgw-py version", taken["version"], taken["grpc"], other, Target(0.5, at_least=False))
    yield _share("import-all", "import client and messages", taken["import-all"], taken["grpc"], other)
    yield _share("import-python", "import mxgateway", taken["import"], taken["python"], "python alone")


def _first_reply(settings: Settings, grpcio_modules: Path) -> Iterator[Figure]:
    with Worker("servers", "core", "--events", "0") as server:
        arguments = f"127.0.0.1:{server.line()}", calls.API_KEY
        programs = {"ours": OURS, "sync": SYNC, "aio": AIO}
        ends: dict[str, list[float]] = {name: [] for name in programs}
        replies = take_turns(
            {
                name: _until_reply([*_python(program), *arguments], grpcio_modules, ends[name])
                for name, program in programs.items()
            },
            settings.rounds,
        )
    target = Target(1.5, at_least=False)
    title = "process start to first unary reply"
    yield _share("first-reply", title, replies["ours"], replies["sync"], "grpcio sync", target)
    yield _share("first-reply-aio", title, replies["ours"], replies["aio"], "grpc.aio")
    end = {name: taken[-settings.rounds :] for name, taken in ends.items()}
    title = "process start to end, one unary call"
    yield _share("one-call", title, end["ours"], end["sync"], "grpcio sync")


def _share(
    name: str, title: str, ours: Sequence[float], other: Sequence[float], other_name: str, target: Target | None = None
) -> Figure:
    return compare(
        name, title, ours, other, other_name=other_name, measure="share", unit="ms", scale=1e3, target=target
    )  # fmt: skip


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def _command_line() -> list[str]:
    """Return the installed command, or the module behind it."""
    script = shutil.which("mxgw-py", path=sysconfig.get_path("scripts"))
    return [script] if script else [sys.executable, "-m", "mxgateway_cli"]


def _environment(grpcio_modules: Path) -> Mapping[str, str]:
    """Return an environment with compiled bytecode, as after an installation, whatever this process's settings."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(grpcio_modules), "PYTHONPYCACHEPREFIX": str(grpcio_modules / "bytecode")}


def _process(command: Sequence[str], grpcio_modules: Path) -> Sample:
    """Return a sample of a process's lifetime in seconds."""

    def sample() -> float:
        start = clock()
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=_environment(grpcio_modules), cwd=ROOT
        )  # fmt: skip
        return clock() - start

    return sample


def _until_reply(command: Sequence[str], grpcio_modules: Path, ends: list[float]) -> Sample:
    """Return a sample of the seconds until a process prints a line; the seconds until it ends are added to `ends`."""

    def sample() -> float:
        start = clock()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment(grpcio_modules), cwd=ROOT) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            replied = clock() - start
            code = process.wait()
            ends.append(clock() - start)
        if code != 0 or not line.startswith(b"session-"):
            raise RuntimeError(f"{command[2]!r} ended with {code} and printed {line!r}")
        return replied

    return sample
