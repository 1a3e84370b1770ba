"""The progress bar on stderr: how far the work is, how fast it goes and how long it will take.

`rich` is loaded when the first bar is drawn.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from mxgateway_cli.terminal.capabilities import understands_escapes, wants_colour
from mxgateway_cli.terminal.restoring import restored

if TYPE_CHECKING:
    from mxgateway_cli.terminal.bar import Bar

Advance = Callable[[int, int | None], None]
"""Called with the number done and the total; the total is None until it is known."""

_TICK_SECONDS: Final = 0.1
"""Time between two redraws: faster than people read, slow enough for a modem link."""


class Progress:
    """Shows the bars of one command; `colour` is ``auto``, ``always`` or ``never``."""

    def __init__(self, *, shown: bool = True, colour: str = "auto") -> None:
        self._shown = shown
        self._colour = colour

    @property
    def _is_shown(self) -> bool:
        return self._shown and understands_escapes(sys.stderr)

    @contextmanager
    def count(self, label: str, *, beside_results: bool = False) -> Iterator[Advance]:
        """Show how much of some work is done; no bar is shown beside results on the same terminal."""
        if beside_results or not self._is_shown:
            yield lambda done, total: None
            return
        with ExitStack() as stack:
            bar: Bar | None = None
            most, drawn = 0, 0.0

            def advance(done: int, total: int | None) -> None:
                # When the work restarts, the bar stays where it is until the work has caught up.
                nonlocal bar, drawn, most
                if not total or done <= most:
                    return
                most = done
                if bar is None:
                    bar = stack.enter_context(self._bar(label, total))
                if done >= total or time.monotonic() - drawn >= _TICK_SECONDS:
                    drawn = time.monotonic()
                    bar.draw(done)

            yield advance

    @asynccontextmanager
    async def duration(self, label: str, seconds: float, done: Callable[[], int]) -> AsyncIterator[None]:
        """Show how far some work of known duration is while the block runs; `done` returns how much is done."""
        if not self._is_shown:
            yield
            return
        with self._bar(label, seconds, counts=False) as bar:
            ticking = asyncio.create_task(_tick(bar, seconds, done))
            try:
                yield
                bar.draw(seconds, done())
            finally:
                ticking.cancel()
                await asyncio.wait([ticking])

    @contextmanager
    def _bar(self, label: str, total: float, *, counts: bool = True) -> Iterator[Bar]:
        from mxgateway_cli.terminal.bar import Bar

        coloured = wants_colour(self._colour, sys.stderr)
        with restored(sys.stderr), Bar(label, total, sys.stderr, counts=counts, coloured=coloured) as bar:
            yield bar


async def _tick(bar: Bar, seconds: float, done: Callable[[], int]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        bar.draw(min(seconds, time.monotonic() - began), done())
