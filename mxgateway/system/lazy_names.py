"""Names of other modules that a module has without loading them before they are used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a module.

    Args:
        module: Its name.
        homes: The names that it has from each other module, which may be named relative to it.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    namespace = vars(sys.modules[module])

    def get(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        # The next use finds it without coming here.
        value = namespace[name] = getattr(import_module(home, namespace["__package__"]), name)
        return value

    def list_names() -> list[str]:
        return sorted({*namespace, *home_of})

    return get, list_names
