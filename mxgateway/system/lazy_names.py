"""Names and modules that are imported on first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a module.

    Args:
        module: Its name.
        homes: For each other module, absolute or relative, the names that come from it.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    namespace = vars(sys.modules[module])

    def get(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        # The next access finds it in the namespace and does not call this.
        value = namespace[name] = getattr(import_module(home, namespace["__package__"]), name)
        return value

    def list_names() -> list[str]:
        return sorted({*namespace, *home_of})

    return get, list_names


class LazyModule:
    """A module that is imported on first use. Annotations refer to it, so that `typing.get_type_hints` can resolve them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the module."""
        return getattr(import_module(self._name), name)
