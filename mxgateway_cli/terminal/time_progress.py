"""A progress bar for work of known duration."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click

_STEPS: Final = 100
_TICK_SECONDS: Final = 0.1


@asynccontextmanager
async def time_progress(label: str, seconds: float) -> AsyncIterator[None]:
    """Show a progress bar on stderr, if that is a terminal, for as long as the block runs.

    Args:
        label: The text beside the bar.
        seconds: The expected duration of the block.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    with click.progressbar(length=_STEPS, label=label, file=sys.stderr) as bar:
        ticking = asyncio.create_task(_tick(bar, seconds))
        try:
            yield
            bar.update(_STEPS - bar.pos)
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])


async def _tick(bar: Any, seconds: float) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        passed = min(1.0, (time.monotonic() - began) / seconds)
        bar.update(int(passed * _STEPS) - bar.pos)
