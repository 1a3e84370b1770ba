"""How the columns of a table share the width of a terminal.

A column's heading says what it holds, the same in each table. Columns shrink before one is left out; value and quality
are the last to go. A text that has no room stands below its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from mxgateway_cli.terminal.times import in_zone, short_forms
from mxgateway_cli.terminal.widths import GAP, display_width

Kind = Literal["name", "value", "quality", "severity", "number", "time", "mark", "trend", "text", "word", "status"]


class Role(NamedTuple):
    """What a column holds."""

    kind: Kind
    rank: int
    """The column of the lowest rank is left out first."""
    least: int
    """With less than this, another column is left out instead."""
    enough: int
    """What it is given before others get all they ask for."""


_WORD: Final = Role("word", 3, 6, 12)
_NAME: Final = Role("name", 7, 24, 32)
_NUMBER: Final = Role("number", 2, 3, 8)
_TIME: Final = Role("time", 5, 0, 11)
_TEXT: Final = Role("text", 4, 28, 28)
_ROLES: Final = {
    "tag": _NAME, "item": _NAME, "alarm": _NAME, "tag name": _NAME, "profile": _NAME, "endpoint": Role("word", 6, 8, 24), "name": _NAME,
    "contained name": Role("name", 3, 8, 16),
    "value": Role("value", 10, 10, 16), "new value": Role("value", 10, 10, 16), "old value": Role("value", 6, 8, 12),
    "limit": Role("value", 1, 4, 8), "expected": Role("value", 6, 8, 12),
    "quality": Role("quality", 9, 4, 12),
    "family": Role("word", 2, 12, 14), "kind": Role("word", 5, 17, 17), "severity": Role("severity", 6, 3, 8),
    "trend": Role("trend", 8, 4, 8), "": Role("mark", 8, 1, 1),
    "time": _TIME, "source time": _TIME, "deployed": _TIME, "observed": Role("time", 2, 0, 11),
    "sequence": _NUMBER, "handle": Role("number", 5, 4, 8), "changes": Role("number", 4, 7, 7), "id": _NUMBER,
    "parent": Role("number", 1, 3, 8), "objects": _NUMBER, "attributes": _NUMBER,
    "error": _TEXT, "outcome": _TEXT, "text": _TEXT, "note": _TEXT, "difference": _TEXT, "detail": _TEXT, "step": Role("word", 8, 8, 16),
    "status": Role("status", 7, 6, 8), "took": Role("number", 3, 8, 10),
}  # fmt: skip
_NEVER_EMPTY: Final = frozenset({"name", "value", "quality", "mark", "trend"})
_UNKNOWN: Final = 24
"""Width of a column that may hold anything."""
_WIDEST: Final[dict[Kind, int]] = {"name": 40, "value": 24, "text": 1_000}
"""Width up to which a column takes room that nobody needs, for rows to come."""
_LAST: Final = 7
"""Columns of this rank and above are squeezed before one is left out."""
_SQUEEZED: Final = 4
_RIGHT: Final = frozenset({"number", "severity"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table on a terminal.

    Args:
        name: Its heading.
        role: What it holds.
        natural: The width that it asks for.
        shortest: The width of its shortest form, if it has several.
        numeric: Whether all its cells are numbers.
    """

    name: str
    role: Role
    natural: int
    shortest: int = 0
    numeric: bool = False

    @property
    def least(self) -> int:
        """The width below which another column is left out instead."""
        heading = 0 if self.role.rank >= _LAST else display_width(self.name)
        return min(self.natural, max(heading, self.shortest or self.role.least))

    @property
    def enough(self) -> int:
        """The width that it is given before others get all they ask for."""
        return min(self.natural, max(self.least, self.role.enough))

    @property
    def is_right(self) -> bool:
        """Whether its heading and its cells stand at the right."""
        return self.numeric or self.role.kind in _RIGHT


def role_of(heading: str) -> Role:
    """Return what a column with this heading holds."""
    return _ROLES.get(heading, _WORD)


def measured(headings: Sequence[str], rows: Sequence[Sequence[str]], *, is_whole: bool = True) -> list[Column]:
    """Return the columns of a table; if it is whole, one without any cell asks for no width."""
    return [
        _measured(heading, role_of(heading), [row[index] for row in rows], is_whole=is_whole)
        for index, heading in enumerate(headings)
    ]


def _measured(heading: str, role: Role, cells: Sequence[str], *, is_whole: bool) -> Column:
    forms = [short_forms(cell) for cell in cells] if role.kind == "time" else [(cell,) for cell in cells]
    widest = max((display_width(each[0]) for each in forms), default=0)
    is_empty = is_whole and not widest and role.kind not in _NEVER_EMPTY
    natural = 0 if is_empty else max(widest, display_width(heading))
    shortest = max((len(each[-1]) for each in forms), default=0) if role.kind == "time" else 0
    filled = [cell for cell in cells if cell]
    return Column(heading, role, natural, shortest, bool(filled) and all(map(is_number, filled)))


def preset(headings: Sequence[str], widths: Sequence[str]) -> list[Column]:
    """Return the columns of a table whose rows are still to come, from alignments and usual widths such as ``<28``."""
    shortest = len(short_forms(in_zone("2026-01-01T00:00:00Z", local=True))[-1])
    return [
        Column(
            heading, role, max(int(width[1:] or _UNKNOWN), role.least), shortest if role.kind == "time" else 0,
            width[0] == ">" or role.kind == "value",
        )
        for heading, width, role in zip(headings, widths, map(role_of, headings), strict=True)
    ]  # fmt: skip


def is_number(cell: str) -> bool:
    """Return whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def fit(columns: Sequence[Column], room: int, *, grow: bool) -> list[int]:
    """Return the width of each column, 0 for one that is left out; columns may grow because of rows to come."""
    kept = [column for column in columns if column.natural]
    if _total([column.enough for column in kept]) > room:  # a text has its own lines below the row instead
        kept = [column for column in kept if column.role.kind != "text"] or kept
    while len(kept) > 1 and _total([column.least for column in kept]) > room:
        lowest = min(column.role.rank for column in kept)
        if lowest >= _LAST and _total([min(column.least, _SQUEEZED) for column in kept]) <= room:
            break
        kept.remove([column for column in kept if column.role.rank == lowest][-1])
    widths = dict(zip(map(id, kept), _shared(kept, room, grow=grow), strict=True))
    return [widths.get(id(column), 0) for column in columns]


def _shared(kept: Sequence[Column], room: int, *, grow: bool) -> list[int]:
    widths = [column.least for column in kept]
    for index in sorted(range(len(kept)), key=lambda index: widths[index], reverse=True):
        widths[index] -= min(max(0, _total(widths) - room), widths[index] - 1)
    goals = [[column.enough for column in kept], [column.natural for column in kept]]
    if grow:
        goals.append([max(column.natural, _WIDEST.get(column.role.kind, 0)) for column in kept])
    for goal in goals:
        _raise_towards(goal, widths, kept, room)
    return widths


def _raise_towards(goal: Sequence[int], widths: list[int], kept: Sequence[Column], room: int) -> None:
    """Give the room that is left to the columns, those of the highest rank first, but to none more than its goal."""
    for index in sorted(range(len(kept)), key=lambda index: -kept[index].role.rank):
        widths[index] += max(0, min(goal[index] - widths[index], room - _total(widths)))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
