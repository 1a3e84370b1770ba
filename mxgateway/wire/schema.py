"""betterproto's metadata of a message, read once and arranged for a codec.

betterproto keeps metadata in dataclass fields, and types in annotations that name classes of other modules. A schema is
read from them on first use. The classes of its fields are resolved one by one as they are needed, so a reply with fifty
possible payloads costs only the one received.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, cached_property
from struct import Struct
from typing import Any, Final, ForwardRef

from mxgateway.wire.messages.betterproto_seam import betterproto
from mxgateway.wire.times.duration import Duration
from mxgateway.wire.times.timestamp import Timestamp

DEPTH_LIMIT: Final = 100
"""Most levels of nested messages, as in every protobuf implementation."""

SIZE_LIMIT: Final = 0x7FFF_FFFF
"""Most bytes in a protobuf message."""

VARINT: Final = 0
FIXED_64: Final = 1
LENGTH: Final = 2
FIXED_32: Final = 5

# The last five of these kinds are ours: betterproto has one proto type for all of them.
TIMESTAMP: Final = "timestamp"
DURATION: Final = "duration"
WRAPPER: Final = "wrapper"
MESSAGE: Final = betterproto.TYPE_MESSAGE
MAP: Final = betterproto.TYPE_MAP
COMPOSITE_KINDS: Final = frozenset({MESSAGE, TIMESTAMP, DURATION, WRAPPER})

VARINT_KINDS: Final = frozenset({"int32", "int64", "uint32", "uint64", "sint32", "sint64", "bool", "enum"})
FIXED_FORMATS: Final[Mapping[str, str]] = {
    "double": "d",
    "float": "f",
    "fixed32": "I",
    "fixed64": "Q",
    "sfixed32": "i",
    "sfixed64": "q",
}
FIXED_STRUCTS: Final = {kind: Struct(f"<{letter}") for kind, letter in FIXED_FORMATS.items()}
PACKABLE_KINDS: Final = VARINT_KINDS | FIXED_FORMATS.keys()

_ZEROS: Final[Mapping[str, Any]] = {"bool": False, "double": 0.0, "float": 0.0, "string": "", "bytes": b""}


class FieldSchema:
    """One field of a message, as declared by its class, or as numbered by a bound contract.

    Attributes:
        name: The attribute's name in Python.
        number: The field's number.
        optional: Whether it was declared `optional`, so that zero differs from unset.
        group: The oneof that contains it, or an empty string.
        owner: The message class that declares it.
        schemas: Returns the schema of the field's own message type.
        packed: Whether a list of numbers is written packed.

    Raises:
        TypeError: The name is not an identifier: it would become code in a codec's source.
    """

    def __init__(self, owner: type[Any], annotation: Any, name: str, meta: betterproto.FieldMetadata) -> None:
        if not name.isidentifier():
            raise TypeError(f"{owner.__name__} has a field {name!r:.100}, which is not an identifier")
        self.owner = owner
        self.name = name
        self.number = meta.number
        self.optional = bool(meta.optional)
        self.group = meta.group or ""
        self.schemas: Schemas = schema_of
        self.packed = meta.number not in getattr(owner, "__unpacked__", ())
        self._meta = meta
        self._annotation = annotation

    def __repr__(self) -> str:
        return f"<{self.owner.__name__}.{self.name} = {self.number}>"

    @cached_property
    def python_type(self) -> Any:
        """The Python type of one value: a message, an enum, datetime, timedelta, or a scalar's type."""
        return self._types[-1]

    @cached_property
    def repeated(self) -> bool:
        """Whether the field holds a list."""
        return typing.get_origin(_resolved(self.owner, self._annotation)) is list

    @cached_property
    def kind(self) -> str:
        """The proto type; message types are divided into message, timestamp, duration, wrapper and map."""
        kind = self._meta.proto_type
        if kind != MESSAGE:
            return kind
        if self._meta.wraps:
            return WRAPPER
        python_type = self.python_type
        if python_type is datetime:
            return TIMESTAMP
        if python_type is timedelta:
            return DURATION
        if isinstance(python_type, type) and issubclass(python_type, betterproto.Message):
            return MESSAGE
        raise TypeError(f"{self.owner.__name__}.{self.name} is annotated with {python_type!r}, which is not a message")

    @cached_property
    def key(self) -> FieldSchema:
        """The key of a map's entries."""
        return self._entry_field("key", 0)

    @cached_property
    def value(self) -> FieldSchema:
        """The value of a map's entries, or what a wrapper holds."""
        if self.kind == MAP:
            return self._entry_field("value", 1)
        assert self._meta.wraps
        return FieldSchema(self.owner, self.python_type, "value", betterproto.FieldMetadata(1, self._meta.wraps))

    @cached_property
    def wire_type(self) -> int:
        """The wire type of one value."""
        return wire_type_of(self.kind)

    @cached_property
    def body(self) -> MessageSchema:
        """The content of one length-delimited value: a message, seconds and nanos, or a map entry."""
        kind = self.kind
        if kind == TIMESTAMP:
            return TIMESTAMP_SCHEMA
        if kind == DURATION:
            return DURATION_SCHEMA
        if kind == MESSAGE:
            return self.schemas(self.python_type)
        parts = [self.key, self.value] if kind == MAP else [self.value]
        return MessageSchema(self.owner, parts, f"{self.owner.__name__}.{self.name}")

    @cached_property
    def members(self) -> Mapping[int, Any]:
        """The members of an enum field by their number on the wire."""
        return _enum_table(self.python_type)

    @cached_property
    def take(self) -> Callable[[Any], Any] | None:
        """Converts a value read as `kind` to the field's value; None if no conversion is needed."""
        return self.members.__getitem__ if self.kind == "enum" else None

    give: Callable[[Any], Any] | None = None
    """Converts the field's value to one that is written as `kind`; None if no conversion is needed."""

    @property
    def packable(self) -> bool:
        """Whether several values may be packed into one length-delimited list."""
        return self.repeated and self.kind in PACKABLE_KINDS

    @cached_property
    def has_presence(self) -> bool:
        """Whether a set zero differs from unset."""
        if self.repeated or self.kind == MAP:
            return False
        return self.optional or bool(self.group) or self.is_merged

    @property
    def is_merged(self) -> bool:
        """Whether the value may arrive in several parts that are merged."""
        return self.kind in COMPOSITE_KINDS and not self.repeated

    def zero(self) -> Any:
        """Return betterproto's value for a field that was never set."""
        if self.kind == MAP:
            return {}
        if self.repeated:
            return []
        if self.optional or self.kind == WRAPPER:
            return None
        return self.zero_value()

    def zero_value(self) -> Any:
        """Return the zero of a single value, whatever the field's label."""
        kind = self.kind
        if kind == MESSAGE:
            return untouched(self.python_type)
        if kind == "enum":
            return self.python_type.try_value(0)
        if kind == TIMESTAMP:
            return _EPOCH
        if kind == DURATION:
            return _NO_TIME
        return self.value.zero_value() if kind == WRAPPER else _ZEROS.get(kind, 0)

    @cached_property
    def _types(self) -> tuple[Any, ...]:
        types: tuple[Any, ...] = (_resolved(self.owner, self._annotation),)
        # List[X], Dict[K, X] and Optional[X]; Optional also inside the others.
        while arguments := typing.get_args(types[-1]):
            types = tuple(_resolved(self.owner, each) for each in arguments if each is not type(None))
        return types

    def _entry_field(self, name: str, place: int) -> FieldSchema:
        assert self._meta.map_types is not None
        meta = betterproto.FieldMetadata(place + 1, self._meta.map_types[place])
        annotation = typing.get_args(_resolved(self.owner, self._annotation))[place]
        if meta.proto_type == MESSAGE and typing.get_args(_resolved(self.owner, annotation)):
            raise TypeError(
                f"{self.owner.__name__}.{self.name}: betterproto does not record which wrapper the map holds"
            )
        return FieldSchema(self.owner, annotation, name, meta)


class EnumTable(dict[int, Any]):
    """The members of an enum by number; unknown numbers give a nameless member that is not stored."""

    def __init__(self, enum_type: Any) -> None:
        super().__init__({member.value: member for member in enum_type})
        self._enum_type = enum_type

    def __missing__(self, number: int) -> Any:
        return self._enum_type.try_value(number)


_enum_table: Final = cache(EnumTable)


class UnknownFields(bytes):
    """The fields of a received message that its class does not have but the peer's contract may name."""

    in_json: Callable[[], dict[str, Any]]
    """Returns them by their JSON names, as far as the contract names them."""
    named: Collection[int] = ()
    """The numbers that the contract names."""

    def __deepcopy__(self, memo: object) -> UnknownFields:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return bytes, (bytes(self),)  # the names are not pickled


class MessageSchema:
    """A message type: its fields in the order of their numbers, and its oneofs.

    Attributes:
        message_type: The message class.
        name: Its name in errors.
        fields: The fields by number, ascending.
        by_name: The fields by name, in the order of their declaration.
        by_number: The fields by number.
        groups: The names of the fields of each oneof, in the order of their declaration.
        group_of: The oneof of each field that is in one.
        lacking: The fields that the peer's contract does not have; a message that sets one cannot be sent.
        keep: Converts the bytes of unknown fields for storage in a message; None to store the bytes.
    """

    def __init__(
        self, message_type: type[Any], fields: list[FieldSchema], name: str = "", lacking: Sequence[FieldSchema] = ()
    ) -> None:
        self.message_type = message_type
        self.name = name or message_type.__name__
        self.lacking = {field.name: field for field in lacking}
        self.keep: Callable[[bytes], bytes] | None = None
        self.by_name = {field.name: field for field in fields}
        self.fields = sorted(fields, key=lambda field: field.number)
        self.by_number = {field.number: field for field in self.fields}
        self.groups: dict[str, list[str]] = {}
        self.group_of = {field.name: field.group for field in fields if field.group}
        for name, group in self.group_of.items():
            self.groups.setdefault(group, []).append(name)

    def __repr__(self) -> str:
        return f"<schema of {self.name}>"

    @cached_property
    def is_message(self) -> bool:
        """Whether this is a whole message class, not the inner fields of a time, a wrapper or a map entry."""
        is_class = isinstance(self.message_type, type) and issubclass(self.message_type, betterproto.Message)
        return is_class and self.name == self.message_type.__name__


def schema_of(message_type: type[Any]) -> MessageSchema:
    """Return the schema of a message class, read once.

    Raises:
        TypeError: The class is not a betterproto message.
    """
    try:
        return _SCHEMAS[message_type]
    except KeyError:
        pass
    if not (isinstance(message_type, type) and issubclass(message_type, betterproto.Message)):
        raise TypeError(f"{message_type!r} is not a betterproto message type")
    annotations = {
        name: (base, annotation)
        for base in reversed(message_type.__mro__)
        for name, annotation in inspect.get_annotations(base).items()
    }
    fields = [
        FieldSchema(*annotations[field.name], field.name, field.metadata["betterproto"])
        for field in dataclasses.fields(message_type)  # type: ignore[arg-type]
    ]
    schema = _SCHEMAS[message_type] = MessageSchema(message_type, fields)
    return schema


def wire_type_of(kind: str) -> int:
    """Return the wire type of one value of a kind."""
    if kind in VARINT_KINDS:
        return VARINT
    if kind in FIXED_FORMATS:
        return FIXED_64 if kind in ("double", "fixed64", "sfixed64") else FIXED_32
    return LENGTH


def is_message(value: object) -> bool:
    """Return whether a value is a message of any generated class.

    `isinstance` would compare the value's type with every message class of the contract.
    """
    return betterproto.Message in type(value).__mro__


def is_lean(message_type: type[Any]) -> bool:
    """Return whether a message class has our base, whose instances hold only set fields."""
    return hasattr(message_type, "__lean__")


def untouched(message_type: type[Any]) -> Any:
    """Return a message as if read from an unset field: empty, and not sent.

    It bypasses the constructor, which warns if the message is deprecated.
    """
    return built(message_type, {"_serialized_on_wire": False})


def built(message_type: type[Any], state: dict[str, Any]) -> Any:
    """Return a message with this state, completed as the constructor of betterproto's own base class would."""
    message = object.__new__(message_type)
    if not is_lean(message_type):
        schema = schema_of(message_type)
        current = {schema.group_of[name]: name for name in state if name in schema.group_of}
        groups = dict.fromkeys(schema.groups) | current
        state = {"_serialized_on_wire": True, "_unknown_fields": b"", "_group_current": groups, **state}
    instance_dict(message).update(state)
    return message


# betterproto's own attribute access is a slow Python function: this is the slot below it.
instance_dict: Callable[[Any], dict[str, Any]] = betterproto.Message.__dict__["__dict__"].__get__

Schemas = Callable[[type[Any]], MessageSchema]
"""Returns the schema of a message type."""

_SCHEMAS: dict[type[Any], MessageSchema] = {}
_EPOCH: Final = Timestamp.from_parts(0, 0)
_NO_TIME: Final = timedelta(0)


def _boxed(name: str, python_type: type[Any], **kinds: str) -> MessageSchema:
    fields = [
        FieldSchema(python_type, int, field, betterproto.FieldMetadata(number, kind))
        for number, (field, kind) in enumerate(kinds.items(), 1)
    ]
    return MessageSchema(python_type, fields, name)


TIMESTAMP_SCHEMA: Final = _boxed("Timestamp", Timestamp, seconds="int64", nanos="int32")
DURATION_SCHEMA: Final = _boxed("Duration", Duration, seconds="int64", nanos="int32")


def _resolved(owner: type[Any], annotation: Any) -> Any:
    """Evaluate an annotation in the module of its class."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    namespace = vars(sys.modules[owner.__module__])
    first, _, rest = annotation.partition(".")
    found = namespace.get(first)
    for part in rest.split(".") if rest else ():
        found = getattr(found, part, None)
    if found is not None:
        return found
    # An expression such as "list[X] | None", from a plugin with that style of annotations.
    return typing.get_type_hints(type("_", (), {"__annotations__": {"it": annotation}}), namespace)["it"]
