"""Processes of `mxgw-py` that begin as copies of one that has loaded everything, instead of loading it each time.

A command of its own costs an interpreter's start and the loading of a hundred modules, a third of a second each, and the tests run more than a
thousand. Here one process loads the modules and starts nothing; each command is a fork of it, with the descriptors, the environment and the arguments of whoever
asks. It is a process like any other, apart from what is loaded before it begins: tests of that, and of signals and terminals, start real ones.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import io
import os
import pkgutil
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.cli.forking import client
from tests.garbage import leave_alone_what_there_is

AVAILABLE = hasattr(os, "fork") and sys.platform == "linux"
ROOT = Path(__file__).parents[3]


class Child:
    """A command that runs.

    Args:
        channel: The connection to the nursery, which tells the process id and then the exit code.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.pid = int.from_bytes(_exactly(channel, 4), "big")

    async def exit_code(self) -> int:
        """Wait for the end of the process; a signal is a negative number."""
        self._channel.setblocking(False)
        data = await asyncio.get_running_loop().sock_recv(self._channel, 4)
        assert data, "the nursery has gone"
        return int.from_bytes(data, "big", signed=True)

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the nursery."""
        self._channel.close()


def begin(arguments: tuple[str, ...], environment: Mapping[str, str], streams: Sequence[int]) -> Child:
    """Start a command.

    Args:
        arguments: The words after the program's name.
        environment: All of its environment.
        streams: The descriptors of its stdin, its stdout and its stderr.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(_address())
    client.ask(channel, client.request(arguments, environment, str(Path.cwd())), streams)
    return Child(channel)


def program(folder: Path) -> None:
    """Write an `mxgw-py` for shells into a new folder: each of its runs is a command of the nursery, where there can be one."""
    words = ["-IS", client.__file__, _address()] if AVAILABLE else ["-m", "mxgateway_cli"]
    folder.mkdir()
    (folder / "mxgw-py").write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n', encoding="utf-8")
    (folder / "mxgw-py").chmod(0o755)


@functools.cache
def _address() -> str:
    """Start the nursery of this test process, and return where it listens."""
    directory = tempfile.mkdtemp(prefix="mxgw-py-nursery-")
    address = f"{directory}/socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forking.nursery", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout is not None else None
        Path(address).unlink(missing_ok=True)
        Path(directory).rmdir()

    atexit.register(end)
    return address


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            raise EOFError("the nursery has gone")
        data += piece
    return data


# -- the nursery itself


def _load() -> None:
    """Load what commands load, and start nothing."""
    import mxgateway
    import mxgateway_cli.commands

    for name in mxgateway.__all__:
        getattr(mxgateway, name)
    for package in (mxgateway_cli, mxgateway_cli.commands):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name != "__main__":
                importlib.import_module(f"{package.__name__}.{module.name}")
    importlib.import_module("mxgateway.client")
    gc.collect()
    leave_alone_what_there_is()


def _serve(address: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    children: dict[int, socket.socket] = {}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([listener, *children.values()], [], [], 0.005 if children else None)
        for pid in [pid for pid, channel in children.items() if channel in ready]:
            _abandon(pid, children)
        if listener in ready:
            channel, _ = listener.accept()
            pid = _fork(channel, listener)
            channel.sendall(pid.to_bytes(4, "big"))
            children[pid] = channel
        _bury(children)


def _abandon(pid: int, children: dict[int, socket.socket]) -> None:
    """End a command whose asker has gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    children.pop(pid).close()


def _bury(children: dict[int, socket.socket]) -> None:
    """Tell the exit code of every child that has ended."""
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            with children.pop(pid) as channel, suppress(OSError):
                channel.sendall((code & 0xFFFFFFFF).to_bytes(4, "big"))


def _fork(channel: socket.socket, listener: socket.socket) -> int:
    prefix, descriptors, _, _ = socket.recv_fds(channel, 4, 3)
    request = _exactly(channel, int.from_bytes(prefix, "big")).decode(errors="surrogateescape")
    count, directory, *words = request.split("\0")
    arguments, variables = words[: int(count)], words[int(count) :]
    environment = {name: value for name, _, value in (each.partition("=") for each in variables)}
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    code = 70
    try:
        listener.close()
        channel.close()
        code = _live(arguments, environment, directory, descriptors)
    finally:
        os._exit(code)


def _live(arguments: list[str], environment: dict[str, str], directory: str, descriptors: list[int]) -> int:
    """Be the command."""
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["mxgw-py", *arguments]
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True, errors="backslashreplace")
    code: Any = 0
    try:
        from mxgateway_cli.main import main

        main()
    except SystemExit as end:
        code = end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and commands would inherit that
    _load()
    _serve(sys.argv[1])
