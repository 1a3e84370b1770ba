"""The garbage collector, held while many objects are made that nobody can have dropped yet."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_held() -> Iterator[None]:
    """Make many objects in the block, without an await, and without the collector's going through them again and again.

    It runs after some hundred new objects, and goes through all there are after some multiples of that, which takes as long as making them.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
