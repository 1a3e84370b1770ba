"""What keeps the garbage collector quick: it looks at what a test makes, never at the thousands of tests."""

from __future__ import annotations

import gc


def leave_alone_what_there_is() -> None:
    """Let the collector look at later objects only, for good.

    Nobody calls `gc.unfreeze`: after it each collection, also one in a forked child, would go through everything that the
    test run holds. Garbage in a cycle stays for ever, so this is called where there is little of it.
    """
    gc.freeze()
