"""The source text of functions that read only a part of a message.

Such a function has the straight-line form of the decode functions (see `decoder_source`), but its fields go to local
names, and what nobody asks for is checked and passed over:

    def project(data):
        try:
            …
            pos = opening.size; known = find(data[:pos])            # the fields that nearly every message begins with
            if known is None: pos = 0
            else: of_handle, _ = known
            while pos < end:
                tag = data[pos]; pos += 1
                if known is None:
                    …                                               # the fields of the opening, one by one
                    known = opening.learn(data, pos, (of_handle, None))
                if tag == …:
                    …
                if tag in (…): return None                          # out of order
                pos = skip_field(data, pos, end)
            made = new(type)
            made.slot = …
            return made
        except irregular: return None

None asks the caller to decode the whole message: the whole decoder takes every valid form, and names every fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, takewhile
from types import NoneType
from typing import Any, Final

from mxgateway.wire.decode.openings import Opening
from mxgateway.wire.decode.repeats import Repeats, may_repeat
from mxgateway.wire.decode.source import FunctionSource, Linker, least_tag, raw_tag, tag_cases, tag_size
from mxgateway.wire.schema import (
    DEPTH_LIMIT,
    DURATION,
    FIXED_FORMATS,
    MAP,
    MESSAGE,
    TIMESTAMP,
    VARINT_KINDS,
    WRAPPER,
    FieldSchema,
    MessageSchema,
    schema_of,
)

from .plans import Plan

_DEPTH_INSIDE: Final = DEPTH_LIMIT - 1
_LITERALS: Final = (NoneType, bool, int, str)


class ProjectionSource(FunctionSource):
    """The source of one projection while it is written.

    Args:
        schema: The message.
        plan: What is read of it.
        link: Gives what the source refers to a name.
    """

    def __init__(self, schema: MessageSchema, plan: Plan, link: Linker) -> None:
        super().__init__(schema.fields, link, [], stock=False)
        self._schema = schema
        self._plan = plan
        # What a contract has put elsewhere opens nothing.
        first = takewhile(
            lambda case: case[1].name in plan.opening and tag_size(case[0]) == 1, tag_cases(schema.fields)
        )
        self._begins = [field.name for _, field, _ in first]
        self._kept = [each for each in self._begins if each in plan.slots]
        self._opening = Opening()
        self._last_of_opening = self._begins[-1] if self._begins else ""

    def of_projection(self, name: str, many: int) -> str:
        """Return the source.

        Args:
            name: The function's name.
            many: The bytes from which on a message is left to the whole decoder.
        """
        with self.block(f"def {name}(data):"):
            self.add("end = len(data)", f"if end >= {many} or data.__class__ is not bytes: return None")
            with self.block("try:"):
                self._begin()
                self._projection_loop()
                self.add(f"if pos != end{' or known is None' * bool(self._begins)}: return None")
                self._check_needs(each for each in self._plan.needs if each not in self._begins)
            self.add("except irregular: return None")
            self.add(f"made = new({self._link.value(self._plan.result)})")
            self.add(*(f"made.{slot} = of_{name}" for name, slot in self._plan.slots.items()))
            self.add("return made")
        return self.text()

    def _begin(self) -> None:
        for each in dict.fromkeys((*self._plan.slots, *self._plan.needs)):
            if each not in self._begins:
                self._unset(each)
        if not self._begins:
            self.add("pos = 0")
            return
        find, opening = self._link.value(self._opening.find), self._link.value(self._opening)
        self.add(f"pos = {opening}.size", f"known = {find}(data[:pos])")
        with self.block("if known is None:"):
            self.add("pos = 0")
            for each in self._begins:
                if each in self._plan.slots or each in self._plan.needs:
                    self._unset(each)
        self.add(f"else: {''.join(f'of_{each}, ' for each in self._kept)}_ = known")

    def _unset(self, name: str) -> None:
        schema = schema_of(self._schema.message_type).by_name[name]
        plain = None if _comes_once(schema) else () if schema.repeated else schema.zero()
        value = self._plan.absent.get(name, plain)
        self.add(f"of_{name} = {repr(value) if type(value) in _LITERALS else self._link.value(value)}")
        if _comes_once(schema):
            self.add(f"has_{name} = False")

    def _projection_loop(self) -> None:
        cases = [(raw, schema) for raw, schema, _ in tag_cases(self._fields)]
        opening = [case for case in cases if case[1].name in self._begins]
        with self.block("while pos < end:"):
            self._tag_size = 1
            self._read_tag()
            if opening:
                with self.block("if known is None:"):
                    self._fields_of(opening)
                    self.add("if known is None: return None")
            others = [case for case in cases if case not in opening]
            for size, run in groupby(others, key=lambda case: tag_size(case[0])):
                while self._tag_size < size:
                    self._tag_size += 1
                    self._extend_tag(self._tag_size)
                self._fields_of(run)
            # Out of order, or a known number with a value of another wire type, which is not for a projection to judge.
            known = frozenset(raw_tag(field.number, wire_type) for field in self._fields for wire_type in (0, 1, 2, 5))
            self.add(f"if tag in {self._link.value(known)}: return None")
            self.add("pos -= 1")
            self.add(*(f"if tag >= {least_tag(size)}: pos -= 1" for size in range(2, self._tag_size + 1)))
            self.add("pos = skip_field(data, pos, end)")

    def _fields_of(self, cases: Iterable[tuple[int, FieldSchema]]) -> None:
        for raw, schema in cases:
            with self.block(f"if tag == {raw}:"):
                self._one(raw, schema)

    def _one(self, raw: int, schema: FieldSchema) -> None:
        name, plan = schema.name, self._plan
        if name in plan.leaves or (schema.repeated and schema.kind != MESSAGE) or schema.kind in (MAP, WRAPPER):
            self.add("return None")
        elif schema.repeated:
            self._elements(raw, schema)
        else:
            if name in plan.slots or name in plan.needs:
                if _comes_once(schema):
                    self.add(f"if has_{name}: return None", f"has_{name} = True")
                self.add(f"of_{name} = {self._taken(schema)}")
            else:
                self._checked(schema)
            if name == self._last_of_opening:
                self._learn()
            self._next_tag()

    def _learn(self) -> None:
        self._check_needs(each for each in self._plan.needs if each in self._begins)
        kept = "".join(f"of_{each}, " for each in self._kept)
        self.add(f"known = {self._link.value(self._opening)}.learn(data, pos, ({kept}None,))")

    def _check_needs(self, names: Iterable[str]) -> None:
        for each in names:
            field, number = self._schema.by_name[each], self._plan.needs[each]
            if field.kind == "enum" and field.give is not None:
                number = field.give(number)
            self.add(f"if of_{each} != {int(number)}: return None")

    def _taken(self, schema: FieldSchema) -> str:
        reader = self._plan.readers.get(schema.name)
        if reader is None:
            # The number of an enum is enough: it is not worth a look for the member.
            return self._number() if schema.kind == "enum" else self._value(schema)
        self._size()
        self.add("stop = pos + size", f"value = {self._link.value(reader)}(data, pos, stop)", "pos = stop")
        return "value"

    def _number(self) -> str:
        self._varint("value", "more_int32")
        return "value"

    def _checked(self, schema: FieldSchema) -> None:
        """Pass over a value that is valid."""
        kind = schema.kind
        if kind in VARINT_KINDS or kind in FIXED_FORMATS:
            self._value(schema) if kind != "enum" else self._number()
            return
        self._size()
        if kind == "string":
            self.add("pos += size", "if not data[pos - size:pos].isascii(): data[pos - size:pos].decode()")
            return
        self.add("stop = pos + size")
        if kind == MESSAGE:
            function = self._link.function(schema.python_type)
            self.add(f"if size: {function}(data, pos, stop, {_DEPTH_INSIDE})")
        elif kind == TIMESTAMP:
            with self.block("if number_of(data[pos:stop]) & stamp_masks[size] != stamp_forms[size]:"):
                self.add("check_timestamp(data, pos, stop)")
        elif kind == DURATION:
            self.add("read_duration(data, pos, stop)")
        self.add("pos = stop")

    def _elements(self, raw: int, schema: FieldSchema) -> None:
        with self.block(f"while tag == {raw}:"):
            self._size()
            self.add("stop = pos + size")
            self._element(schema.python_type)
            self.add("pos = stop")
            if schema.name in self._plan.slots:
                self.add(f"of_{schema.name} += value,")
            self.add("if pos >= end:", " tag = -1", " break")
            self._read_tag()
        self.add("if tag < 0: break")

    def _element(self, message_type: type[Any]) -> None:
        function = self._link.function(message_type)
        if not may_repeat(schema_of(message_type)):
            self.add(f"value = {function}(data, pos, stop, {_DEPTH_INSIDE})")
            return
        repeats = Repeats(self._link.decoder(message_type))
        self.add(f"known_fields = {self._link.value(repeats.find)}(data[pos:stop])")
        learn = self._link.value(repeats.learn)
        self.add(f"if known_fields is None: value = {learn}(data, pos, stop, {_DEPTH_INSIDE})")
        with self.block("else:"):
            self.add(f"value = new({self._link.value(message_type)})", "value.__dict__.update(known_fields)")


def _comes_once(schema: FieldSchema) -> bool:
    """Tell whether a second part of the field would have to be merged with the first one."""
    return not schema.repeated and schema.kind in (MESSAGE, TIMESTAMP, DURATION, WRAPPER)
