"""The rooms and who may import whom: docs/architecture.md says it, and this holds the tree to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.imports import PACKAGES, ROOT, circles, imports, modules

PAGE: Final = ROOT / "docs" / "architecture.md"
MOST_MODULES: Final = 14
CROWDED: Final = ("mxgateway_cli/commands", "tests/benchmarks")
"""One module for each command, and programs that are compared with those of other trees by their names."""
PUBLIC: Final = {"mxgateway", "mxgateway.proto", "mxgateway.simulator", "mxgateway.contract", "mxgateway.control", "mxgateway.status", "mxgateway.system.files", "mxgateway.system.home_directory"}  # fmt: skip
"""What the command line may import of the library; `system` because both open files by the same rules, in the same home directory."""


def tables() -> list[list[list[str]]]:
    """Return the rows of each table of the page, without heads."""
    found: list[list[list[str]]] = [[]]
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


LIBRARY, INNER, COMMAND_LINE = tables()


def rules(table: list[list[str]]) -> dict[str, set[str]]:
    """Return what each room of a table may import, in the order of the table."""
    return {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in table}


ALLOWED: Final = dict(zip(PACKAGES, (rules(LIBRARY), rules(COMMAND_LINE)), strict=True))


def room(module: str) -> str:
    """Return the room that a module stands in; empty for a package itself."""
    return module.split(".")[1] if "." in module else ""


def knowledge(package: str, *, for_types: bool = False) -> dict[str, set[str]]:
    """Return which rooms of a package each of them imports."""
    known: dict[str, set[str]] = {}
    for name, path in modules(generated=True).items():
        if name.startswith(f"{package}.") and room(name) != "__main__":
            found = imports(name, path, for_types=for_types)
            rooms = {room(other) for other in found if other.startswith(f"{package}.")} - {room(name)}
            known.setdefault(room(name), set()).update(rooms)
    return known


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_names_every_room_and_no_other(package: str) -> None:
    assert set(ALLOWED[package]) == set(knowledge(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_what_the_page_allows_and_needs_all_of_it(package: str) -> None:
    allowed, known = ALLOWED[package], knowledge(package, for_types=True)
    strangers = {name: others - allowed[name] for name, others in known.items()}
    assert {name: others for name, others in strangers.items() if others} == {}
    unused = {name: allowed[name] - others for name, others in known.items()}
    assert {name: others for name, others in unused.items() if others} == {}, "the page allows what nobody needs"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_only_from_rooms_above_it_in_the_table(package: str) -> None:
    order = list(ALLOWED[package])
    below = {name: {other for other in others if order.index(other) >= order.index(name)} for name, others in ALLOWED[package].items()}  # fmt: skip
    assert {name: others for name, others in below.items() if others} == {}
    assert circles(ALLOWED[package]) == set()


def test_the_page_names_every_room_within_a_room() -> None:
    found = {
        "/".join(path.relative_to(ROOT / "mxgateway").parts)
        for path in folders()
        if path.parent != ROOT and path.parent.parent != ROOT and "generated" not in path.parts
    }
    assert {row[0].strip("`") for row in INNER} == found


def test_every_file_that_the_page_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/])([a-z_]\w*(?:/\w+)+\.(?:py|md))", text)
    assert len(named) > 20
    homes = [ROOT, *(ROOT / package for package in PACKAGES)]
    assert [name for name in named if not any((home / name).is_file() for home in homes)] == []


def folders() -> Iterator[Path]:
    """Return the folders with modules."""
    yield from sorted({path.parent for path in modules(generated=True).values()})


def test_a_folder_holds_few_modules() -> None:
    tests = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    crowded = {str(path.relative_to(ROOT)): len(list(path.glob("*.py"))) for path in {*folders(), *tests}}
    for name in CROWDED:
        del crowded[name]
    assert {name: count for name, count in crowded.items() if count > MOST_MODULES} == {}


def test_the_library_knows_nothing_of_the_command_line() -> None:
    for name, path in modules(generated=True).items():
        if name.startswith("mxgateway."):
            assert not [other for other in imports(name, path, for_types=True) if other.startswith("mxgateway_cli")], (
                name
            )


def test_the_package_itself_loads_nothing_of_its_own_until_a_name_is_used() -> None:
    found = imports("mxgateway", modules()["mxgateway"])
    assert {name for name in found if name.startswith("mxgateway")} == set()


def test_the_command_line_knows_public_names_only() -> None:
    for name, path in modules().items():
        if name.split(".")[0] == "mxgateway_cli":
            found = imports(name, path)
            assert {other for other in found if other.split(".")[0] == "mxgateway"} <= PUBLIC, name
            assert not {other for other in found if other.split(".")[0] in ("grpclib", "betterproto", "h2", "hpack")}, (
                name
            )


def test_a_forbidden_import_would_be_noticed() -> None:
    assert "transport" in {
        room(name) for name in imports("mxgateway.session", modules()["mxgateway.session"], for_types=True)
    }
    assert "transport" not in ALLOWED["mxgateway"]["simulator"]
