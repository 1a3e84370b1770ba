"""The base class of the generated messages: betterproto's, without its cost for every attribute access.

betterproto runs a Python function at each attribute read. Here a message's `__dict__` holds exactly the set fields, so
a read costs what it costs for any object. Unset fields are found on the class: a constant for a scalar, and for
everything else a descriptor that does what betterproto does. It creates the empty message, list or map, or raises
AttributeError for a member of a oneof that is not set.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, dataclass_transform

from mxgateway.wire.compiling.warming import ALLOWANCE, Warming
from mxgateway.wire.decode import decoder
from mxgateway.wire.encode import encoder
from mxgateway.wire.equality import same_value
from mxgateway.wire.errors import WireError
from mxgateway.wire.pydantic_schema import instance_schema, json_form
from mxgateway.wire.schema import MESSAGE, FieldSchema, instance_dict, is_lean, is_message, schema_of
from mxgateway.wire.varint import encode_varint

from .betterproto_seam import PLACEHOLDER, betterproto
from .lazy_dataclass import LazyDataclass, declare_fields, has_fields

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

M = TypeVar("M", bound="type[betterproto.Message]")

# A field whose name marks it as a credential shows these in a repr.
_HIDDEN = "***"


@dataclass_transform(eq_default=False)
def message_type(cls: M) -> M:
    """Make a class with betterproto fields a message type. Decorates every generated message."""
    cls.__doc__ = cls.__doc__ or f"{cls.__name__} message."
    for name, field in declare_fields(cls, init=False, repr=False, eq=False).items():
        setattr(cls, name, None if field.default is None else _Unset(name))
    if "__init__" not in cls.__dict__:
        cls.__init__ = _first_init  # type: ignore[method-assign,assignment]
    if not has_fields(cls):
        _FIELDLESS.add(cls)
    return cls


class _Unset:
    """The class attribute of a field; found only while the instance has no value for it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, message: Message | None, owner: type[Message]) -> Any:
        if message is None:
            return PLACEHOLDER
        field = schema_of(owner).by_name[self._name]
        if field.group:
            text = f"{field.group!r} is set to {message._group_current[field.group]!r}, not {field.name!r}"
            raise AttributeError(text, name=field.name, obj=message)
        value = field.zero()
        if isinstance(value, (list, dict)) or is_message(value):
            message.__dict__[field.name] = value
        else:
            # The next read of this field needs no call, in any message.
            setattr(owner, field.name, value)
        return value


class _GroupCurrent:
    """The name of the set member of each oneof, derived from the message's state."""

    def __get__(self, message: Message | None, owner: type[Message]) -> dict[str, str | None]:
        groups = schema_of(owner).groups
        state: Any = {} if message is None else message.__dict__
        return {group: next((name for name in names if name in state), None) for group, names in groups.items()}


class _Signature:
    """The constructor's signature, computed on demand."""

    def __get__(self, message: Message | None, owner: type[Message]) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature(
            [
                inspect.Parameter(field.name, kind, default=field.default, annotation=field.type)
                for field in dataclasses.fields(owner)
            ]
        )


class Message(LazyDataclass, betterproto.Message):
    """A betterproto message whose state is its set fields, with a compiled codec."""

    __lean__: ClassVar[bool] = True
    __unpacked__: ClassVar[tuple[int, ...]] = ()
    """The numbers of the fields whose lists of numbers the contract wants unpacked."""

    # For received messages; other values are in the instance's `__dict__`.
    _serialized_on_wire = True
    _unknown_fields = b""
    _group_current = typing.cast("dict[str, str]", _GroupCurrent())
    __signature__ = _Signature()

    if not TYPE_CHECKING:
        __getattribute__ = object.__getattribute__

    def __post_init__(self) -> None:
        """Do nothing; the constructors of deprecated messages call this."""

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if name == "_serialized_on_wire":
            state[name] = value
            return
        field = schema_of(type(self)).by_name.get(name)
        if field is not None:
            if value is PLACEHOLDER:
                state.pop(name, None)
                return
            if field.group:
                _clear_others(state, schema_of(type(self)).groups[field.group], name)
            if type(value) in _FIELDLESS:
                value.__dict__["_serialized_on_wire"] = True
        state["_serialized_on_wire"] = True
        state[name] = value

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, others, by_name = self.__dict__, instance_dict(other), schema_of(type(self)).by_name
        return all(
            _same(by_name[name], mine.get(name, PLACEHOLDER), others.get(name, PLACEHOLDER))
            for name in mine | others
            if name in by_name
        )

    def __bool__(self) -> bool:
        by_name = schema_of(type(self)).by_name
        return any(name in by_name and value != by_name[name].zero() for name, value in self.__dict__.items())

    def __repr__(self) -> str:
        parts = (f"{name}={value!r}" for name, value, unset in self.__rich_repr__() if value is not unset)
        return f"{type(self).__name__}({', '.join(parts)})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any, Any]]:
        for field in schema_of(type(self)).fields:
            value = self.__raw_get(field.name)
            is_hidden = value is not PLACEHOLDER and self._hides(field.name, value)
            yield field.name, _HIDDEN if is_hidden else value, PLACEHOLDER

    def _hides(self, name: str, value: Any) -> bool:
        """Return whether a field is secret: a password, or the value of a secured write."""
        if "password" in name:
            return isinstance(value, str) and value != ""
        return name == "value" and "Secured" in type(self).__name__

    def __copy__(self, _: Any = None) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: Any = None) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update({name: _deep_copy(value, memo) for name, value in self.__dict__.items()})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), bytes(self))

    def __bytes__(self) -> bytes:
        return encoder.encode(self)

    def __len__(self) -> int:
        return len(encoder.encode(self))

    def parse(self, data: bytes) -> Self:
        """Merge encoded bytes into this message and return the message.

        Raises:
            WireError: The bytes are not a valid message of this type.
        """
        # Protobuf defines merging as reading the concatenated bytes.
        before = encoder.encode(self)
        merged = decoder.decode(type(self), before + data if before else data)
        self.__dict__.clear()
        self.__dict__.update(merged.__dict__)
        return self

    @classmethod
    def FromString(cls, data: bytes) -> Self:
        """Return the message decoded from bytes.

        Raises:
            WireError: The bytes are not a valid message of this type.
        """
        return decoder.decode(cls, data)

    def dump(self, stream: SupportsWrite[bytes], delimit: bool = False) -> None:
        """Write the encoded message to a stream, preceded by its length if `delimit` is set."""
        data = encoder.encode(self)
        stream.write(encode_varint(len(data)) + data if delimit else data)

    def load(self, stream: SupportsRead[bytes], size: int | None = None) -> Self:
        """Read a message from a stream, merge it into this one and return it.

        Args:
            stream: The stream to read from.
            size: The message's length in bytes, None to read to the end, or betterproto's SIZE_DELIMITED.

        Raises:
            WireError: The bytes are not a valid message of this type, or fewer than `size`.
        """
        if size == betterproto.SIZE_DELIMITED:
            size, _ = betterproto.load_varint(stream)
        data = stream.read() if size is None else stream.read(size)
        if size is not None and len(data) < size:
            reason = f"the stream ends after {len(data)} of {size} bytes"
            raise WireError(reason, message_name=type(self).__name__, offset=len(data))
        return self.parse(data)

    def is_set(self, name: str) -> bool:
        """Return whether a field is set; KeyError if there is no such field."""
        field = schema_of(type(self)).by_name[name]
        return name in self.__dict__ and not (field.optional and self.__dict__[name] is None)

    def _unreadable(self) -> set[str]:
        state = self.__dict__
        groups = schema_of(type(self)).groups.values()
        return {name for members in groups for name in members if name not in state} if groups else set()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return instance_schema(cls, json_form("write"), "dict")

    # betterproto's own methods call it as well, from a class of this name.
    def __raw_get(self, name: str) -> Any:
        field = schema_of(type(self)).by_name.get(name)
        return self.__dict__.get(name, None if field is not None and field.optional else PLACEHOLDER)

    @classmethod
    @cache  # betterproto asks for all of them once per field
    def _type_hints(cls) -> dict[str, Any]:
        return super()._type_hints()


# betterproto resolves the annotations of every base class in the module of the generated one.
Message.__annotations__ = {}

# Message types without fields: assigning one is the only way to set it.
_FIELDLESS: set[type[Any]] = set()

# Compiling a constructor takes as long as about twenty uncompiled constructions.
_CONSTRUCTED: Final = Warming()
_CONSTRUCTOR_SIZE: Final = ALLOWANCE // 20


def _first_init(_self: Message, *args: Any, **fields: Any) -> None:
    """Construct a message without compiled code, or compile the class's constructor and use it."""
    cls = next(base for base in type(_self).__mro__ if base.__dict__.get("__init__") is _first_init)
    given = dict(zip(schema_of(cls).by_name, args, strict=False))
    regular = len(given) == len(args) and not given.keys() & fields and fields.keys() <= schema_of(cls).by_name.keys()
    if regular and _CONSTRUCTED.allows(cls, _CONSTRUCTOR_SIZE):
        _construct(_self, cls, given | fields)
        return
    made = cls.__init__ = _compiled_init(cls)  # type: ignore[misc]
    made(_self, *args, **fields)


def _construct(message: Message, cls: type[Message], given: dict[str, Any]) -> None:
    """Do the work of the compiled constructor, for its arguments."""
    state = message.__dict__
    schema = schema_of(cls)
    for name, field in schema.by_name.items():
        unset = None if field.optional else PLACEHOLDER
        value = given.get(name, unset)
        if value is not unset:
            if field.group:
                _clear_others(state, schema.groups[field.group], name)
            state[name] = value
            if type(value) in _FIELDLESS:
                value.__dict__["_serialized_on_wire"] = True
    if not state:
        state["_serialized_on_wire"] = False
    if cls.__post_init__ is not Message.__post_init__:
        message.__post_init__()


def _compiled_init(cls: type[Message]) -> Any:
    # Our own names start with an underscore, which betterproto strips from field names.
    fields = dataclasses.fields(cls)
    groups = list(schema_of(cls).groups)
    parameters = "".join(f", {field.name}={'None' if field.default is None else '_UNSET'}" for field in fields)
    lines = [f"def __init__(_self{parameters}):", " _state = _self.__dict__"]
    lines.extend(f" _group{place} = None" for place in range(len(groups)))
    for field in fields:
        meta = field.metadata["betterproto"]
        lines.append(f" if {field.name} is not {'None' if field.default is None else '_UNSET'}:")
        if meta.group:
            # As in betterproto, the last declared of several members of a oneof wins.
            current = f"_group{groups.index(meta.group)}"
            lines.append(f"  if {current}: del _state[{current}]")
            lines.append(f"  {current} = {field.name!r}")
        lines.append(f"  _state[{field.name!r}] = {field.name}")
        if meta.proto_type == MESSAGE:
            lines.append(f"  if {field.name}.__class__ in _FIELDLESS: {field.name}._serialized_on_wire = True")
    lines.append(" if not _state: _state['_serialized_on_wire'] = False")
    if cls.__post_init__ is not Message.__post_init__:
        lines.append(" _self.__post_init__()")
    namespace: dict[str, Any] = {"_UNSET": PLACEHOLDER, "_FIELDLESS": _FIELDLESS}
    exec("\n".join(lines), namespace)
    made = namespace["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _clear_others(state: dict[str, Any], group: list[str], name: str) -> None:
    for other in group:
        if other != name:
            state.pop(other, None)


def _same(field: FieldSchema, mine: Any, other: Any) -> bool:
    if mine is other:
        return True
    if mine is PLACEHOLDER:
        mine = field.zero()
    elif other is PLACEHOLDER:
        other = field.zero()
    return bool(mine == other) or same_value(mine, other)


def _deep_copy(value: Any, memo: Any) -> Any:
    """Copy a field's value; copies of betterproto's own messages lose their presence and unknown fields."""
    if isinstance(value, list):
        return [_deep_copy(each, memo) for each in value]
    if isinstance(value, dict):
        return {key: _deep_copy(each, memo) for key, each in value.items()}
    if is_message(value) and not is_lean(type(value)):
        made = object.__new__(type(value))
        instance_dict(made).update(_deep_copy(instance_dict(value), memo))
        return made
    return deepcopy(value, memo)


def _restore(cls: type[Message], data: bytes) -> Message:
    return decoder.decode(cls, data)
