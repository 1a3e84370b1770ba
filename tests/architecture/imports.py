"""What each module of the project imports when it runs, read from its source."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("mxgateway", "mxgateway_cli")


@functools.cache
def modules(*, generated: bool = False) -> dict[str, Path]:
    """Return the project's source files by the names of their modules.

    Args:
        generated: With what was generated from the contract.
    """
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if generated or not name.startswith("mxgateway.generated"):
                found[name] = path
    return found


def imports(module: str, path: Path, *, at_top_only: bool = False) -> set[str]:
    """Return the modules that a module imports at run time; what is for type checkers alone does not count.

    Args:
        module: The module's name.
        path: Its source.
        at_top_only: Leave out what functions import when they are called.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), at_top_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(package, node)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                found.add(name if name in modules(generated=True) else base)
    return found


def _base(package: str, node: ast.ImportFrom) -> str:
    """Return the full name of the module that a ``from`` names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def _nodes(tree: ast.AST, at_top_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _nodes(other, at_top_only)
        elif not (at_top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield node
            yield from _nodes(node, at_top_only)
