"""Dataclasses whose generated attributes are computed on first use.

A contract has a hundred message types, and a program uses ten. `dataclass` accounts for most of their import time; here
it runs only for the types in use.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import sys
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

C = TypeVar("C", bound=type[Any])

_DECLARED: Final = "_declared_fields"
"""The class attribute that holds the class's own fields and the options for `dataclass`."""

_MADE: Final = (
    "__dataclass_fields__",
    "__dataclass_params__",
    "__match_args__",
    *(["__replace__"] if sys.version_info >= (3, 13) else []),
)


def declare_fields(cls: type[Any], **options: bool) -> dict[str, dataclasses.Field[Any]]:
    """Record the `dataclasses.field` values in a class's body, and return them.

    Args:
        cls: The class; it derives from `LazyDataclass`, or `dataclass` decorates it.
        options: Options for `dataclasses.dataclass`.
    """
    fields = {name: field for name, field in vars(cls).items() if isinstance(field, dataclasses.Field)}
    setattr(cls, _DECLARED, (fields, options))
    return fields


def has_fields(cls: type[Any]) -> bool:
    """Return whether a class or one of its bases declares a field."""
    return any(_DECLARED in vars(base) and vars(base)[_DECLARED][0] for base in cls.__mro__)


def dataclass(**options: bool) -> Callable[[C], C]:
    """Replace `dataclasses.dataclass` for a class whose bases are not dataclasses; this includes the constructor."""

    def decorate(cls: C) -> C:
        for name, field in declare_fields(cls, **options).items():
            setattr(cls, name, field.default)
        # `dataclass` uses the signature as docstring of a class without one.
        for name in (*_MADE, "__init__", *(() if cls.__doc__ else ("__doc__",))):
            setattr(cls, name, _OnFirstUse(name))
        return cls

    return decorate


class _OnFirstUse:
    """Placeholder for an attribute that `dataclass` makes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        declaring = next((base for base in owner.__mro__ if _DECLARED in vars(base)), None)
        if declaring is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}")
        _complete(declaring)
        return getattr(owner if instance is None else instance, self._name)


class LazyDataclass:
    """Base of classes with their own constructors, whose fields are declared by `declare_fields`."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def _unreadable(self) -> Container[str]:
        """Return the names of fields that raise AttributeError when they are read: members of a oneof that are not set."""
        return ()

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with some fields changed; a changed member of a oneof unsets the others."""
        made = copy.copy(self)
        for name, value in changes.items():
            if name not in type(self).__dataclass_fields__:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(made, name, value)
        return made


class _Fields:
    """The fields of a class, for `dataclasses`; of an instance those that can be read."""

    def __init__(self, fields: dict[str, dataclasses.Field[Any]]) -> None:
        self._fields = fields

    def __get__(self, instance: LazyDataclass | None, owner: type[Any]) -> dict[str, dataclasses.Field[Any]]:
        if instance is None or not (unreadable := instance._unreadable()):
            return self._fields
        return {name: field for name, field in self._fields.items() if name not in unreadable}


for _name in {*_MADE} - {"__replace__"}:
    setattr(LazyDataclass, _name, _OnFirstUse(_name))
# betterproto resolves the annotations of every base class in the module of the generated one.
LazyDataclass.__annotations__ = {}


def _complete(cls: type[Any]) -> None:
    own, options = vars(cls)[_DECLARED]
    annotations = inspect.get_annotations(cls)
    # The attributes are copied from a class that `dataclass` completed: other threads never see a partial one.
    body = {name: getattr(cls, name) for name in ("__module__", "__post_init__", "__qualname__")}
    described = not isinstance(vars(cls)["__doc__"], _OnFirstUse)
    body["__doc__"] = cls.__doc__ if described else None
    body["__annotations__"] = {name: annotations[name] for name in own}
    plain: Any = dataclasses.dataclass(**options)(type(cls.__name__, (), {**own, **body}))
    fields: dict[str, dataclasses.Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        fields.update(getattr(base, "__dataclass_fields__", {}))
    fields.update(plain.__dataclass_fields__)
    made = {name: getattr(plain, name) for name in _MADE}
    made["__match_args__"] = tuple(name for name, field in fields.items() if field.init)
    made["__dataclass_fields__"] = fields
    if options.get("init", True):
        made["__init__"] = plain.__init__
    if not described:
        made["__doc__"] = plain.__doc__
    if issubclass(cls, LazyDataclass):
        made["__dataclass_fields__"] = _Fields(fields)
        made.pop("__replace__", None)
    for name, value in made.items():
        setattr(cls, name, value)
