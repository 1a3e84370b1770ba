"""Imports betterproto without its expensive, unused dependencies.

On import, betterproto asks importlib.metadata for its own version, loads json and a date parser that only its own JSON
code uses, loads typing_extensions for names that `typing` has, and makes dataclasses of google's sixty message types,
of which few programs use one. Together this costs several times betterproto's own import. While it is imported here,
stand-ins replace these modules, and the sixty types become dataclasses on first use. Afterwards the stand-ins are
removed, so later imports get the real modules; references that betterproto kept call the real ones. If betterproto was
imported before, nothing is done.

Every module of ours that uses betterproto imports it from here, generated ones too.
"""

from __future__ import annotations

import os.path
import sys
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import get_ident
from types import CodeType, ModuleType
from typing import Any, Final

__all__ = ["PINNED_VERSION", "PLACEHOLDER", "Enum", "FieldMetadata", "Message", "betterproto", "google"]

PINNED_VERSION: Final = "2.0.0b7"
"""The version that our distribution requires and whose import is known; other versions are imported normally."""


class StandIn(ModuleType):
    """Replaces a module: it provides some names itself and gets the others from the real module.

    Args:
        name: The module's name.
        names: The names that it provides itself.
    """

    def __init__(self, name: str, **names: Any) -> None:
        super().__init__(name)
        vars(self).update(names)
        self._maker = get_ident()

    def __getattr__(self, name: str) -> Any:
        """Load the real module for a name."""
        # The import system asks every module whether it is a package. Another thread may be importing a module of the
        # package, so give it the real module's answer.
        if name == "__path__" and get_ident() == self._maker:
            raise AttributeError(name)
        self.withdraw()
        return getattr(import_module(self.__name__), name)

    def withdraw(self) -> None:
        """Remove the stand-in in favour of the real module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class GoogleFinder:
    """Finds only the module of google's message types, for `GoogleLoader`."""

    MODULE: Final = "betterproto.lib.std.google.protobuf"

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, _: ModuleType | None = None) -> ModuleSpec | None:
        """Return the module's spec; None for any other module."""
        spec = PathFinder.find_spec(name, path) if name == cls.MODULE else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = GoogleLoader(name, spec.loader.path)
        return spec


class GoogleLoader(SourceFileLoader):
    """Loads a module whose `from dataclasses import dataclass` means the lazy one."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code."""
        code = super().get_code(fullname)
        lazy = {"dataclasses": "mxgateway.wire.messages.lazy_dataclass"}
        return code and code.replace(co_names=tuple(lazy.get(name, name) for name in code.co_names))


@contextmanager
def stand_ins() -> Iterator[None]:
    """Replace what is not loaded yet by stand-ins while the block runs."""
    if "betterproto" in sys.modules or not _is_pinned_version():
        yield
        return
    placed = [each for each in _made() if each.__name__ not in sys.modules]
    sys.modules.update({each.__name__: each for each in placed})
    sys.meta_path.insert(0, GoogleFinder)
    try:
        yield
    finally:
        sys.meta_path.remove(GoogleFinder)
        for each in placed:
            each.withdraw()


def _made() -> Iterator[StandIn]:
    yield StandIn("betterproto._version", __version__=PINNED_VERSION)
    yield StandIn("json")
    yield StandIn("dateutil.parser", isoparse=_isoparse)
    yield StandIn("typing_extensions", Concatenate=typing.Concatenate, ParamSpec=typing.ParamSpec, Self=typing.Self)


def _is_pinned_version() -> bool:
    """Return whether the installed betterproto is the version that we require."""
    spec = PathFinder.find_spec("betterproto")
    places = spec.submodule_search_locations if spec is not None else None
    name = f"betterproto-{PINNED_VERSION}.dist-info"
    return any(os.path.isfile(os.path.join(os.path.dirname(place), name, "METADATA")) for place in places or ())


def _isoparse(text: str) -> Any:
    return import_module("dateutil.parser").isoparse(text)


with stand_ins():
    import betterproto
    from betterproto import PLACEHOLDER, Enum, FieldMetadata, Message
    from betterproto.lib.google import protobuf as google
