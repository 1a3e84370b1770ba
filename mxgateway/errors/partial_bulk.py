"""The state of each entry of a split bulk call after one of its calls failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PartialBulk:
    """How far a bulk call got before one of its calls failed. Entries are counted from 0."""

    results: tuple[Any, ...] = field(hash=False)
    """The results of the first entries, which the gateway answered, one for each."""
    in_doubt: range
    """Entries that were sent but not answered: they may have been carried out."""
    not_sent: range
    """Entries that were not carried out."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return text_schema(cls)

    def __str__(self) -> str:
        total = len(self.results) + len(self.in_doubt) + len(self.not_sent)
        parts = [
            (len(self.results), "were answered"),
            (len(self.in_doubt), f"may have been carried out ({_span(self.in_doubt)})"),
            (len(self.not_sent), f"were not carried out ({_span(self.not_sent)})"),
        ]
        return f"of {total} entries " + ", ".join(f"{count} {what}" for count, what in parts if count)


def _span(entries: range) -> str:
    return f"{entries.start} to {entries.stop - 1}" if len(entries) > 1 else f"{entries.start}"


def text_schema(cls: type[Any]) -> dict[str, Any]:
    """Return pydantic's schema of a class whose JSON form is its text."""
    text = {"type": "function-plain", "function": str, "when_used": "json", "return_schema": {"type": "str"}}
    return {"type": "is-instance", "cls": cls, "serialization": text}
