"""Other projects' packages are used in few places, and the command line uses what is public."""

from __future__ import annotations

import ast
import importlib
import sys

import mxgateway
from tests.architecture.imports import PACKAGES, imports, modules, tree
from tests.rows import each_row

SEAMS = {
    "betterproto": (
        "mxgateway.wire.messages.betterproto_seam", "mxgateway.wire.messages.names", "mxgateway.generated", "mxgateway.contract",
        "mxgateway.control_protocol.generated",
    ),
    "grpclib": (
        "mxgateway.generated", "mxgateway.control_protocol.generated", "mxgateway.wire.codec", "mxgateway.transport.http2.grpclib_seam",
        "mxgateway.simulator",
    ),
    "h2": ("mxgateway.transport.http2.grpclib_seam", "mxgateway.simulator"),
    "hpack": ("mxgateway.transport.http2.grpclib_seam", "mxgateway.simulator"),
    "click": ("mxgateway_cli",),
    "rich": ("mxgateway_cli.terminal.bar", "mxgateway_cli.terminal.console", "mxgateway_cli.terminal.drawing", "mxgateway_cli.terminal.live_screen"),
    "tomlkit": ("mxgateway_cli.connecting.toml_text",),
    "pytest": ("mxgateway.testing.plugin", "mxgateway.testing.checked"),
    "PyInstaller": ("mxgateway.system.pyinstaller",),
}  # fmt: skip
"""Each package that is not ours, and the modules that may import it."""


@each_row("module", modules(generated=True))
def test_a_package_of_another_project_is_imported_behind_its_seam_only(module: str) -> None:
    found = {name.split(".")[0] for name in imports(module, modules(generated=True)[module])}
    foreign = found - set(PACKAGES) - sys.stdlib_module_names
    assert {name for name in foreign if not _may(module, name)} == set()


def _may(module: str, package: str) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in SEAMS.get(package, ()))


@each_row("place", sorted({place for places in SEAMS.values() for place in places}))
def test_a_seam_is_a_module_that_exists(place: str) -> None:
    assert any(name == place or name.startswith(f"{place}.") for name in modules(generated=True))


def test_no_module_needs_itself_to_be_loaded() -> None:
    needs = {
        name: imports(name, path, at_top_only=True) & set(modules(generated=True)) - {name}
        for name, path in modules(generated=True).items()
    }
    while ready := [name for name, needed in needs.items() if not needed & set(needs)]:
        for name in ready:
            del needs[name]
    assert needs == {}


@each_row("module", [name for name in modules() if name.startswith("mxgateway_cli")])
def test_the_command_line_reads_public_names_of_the_library_only(module: str) -> None:
    used = {
        node.attr
        for node in ast.walk(tree(modules()[module]))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mxgateway"
    }
    assert used <= {*mxgateway.__all__, "__version__"}


@each_row("module", [name for name in modules() if name.startswith("mxgateway_cli")])
def test_the_command_line_imports_public_names_of_the_library_only(module: str) -> None:
    for node in ast.walk(tree(modules()[module])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mxgateway":
            public = importlib.import_module(node.module or "")
            assert {alias.name for alias in node.names} <= set(getattr(public, "__all__", dir(public)))
