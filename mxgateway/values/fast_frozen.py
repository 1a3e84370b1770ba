"""Fast construction of frozen dataclass instances, for places that create many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def fast_constructor(frozen: Callable[P, R]) -> Callable[P, R]:
    """Return a function that does what the constructor of a frozen dataclass with slots does, in a third of the time.

    The constructor of a frozen class calls `object.__setattr__` for every field. This fills an instance of a mutable
    class with the same slots and then changes its class.
    """
    frozen_class: Any = frozen
    mutable_class = make_dataclass("Mutable", [_declaration(each) for each in fields(frozen_class)], slots=True)

    def construct(*args: P.args, **kwargs: P.kwargs) -> R:
        instance: Any = mutable_class(*args, **kwargs)
        instance.__class__ = frozen_class
        found: R = instance
        return found

    return construct


def _declaration(of: Field[Any]) -> tuple[str, Any, Any]:
    if of.default is MISSING:
        return of.name, of.type, field(default_factory=of.default_factory) if callable(of.default_factory) else field()
    return of.name, of.type, field(default=of.default)
