"""What people see: a command in this process whose output goes to a terminal of a given width, and what that terminal shows."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pyte

import mxgateway
from mxgateway.simulator import SystemClock
from mxgateway_cli.terminal import capabilities, drawing
from mxgateway_cli.terminal.drawing import Screen
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome

WIDTHS: Final = (40, 80, 200)
ZONE: Final = "CET-1CEST,M3.5.0,M10.5.0/3"
"""An hour ahead of UTC; the form needs no database of zones."""
MOMENT: Final = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
_NAMES: Final = {"0": "/", "1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}
_MASKS: Final = {
    "sessionId": f"session-{'0' * 32}",
    "correlationId": "0" * 32,
    "endpoint": "127.0.0.1:0",
    "file": "tanks.jsonl",
    **dict.fromkeys(("sha256", "fingerprint", "contractFingerprint"), "0" * 64),
    **dict.fromkeys(
        (
            "durationMs", "latencyMs", "totalCalls", "successfulCalls", "totalReadResults", "cachedReadResults",
            "callsPerSecond", "totalEvents", "eventsPerSecond", "version", "pythonVersion", "pythonImplementation",
            "platform", "messages", "enums", "rpcs", "workerProcessId", "valueCount", "connections",
            "bytes",
        ),
        "<n>",
    ),
}  # fmt: skip
"""Instead of fields that differ from run to run, from machine to machine or with the contract."""
_TEXTS: Final = (
    (re.compile(r"\b\d+\.\d ms"), "0.5 ms"),
    (re.compile(r"127\.0\.0\.1:\d{4,5}\b"), "127.0.0.1:5000"),
    (re.compile(r"session-[0-9a-f]{32}"), f"session-{'0' * 32}"),
    (re.compile(rf"client {re.escape(mxgateway.__version__)};"), "client 1.2.3;"),
)
"""What differs in the cells of a table, and what is there instead."""
EXPECTED: Final = Path(__file__).parent / "expected"


class StoppedClock(SystemClock):
    """A clock whose wall time stands still, while delays pass."""

    def now_ns(self) -> int:
        return int(MOMENT.timestamp()) * 1_000_000_000 + MOMENT.microsecond * 1_000


@contextmanager
def in_zone(zone: str = ZONE) -> Iterator[None]:
    """Be in a zone, as far as the platform lets a process choose one."""
    with mock.patch.dict(os.environ, {"TZ": zone}):
        time.tzset()
        try:
            yield
        finally:
            del os.environ["TZ"]
            time.tzset()
    time.tzset()


async def on_terminal(
    *arguments: str, columns: int, env: Mapping[str, str] | None = None, stdin: str = "", term: str = "xterm"
) -> Outcome:
    """Run `mxgw-py` in this process with stdout and stderr on a terminal, and return what it wrote."""
    size = {"COLUMNS": str(columns), "LINES": "24", "TERM": term}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(capabilities, "is_terminal", lambda stream: stream is not None))
        return await mxgw(*arguments, env={**(env or {}), **size}, stdin=stdin)


class Drawing:
    """What a command has drawn, to be drawn again on terminals of other widths."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what is drawn in the block."""
        with mock.patch.object(
            drawing, "Screen", lambda *args, **kwargs: _Recorder(Screen(*args, **kwargs), self._calls)
        ):
            yield

    def again(self, columns: int, *, coloured: bool = False, masked: bool = True) -> str:
        """Return what a terminal of this width gets; `masked` replaces fields that differ from run to run."""
        screen = Screen(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), coloured=coloured)
        with mock.patch.dict(os.environ, {"COLUMNS": str(columns), "LINES": "24"}):
            texts = [
                getattr(screen, name)(*(map(_masked, args) if masked else args), **kwargs)
                for name, args, kwargs in self._calls
            ]
        return "".join(f"{text}\n" for text in texts if text)


def _masked(argument: Any) -> Any:
    if isinstance(argument, str):
        for pattern, text in _TEXTS:
            argument = pattern.sub(text, argument)
        return argument
    if isinstance(argument, list | tuple):
        return [_masked(each) for each in argument]
    if not isinstance(argument, dict):
        return argument
    return {key: _MASKS.get(key.partition(".")[0], field) for key, field in argument.items()}


class _Recorder:
    def __init__(self, screen: Screen, calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> None:
        self._screen = screen
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.append((name, args, kwargs))
            return getattr(self._screen, name)(*args, **kwargs)

        return call


def seen(text: str, columns: int) -> list[str]:
    """Return the lines that a terminal of this width shows after `text` was written to it."""
    screen = pyte.Screen(columns, text.count("\n") + len(text) // columns + 2)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in screen.display).rstrip().split("\n")


def styled(text: str) -> list[str]:
    """Return the lines of `text` with its styles by name, such as ``<red>bad</>``."""
    named = re.sub(r"\x1b\[([0-9;]*)m", lambda found: f"<{' '.join(map(_name, found[1].split(';')))}>", text)
    assert "\x1b" not in named
    return [line.rstrip() for line in named.rstrip().split("\n")]


def _name(number: str) -> str:
    return _NAMES.get(number, number)


def compare(name: str, sections: Mapping[str, list[str]]) -> None:
    """Compare what was shown with the committed expectation; with ``UPDATE_LOOKS=1`` that is written anew.

    Args:
        name: The name of the expectation.
        sections: The lines that were shown, by heading.
    """
    text = "".join("\n".join([f"## {heading}", "", *lines, "", ""]) for heading, lines in sections.items())
    file = EXPECTED / f"{name}.txt"
    if os.environ.get("UPDATE_LOOKS") == "1":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name}: UPDATE_LOOKS=1 writes it anew"
