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
        generated: With what was generated from the contracts.
    """
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if generated or "generated" not in parts:
                found[name] = path
    return found


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return a source file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: str, path: Path, *, at_top_only: bool = False, for_types: bool = False) -> set[str]:
    """Return the modules that a module imports at run time.

    Args:
        module: The module's name.
        path: Its source.
        at_top_only: Leave out what functions import when they are called.
        for_types: With what it imports for type checkers alone.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    parsed = tree(path)
    for node in ast.walk(parsed) if for_types else _nodes(parsed, at_top_only):
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


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the groups of nodes that can all be reached from one another; `graph` has for each node where its arrows point to."""
    ahead = _in_order_of_leaving(graph)
    back: dict[str, set[str]] = {node: set() for node in graph}
    for node, others in graph.items():
        for other in others:
            back[other].add(node)
    found, seen = set(), set[str]()
    for start in reversed(ahead):
        group = _reached(start, back, seen)
        if len(group) > 1:
            found.add(frozenset(group))
    return found


def _in_order_of_leaving(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes in the order in which a walk that goes deep first is done with them."""
    done: list[str] = []
    seen: set[str] = set()
    for start in graph:
        path = [] if start in seen else [(start, iter(graph[start]))]
        seen.add(start)
        while path:
            node, others = path[-1]
            other = next((each for each in others if each not in seen), None)
            if other is None:
                done.append(node)
                path.pop()
            else:
                seen.add(other)
                path.append((other, iter(graph[other])))
    return done


def _reached(start: str, graph: dict[str, set[str]], seen: set[str]) -> list[str]:
    """Return what can be reached from a node and was not seen yet, and take it as seen."""
    reached = [] if start in seen else [start]
    seen.add(start)
    for node in reached:
        new = graph[node] - seen
        seen |= new
        reached.extend(new)
    return reached
