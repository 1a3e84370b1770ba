"""A contract of the same names and types with other numbers, as a gateway's own may be."""

from __future__ import annotations

import re
from pathlib import Path

NUMBERED_LINE = re.compile(r"^(?P<before>\s+[\w. ]+ = )(?P<number>\d+)(?P<after>;.*)$", re.MULTILINE)


def renumber(source: Path, target: Path) -> int:
    """Copy a folder of .proto files and give every number that is not published another one.

    Field numbers and enum numbers change, apart from the 0 that every enum starts with. The order
    is turned round as well, so that nothing can rely on it.

    Returns:
        How many numbers were changed.
    """
    target.mkdir(parents=True)
    changed = 0
    for path in sorted(source.glob("*.proto")):
        before = path.read_text(encoding="utf-8")
        after = NUMBERED_LINE.sub(_other_number, before)
        changed += sum(old != new for old, new in zip(before.splitlines(), after.splitlines(), strict=True))
        (target / path.name).write_text(after, encoding="utf-8")
    return changed


def _other_number(line: re.Match[str]) -> str:
    number = int(line["number"])
    if number and "// published" not in line["after"]:
        number = 2000 - number
    return f"{line['before']}{number}{line['after']}"
