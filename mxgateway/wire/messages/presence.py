"""Field presence, which betterproto's attributes do not show."""

from __future__ import annotations

from typing import Any

from mxgateway.wire.encode.reference_writer import holds_something
from mxgateway.wire.schema import instance_dict, is_lean, schema_of


def has_field(message: Any, name: str) -> bool:
    """Return whether a field with presence is set, even to zero.

    Such fields are sub-messages, times, wrappers, members of oneofs, and `optional` fields. An unset time differs from
    the epoch, and a sub-message that was only read from one that will be sent.

    Args:
        message: A message of any generated class.
        name: The field's name.

    Raises:
        ValueError: There is no such field, or it has no presence: a plain scalar, a list, a map.
    """
    schema = schema_of(type(message))
    field = schema.by_name.get(name)
    if field is None:
        raise ValueError(f"{schema.name} has no field {name!r}")
    if not field.has_presence:
        raise ValueError(f"{schema.name}.{name} has no presence: zero and unset are the same")
    return holds_something(field, instance_dict(message), stock=not is_lean(type(message)))


def which_one_of(message: Any, group: str) -> str:
    """Return the name of the set member of a oneof, or an empty string.

    Raises:
        ValueError: The message type has no such oneof.
    """
    schema = schema_of(type(message))
    if group not in schema.groups:
        raise ValueError(f"{schema.name} has no oneof {group!r}")
    state = instance_dict(message)
    if not is_lean(type(message)):
        return state["_group_current"][group] or ""
    group_of = schema.group_of
    for name in reversed(state):  # in a decoded message it is after the plain fields
        if group_of.get(name) == group:
            return name
    return ""
