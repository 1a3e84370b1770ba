"""However a program ends that draws on a terminal, the cursor is shown and the alternate screen is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import pyte
import pytest
from grpclib.const import Status

from tests.cli.gateway import TAG, Gateway
from tests.cli.terminal import Terminal, terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals and signals to one process")

DRAWING: Final = {
    "watch": ("watch", TAG),
    "bar": ("bench-read-bulk", "--duration-seconds", "60", "--warmup-seconds", "0", "--json"),
}
HIDDEN: Final = "\x1b[?25l"


async def interrupt(screen: Terminal, gateway: Gateway) -> int:
    screen.process.send_signal(signal.SIGINT)
    return 130


async def terminate(screen: Terminal, gateway: Gateway) -> int:
    screen.process.send_signal(signal.SIGTERM)
    return 143


async def interrupt_twice(screen: Terminal, gateway: Gateway) -> int:
    """Let two signals arrive together: the second one ends the program while it still draws."""
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        screen.process.send_signal(number)
    return 143


async def refuse(screen: Terminal, gateway: Gateway) -> int:
    for method in ("StreamEvents", "Invoke"):
        gateway.simulated.fail_next(method, Status.UNAUTHENTICATED, times=1_000)
    gateway.simulated.drop_connections()
    return 64 + Status.UNAUTHENTICATED.value


End = Callable[[Terminal, Gateway], Awaitable[int]]


@pytest.mark.parametrize("kind", DRAWING)
@pytest.mark.parametrize("end", [interrupt, terminate, interrupt_twice])
async def test_a_signal_leaves_the_terminal_in_order(gateway: Gateway, kind: str, end: End) -> None:
    async with terminal(*DRAWING[kind], "--plaintext", env=gateway.env, columns=80, lines=10) as screen:
        await screen.shows(HIDDEN)
        code = await end(screen, gateway)

        assert await screen.ended() == code
        assert is_in_order(screen.text)
        assert "Traceback" not in screen.text


async def test_a_fault_leaves_the_terminal_in_order(gateway: Gateway) -> None:
    async with terminal(*DRAWING["watch"], "--plaintext", env=gateway.env, columns=80, lines=10) as screen:
        await screen.shows(HIDDEN)
        code = await refuse(screen, gateway)

        assert await screen.ended() == code
        assert is_in_order(screen.text)


def is_in_order(text: str) -> bool:
    """Return whether the cursor is shown and the alternate screen is left."""
    screen = pyte.Screen(80, 10)
    pyte.Stream(screen).feed(text)
    return not screen.cursor.hidden and text.count("\x1b[?1049h") == text.count("\x1b[?1049l")


def test_a_terminal_that_is_not_in_order_is_noticed() -> None:
    assert not is_in_order("\x1b[?1049h\x1b[?25h")
    assert not is_in_order(HIDDEN)
