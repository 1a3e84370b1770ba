"""A progress bar for work that tells how much there is only once it has begun."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click

Advance = Callable[[int, int | None], None]
"""Called with how much is done and with all that there is to do, None as long as that is not known."""

_STEPS: Final = 100
"""Redrawings, so that a terminal does not slow the work down."""


@contextmanager
def count_progress(label: str, *, shown: bool) -> Iterator[Advance]:
    """Show on stderr, if that is a terminal, how much is done.

    Args:
        label: What is done.
        shown: False where results come to the same terminal meanwhile.
    """
    if not shown or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with ExitStack() as stack:
        bar: Any = None
        told = 0

        def advance(done: int, total: int | None) -> None:
            # Work that begins again leaves the bar where it is until it has come as far.
            nonlocal bar, told
            if total is None or total == 0:
                return
            if bar is None:
                bar = stack.enter_context(click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True))
            if done - told >= total / _STEPS or done == total > told:
                bar.update(done - told)
                told = done

        yield advance
