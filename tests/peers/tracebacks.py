"""Everything that an error reveals, including the variables of its traceback's frames, except the tests' own."""

from __future__ import annotations

import traceback
from pathlib import Path

TESTS = Path(__file__).parents[1]


def told(error: BaseException) -> str:
    """Return what an error and its causes reveal: texts, fields, and variables of each frame outside the tests."""
    parts: list[str] = []
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__]
        parts += [repr(each), str(each), repr(vars(each)), repr(each.args), repr(getattr(each, "__notes__", ""))]
        stack = traceback.TracebackException.from_exception(each, capture_locals=True).stack
        parts += [repr(frame.locals) for frame in stack if not Path(frame.filename).is_relative_to(TESTS)]
    return "\n".join(parts)
