"""Events that are lost: one form for all commands."""

from __future__ import annotations

from typing import Any


def gap_record(cause: str, first: int, last: int | None) -> dict[str, Any]:
    """Return lost events as a JSON record; without `last` nobody knows how many."""
    return {"gap": {"cause": cause, "firstLost": str(first), "lastLost": None if last is None else str(last)}}


def gap_text(cause: str, first: int, last: int | None) -> str:
    """Return lost events as a line for people."""
    lost = f"events {first} to {last}" if last is not None else f"events from {first} on, of the old session,"
    return f"{lost} lost ({cause})"
