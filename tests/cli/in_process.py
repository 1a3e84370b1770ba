"""Runs a command line in this process, with all that a process of its own would have: its environment, its streams, its event loop.

A process each would take most of the tests' time. What only a process has is tested with one: signals, closed pipes, terminals, the start, and one good
run of each command (`test_every_command.py`), which compares the two.
"""

from __future__ import annotations

import asyncio
import functools
import io
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from types import ModuleType
from typing import Any, BinaryIO, TypeVar
from unittest import mock

from mxgateway_cli.main import run
from mxgateway_cli.running import log, runner
from mxgateway_cli.terminal import text
from tests.cli.process import LIMIT_SECONDS, Outcome, environment, fork

T = TypeVar("T")
NOWHERE = ("--plaintext", "--endpoint", "127.0.0.1:1")
"""Where nobody listens: a command that sends anything fails with another code."""


def refused(*arguments: str) -> Outcome:
    """Return how a command line ends; not from within an event loop, as the command runs one of its own."""
    return run_here(*arguments, *NOWHERE)


def run_here(*arguments: str, env: Mapping[str, str] | None = None, stdin: str | bytes = b"") -> Outcome:
    """Return how a command line ends that says by itself where it connects, if anywhere."""
    with _Surroundings(env, stdin) as surroundings:
        return surroundings.outcome(run(arguments))


async def mxgw(*arguments: str, env: Mapping[str, str] | None = None, stdin: str | bytes = b"") -> Outcome:
    """Run `mxgw-py` to its end beside the test's own loop; one that begins while another one runs is a process."""
    if _Surroundings.taken:
        return await fork(*arguments, env=env, stdin=stdin)
    with _Surroundings(env, stdin) as surroundings:
        async with asyncio.timeout(LIMIT_SECONDS):
            code = await _in_thread(lambda: run(arguments))
        return surroundings.outcome(code)


async def _in_thread(action: Callable[[], T]) -> T:
    """Return what `action` returns; nobody waits any longer for one that hangs, not even the interpreter at its end."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def work() -> None:
        try:
            value = action()
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, value, None)

    thread = threading.Thread(target=work, name="mxgw-py", daemon=True)
    thread.start()
    value = await result
    thread.join()
    return value


class _Surroundings:
    """What a process has for itself, lent to one command at a time."""

    taken = False

    def __init__(self, env: Mapping[str, str] | None, stdin: str | bytes) -> None:
        self._environment = environment(env)
        self._stdin = stdin.encode() if isinstance(stdin, str) else stdin
        self._loops: list[asyncio.AbstractEventLoop] = []
        self._restored = ExitStack()

    def __enter__(self) -> _Surroundings:
        assert not _Surroundings.taken, "two commands cannot have this process's streams at once"
        enter = self._restored.enter_context
        with ExitStack() as undo:
            undo.push(self._restored)
            self._in, self._out, self._err = (enter(closing(tempfile.TemporaryFile())) for _ in range(3))  # noqa: SIM115
            self._in.write(self._stdin)
            self._in.seek(0)
            enter(_environment(self._environment))
            enter(_logging())
            enter(mock.patch.object(text, "_gate", text._gate))
            enter(mock.patch.object(runner, "_finish", self._finish))
            _forget()
            for name, stream in (("stdout", self._out), ("stderr", self._err)):
                file = enter(_writer(stream, errors="strict" if name == "stdout" else "backslashreplace"))
                enter(mock.patch.object(sys, name, file))
                enter(mock.patch.object(sys, f"__{name}__", file))  # the width of the help is that of a terminal
            enter(
                mock.patch.object(sys, "stdin", enter(io.TextIOWrapper(open(self._in.fileno(), "rb", closefd=False))))
            )
            undo.pop_all()
        _Surroundings.taken = True
        return self

    def __exit__(self, *error: object) -> None:
        _Surroundings.taken = False
        self._restored.close()

    def outcome(self, code: int) -> Outcome:
        """Take what the command has written, and see that nothing of it is left."""
        for loop in self._loops:
            assert loop.is_closed()
            assert not asyncio.all_tasks(loop), "the command has left tasks behind"
        sys.stdout.flush()
        sys.stderr.flush()
        return Outcome(code, _content(self._out), _content(self._err))

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loops.append(loop)
        _finish(loop)


_finish = runner._finish


def _writer(stream: BinaryIO, errors: str) -> io.TextIOWrapper:
    """Return a text stream over a file of this process, as an interpreter has it: buffered, with a descriptor."""
    return io.TextIOWrapper(open(stream.fileno(), "wb", closefd=False), encoding="utf-8", errors=errors)


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode()


def _forget() -> None:
    """Let the command say anew what it says once in a process."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "mxgateway_cli":
            for value in _caches(module, len(vars(module))):
                value.cache_clear()


@functools.cache
def _caches(module: ModuleType, _count: int) -> list[Any]:
    """Return what a module of so many names keeps; looking at each of all names takes longer than most commands."""
    return [value for value in vars(module).values() if hasattr(value, "cache_clear")]


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have these variables and no others; those that are the same are left alone, as other threads read them."""

    def change(to: Mapping[str, str]) -> None:
        for name in os.environ.keys() - to.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in to.items() if os.environ.get(name) != value})

    before = dict(os.environ)
    change(wanted)
    try:
        yield
    finally:
        change(before)


@contextmanager
def _logging() -> Iterator[None]:
    """Let the command have the library's log for itself: the test's own loop, in the main thread, logs for others."""
    logger, here = logging.getLogger("mxgateway"), threading.get_ident()
    is_beside = asyncio._get_running_loop() is not None
    before = logger.handlers[:], logger.level, logger.propagate
    with mock.patch.object(
        log._StderrHandler, "filter", lambda _, record: not (is_beside and record.thread == here), create=True
    ):
        try:
            yield
        finally:
            logger.handlers[:], logger.level, logger.propagate = before
