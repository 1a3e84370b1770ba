"""What is declared, what is installed and what is imported agree, and nothing that is known to be faulty is let in."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.rows import each_row

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRED = {each.name: each for each in map(Requirement, PROJECT["dependencies"])}
EXTRAS = [Requirement(text) for texts in PROJECT["optional-dependencies"].values() for text in texts]
OTHERS = [each for each in EXTRAS if each.name != PROJECT["name"] and (each.marker is None or each.marker.evaluate())]

FAULTY = {
    "h2": "4.2.0",  # lets headers with line feeds through: request smuggling
    "hpack": "4.1.0",  # computes numbers without end, and logs headers that are marked as sensitive
    "hyperframe": "6.0.1",
    "multidict": "6.7.0",  # loses memory with every entry that is popped
    "grpclib": "0.4.8",  # the seam is written for the one that follows
    "click": "8.1.3",  # takes no arguments of a class of one's own
}
"""The last version of each that must not be installed beside this one."""


@each_row(("name", "version"), FAULTY.items())
def test_the_last_faulty_version_is_below_the_floor(name: str, version: str) -> None:
    assert not REQUIRED[name].specifier.contains(version)


@each_row("name", REQUIRED)
def test_what_is_installed_is_what_is_declared(name: str) -> None:
    installed = importlib.metadata.version(name)
    assert REQUIRED[name].specifier.contains(installed, prereleases=True), f"{name} {installed} is installed"


@pytest.mark.parametrize("requirement", OTHERS, ids=str)
def test_what_is_installed_for_tests_and_tools_is_what_is_declared(requirement: Requirement) -> None:
    try:
        installed = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{requirement.name} is not installed here")
    assert requirement.specifier.contains(installed, prereleases=True), f"{requirement.name} {installed} is installed"


def test_what_is_below_what_is_declared_agrees_with_it() -> None:
    for name in REQUIRED:
        for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed, prereleases=True), f"{name} wants {requirement}"


def test_everything_that_is_imported_is_declared() -> None:
    imported = set[str]()
    for folder in ("mxgateway", "mxgateway_cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    imported.add(node.module)
    modules = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"mxgateway", "mxgateway_cli"}
    assert modules - {"_typeshed"} - _OPTIONAL <= set(REQUIRED)


_OPTIONAL = {"PyInstaller", "pytest", "uvloop"}
"""What users bring along: the tool that finds its hooks here, the plugin for pytest, another event loop."""
