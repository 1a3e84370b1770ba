"""Turns the output of betterproto's plugin into the Python modules that are committed."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

SERVICES_MODULE = "_services.py"

# When two packages define a name, `mxgateway.proto` takes it from the first of these.
PRECEDENCE = ("mxaccess_gateway", "galaxy_repository", "mxaccess_worker")

SERVICE_BASES = ("betterproto.ServiceStub", "ServiceBase")
BETTERPROTO = "from mxgateway.wire.messages.betterproto_seam import betterproto"
# The plugin's text, our replacement, and the import that the replacement needs.
REPLACEMENTS = (
    (
        "@dataclass(eq=False, repr=False)\n",
        "@_message_type\n",
        "from mxgateway.wire.messages.message import message_type as _message_type",
    ),
    ("(betterproto.Message):", "(_Message):", "from mxgateway.wire.messages.message import Message as _Message"),
    ("(betterproto.Enum):", "(_Enum):", "from mxgateway.wire.messages.enums import Enum as _Enum"),
)


def finished_modules(
    path: str, source: str, header: str, unpacked: Mapping[str, Mapping[str, Sequence[int]]]
) -> Iterator[tuple[str, str]]:
    """Yield the path and source of each committed module for one package of the plugin's output.

    Our header replaces the plugin's. Messages get the wire layer's base and decorator, because betterproto's own
    computes an attribute's meaning at each read. Enums get a base that type checkers understand. Stubs and service bases
    need grpclib's client and server, so they go into a separate module that is loaded on first use. `unpacked` has the
    numbers of the unpacked lists of numbers, by package and by class; a class with such lists names them.
    """
    header += "".join(line for line in source.splitlines(keepends=True)[:4] if line.startswith("# sources: "))
    statements = ast.parse(source).body
    classes = [node for node in statements if isinstance(node, ast.ClassDef)]
    imports = [node for node in statements if not isinstance(node, ast.ClassDef)]
    services = [node for node in classes if ast.unparse(node.bases[0]) in SERVICE_BASES]
    types = [node for node in classes if node not in services]
    body = _texts(source, types, unpacked.get(_package(path), {}))
    for original, ours, line in REPLACEMENTS:
        if original in body:
            body = f"{line}\n{body.replace(original, ours)}"
    if services:
        body += "\n\n" + _lazy({"._services": sorted(node.name for node in services)})
    yield path, header + _imports(imports, body) + body
    if services:
        body = _texts(source, services)
        body = _from_import(".", _used_names(body).intersection(node.name for node in types)) + body
        yield path.replace("__init__.py", SERVICES_MODULE), header + _imports(imports, body) + body


def _texts(source: str, classes: Iterable[ast.ClassDef], unpacked: Mapping[str, Sequence[int]] = {}) -> str:
    lines = source.splitlines(keepends=True)
    starts = ((node, min([node.lineno, *(each.lineno for each in node.decorator_list)])) for node in classes)
    return "".join(
        "\n\n" + "".join(lines[start - 1 : node.end_lineno]) + _mark(unpacked.get(node.name)) for node, start in starts
    )


def _mark(numbers: Sequence[int] | None) -> str:
    return f"\n    __unpacked__ = ({', '.join(map(str, numbers))},)\n" if numbers else ""


def _imports(statements: Iterable[ast.stmt], body: str) -> str:
    """Return the import lines that `body` needs; betterproto is imported through the wire layer."""
    used = _used_names(body)
    if any(isinstance(node, ast.If) and _needed(node, used) for node in statements):
        used.add("TYPE_CHECKING")
    lines = [ast.unparse(needed) for node in statements if (needed := _needed(node, used))]
    return "".join(f"{BETTERPROTO if line == 'import betterproto' else line}\n" for line in ["", *lines])


def _needed(node: ast.stmt, used: set[str]) -> ast.stmt | None:
    """Return an import statement without its unused names; None if no name is left."""
    if isinstance(node, ast.If):
        body = [each for each in (_needed(each, used) for each in node.body) if each]
        return ast.If(node.test, body, []) if body else None
    assert isinstance(node, ast.Import | ast.ImportFrom)
    names = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in used]
    if not names:
        return None
    return ast.Import(names) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, names, node.level)


def _used_names(source: str) -> set[str]:
    """Return every name in a source text, quoted annotations included."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and node not in docstrings]
    quoted = {word for text in texts if isinstance(text, str) for word in re.findall(r"\w+", text)}
    return quoted | {node.id for node in nodes if isinstance(node, ast.Name)}


def flat_module(sources: Mapping[str, str], header: str) -> str:
    """Return the source of the module that maps every name to its package, for `mxgateway.proto`."""
    owners: dict[str, str] = {}
    homes: dict[str, list[str]] = {}
    for path in sorted(sources, key=_precedence):
        package = _package(path)
        defined = _class_names(sources[path])
        names = [name for name in defined if name not in owners]
        for name in sorted({*defined}.difference(names)):
            print(f"note: mxgateway.proto.{name} is taken from {owners[name]}, not from {package}", file=sys.stderr)
        owners.update(dict.fromkeys(names, package))
        if names:
            homes[f".{package}"] = names
    exported = "".join(f'    "{name}",\n' for name in sorted(owners))
    return f"{header}\nfrom typing import TYPE_CHECKING\n\n{_lazy(homes)}\n__all__ = [\n{exported}]\n"


def _lazy(homes: Mapping[str, Iterable[str]]) -> str:
    """Return source that re-exports names of other modules and loads each module on first use."""
    declared = "".join(_from_import(module, names) for module, names in homes.items())
    listed = "".join(
        f'            "{module}": (\n' + "".join(f'                "{name}",\n' for name in names) + "            ),\n"
        for module, names in homes.items()
    )
    return (
        f"if TYPE_CHECKING:\n{textwrap.indent(declared, '    ')}else:\n"
        "    from mxgateway.system.lazy_names import lazy_names as _lazy_names\n\n"
        "    __getattr__, __dir__ = _lazy_names(\n        __name__,\n        {\n" + listed + "        },\n    )\n"
    )


def _package(path: str) -> str:
    return path.removesuffix("/__init__.py").replace("/", ".")


def _from_import(module: str, names: Iterable[str]) -> str:
    listed = "".join(f"    {name} as {name},\n" for name in sorted(names))
    return f"from {module} import (\n{listed})\n" if listed else ""


def _precedence(path: str) -> tuple[int, str]:
    package = path.partition("/")[0]
    return (PRECEDENCE.index(package) if package in PRECEDENCE else len(PRECEDENCE), path)


def _class_names(source: str) -> list[str]:
    return sorted(node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
