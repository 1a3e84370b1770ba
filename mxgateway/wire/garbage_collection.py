"""Pauses the garbage collector while many objects are created that cannot be garbage yet."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_held() -> Iterator[None]:
    """Pause the garbage collector in the block, which must not await.

    The collector runs after every few hundred new objects, and after some multiples of that it scans all objects. That
    scan takes as long as creating them.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
