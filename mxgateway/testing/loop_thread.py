"""An event loop in a thread of its own, and objects that are used on it from other threads."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_PLAIN: Final = (str, bytes, bool, int, float, type(None), list, tuple, dict, set, frozenset)
"""Results that are returned as they are."""


class LoopThread:
    """A thread that runs an event loop; every method may be called in any thread.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._loop is not None

    def start(self) -> None:
        """Start the thread; no effect if it runs."""
        if self._loop is not None:
            return
        started: Future[asyncio.AbstractEventLoop] = Future()
        # A daemon: a test run that forgets the thread still ends.
        self._thread = threading.Thread(target=self._serve, args=(started,), name=self._name, daemon=True)
        self._thread.start()
        self._loop = started.result()

    def stop(self) -> None:
        """End the loop and its tasks, and wait for the thread; no effect if it does not run."""
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def submit(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run a coroutine on the loop, and return its future.

        Raises:
            RuntimeError: The thread does not run.
        """
        if self._loop is None:
            raise RuntimeError(f"the {self._name} is not running: enter it with `with`")
        return asyncio.run_coroutine_threadsafe(function(), self._loop)

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the loop and return its result when it is done.

        Raises:
            RuntimeError: The thread does not run, or this is the thread itself.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("this would wait for itself: it was called in the gateway's own thread")
        return self.submit(function).result()

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop and return its result; in the thread itself it is called at once.

        Raises:
            RuntimeError: The thread does not run.
        """
        if threading.current_thread() is self._thread:
            return function()

        async def on_the_loop() -> T:
            return function()

        return self.run(on_the_loop)

    def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            loop = runner.get_loop()
            loop.call_soon(started.set_result, loop)
            loop.run_forever()


def on_loop(thread: LoopThread, target: T) -> T:
    """Return a stand-in for an object, whose attributes are read and whose methods run on the thread's loop.

    A coroutine is run to its end there: what is awaited in async code is called plainly through the stand-in.
    """
    return target if isinstance(target, _PLAIN) or inspect.isclass(target) else cast("T", _OnLoop(thread, target))


class _OnLoop:
    """A stand-in; see `on_loop`."""

    def __init__(self, thread: LoopThread, target: Any) -> None:
        self.__dict__.update(_thread=thread, _target=target)

    def __getattr__(self, name: str) -> Any:
        thread = self._thread
        found = thread.call(lambda: getattr(self._target, name))
        if not callable(found):
            return on_loop(thread, found)

        def switch(*args: Any, **fields: Any) -> Any:
            return call_on_loop(thread, lambda: found(*args, **fields))

        return switch

    def __setattr__(self, name: str, value: Any) -> None:
        self._thread.call(lambda: setattr(self._target, name, value))

    def __await__(self) -> Generator[Any, None, Any]:
        async def on_the_loop() -> Any:
            return await self._target

        return asyncio.wrap_future(self._thread.submit(on_the_loop)).__await__()

    def __repr__(self) -> str:
        return f"<{self._target!r} in the {self._thread._name}>"


def call_on_loop(thread: LoopThread, function: Callable[[], Any]) -> Any:
    """Call a function on the loop; if it returns a coroutine, run that to its end."""

    async def on_the_loop() -> Any:
        result = function()
        return await result if inspect.iscoroutine(result) else result

    if threading.current_thread() is thread._thread:
        return function()
    return on_loop(thread, thread.run(on_the_loop))
