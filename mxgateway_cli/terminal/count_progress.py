"""A progress bar for work whose total becomes known only once it is running."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click

Advance = Callable[[int, int | None], None]
"""Called with the number done and the total; the total is None until it is known."""

_STEPS: Final = 100
"""Redraws at most, so that a slow terminal does not slow down the work."""


@contextmanager
def count_progress(label: str, *, shown: bool) -> Iterator[Advance]:
    """Show a progress bar on stderr if that is a terminal.

    Args:
        label: The text beside the bar.
        shown: False when results go to the same terminal at the same time.
    """
    if not shown or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with ExitStack() as stack:
        bar: Any = None
        drawn = 0

        def advance(done: int, total: int | None) -> None:
            # When the work restarts, the bar stays where it is until the work has caught up.
            nonlocal bar, drawn
            if total is None or total == 0:
                return
            if bar is None:
                bar = stack.enter_context(click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True))
            if done - drawn >= total / _STEPS or done == total > drawn:
                bar.update(done - drawn)
                drawn = done

        yield advance
