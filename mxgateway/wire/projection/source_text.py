"""The source text of functions that read only a part of a message.

Such a function has the straight-line form of the decode functions (see `wire/decode/source_text.py`), but its fields go to
local names, and fields that are not in the plan are validated and skipped:

    def project(data):
        try:
            …
            pos = run.size; known_0 = find(data[:pos])          # the fields that nearly every message begins with
            if known_0 is None: pos = 0
            else: of_handle, = known_0
            while pos < end:
                tag = data[pos]; pos += 1
                if known_0 is None and tag <= 24:               # a run of fields that are nearly always the same
                    start = pos - 1; stop = start + run.size; known_0 = find(data[start:stop])
                    if known_0 is None:
                        …                                       # its fields, one by one, up to `stop`
                        known_0 = run.learn(data, start, stop, (of_handle,))
                    else: of_handle, = known_0
                    pos = stop; tag = data[pos]; pos += 1
                if tag == …:
                    …
                …                                               # fields of a run that come after it
                if tag in (…): return None                      # out of order
                pos = skip_field(data, pos, end)
            made = new(type)
            made.slot = …
            return made
        except irregular: return None

None asks the caller to decode the whole message: the full decoder accepts every valid form, and names every fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from types import NoneType
from typing import Any, Final

from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.decode.repeats import Repeats, may_repeat
from mxgateway.wire.decode.source_text import WHOLE_NUMBERS, FunctionSource
from mxgateway.wire.field_tags import least_tag, raw_tag, tag_cases, tag_size
from mxgateway.wire.projection.steady_fields import Run
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

Case = tuple[int, FieldSchema]
"""A tag and its field."""


class _SteadyRun:
    """A run of steady fields, with no other field between them.

    Args:
        place: Its place in the message.
        cases: Their tags and fields.
        plan: What to read of the message.
    """

    def __init__(self, place: int, cases: list[Case], plan: Plan) -> None:
        self.cases = cases
        self.known = f"known_{place}"
        names = [field.name for _, field in cases]
        self.needs = [each for each in names if each in plan.needs]
        self.kept = [each for each in names if each in plan.slots]
        self.values = "".join(f"of_{each}, " for each in self.kept)
        self.run = Run()


class ProjectionSource(FunctionSource):
    """Writes the source of one projection.

    Args:
        schema: The message.
        plan: What to read of it.
        link: Names the objects that the source refers to.
    """

    def __init__(self, schema: MessageSchema, plan: Plan, link: Linker) -> None:
        super().__init__(schema.fields, link, [], stock=False)
        self._schema = schema
        self._plan = plan
        self._parts = _parts(schema, plan)
        self._runs = [part for part in self._parts if isinstance(part, _SteadyRun)]
        self._head = self._runs[0] if self._runs and self._parts[0] is self._runs[0] else None
        self._needs_apart = [each for each in plan.needs if not any(each in run.needs for run in self._runs)]

    def of_projection(self, many: int) -> str:
        """Return the source.

        Args:
            many: The size in bytes from which a message is left to the full decoder.
        """
        with self.block("def project(data):"):
            self.add("end = len(data)", f"if end >= {many} or data.__class__ is not bytes: return None")
            with self.block("try:"):
                self._begin()
                self._projection_loop()
                missed = [f"{run.known} is None" for run in self._runs if run.needs]
                self.add(f"if {' or '.join(('pos != end', *missed))}: return None")
                self._check(self._needs_apart)
            self.add("except irregular: return None")
            self.add(f"made = new({self._link.value(self._plan.result)})")
            self.add(*(f"made.{slot} = of_{name}" for name, slot in self._plan.slots.items()))
            self.add("return made")
        return self.text()

    def _begin(self) -> None:
        head = self._head
        in_head = head.kept if head is not None else []
        for each in self._plan.slots:
            if each not in in_head:
                self._unset(each)
        self.add(*(f"of_{each} = 0" for each in self._needs_apart if each not in self._plan.slots))
        self.add(*(f"{run.known} = None" for run in self._runs if run is not head))
        if head is None:
            self.add("pos = 0")
            return
        self.add(
            f"pos = {self._link.value(head.run)}.size", f"{head.known} = {self._link.value(head.run.find)}(data[:pos])"
        )
        with self.block(f"if {head.known} is None:"):
            self.add("pos = 0")
            for each in in_head:
                self._unset(each)
        if in_head:
            self.add(f"else: {head.values} = {head.known}")

    def _unset(self, name: str) -> None:
        schema = schema_of(self._schema.message_type).by_name[name]
        plain = None if schema.is_merged else () if schema.repeated else schema.zero()
        value = self._plan.absent.get(name, plain)
        self.add(f"of_{name} = {repr(value) if type(value) in _LITERALS else self._link.value(value)}")
        if schema.is_merged:
            self.add(f"has_{name} = False")

    def _projection_loop(self) -> None:
        with self.block("while pos < end:"):
            self._tag_size = 1
            self._read_tag()
            for part in self._parts:
                if isinstance(part, _SteadyRun):
                    self._steady(part)
                else:
                    self._field(*part)
            self._extend_tag_to(max((tag_size(raw) for raw, _, _ in tag_cases(self._fields)), default=1))
            for steady in self._runs:
                self._late(steady)
            # Out of order, or a known number with another wire type: left to the full decoder.
            known = frozenset(raw_tag(field.number, wire_type) for field in self._fields for wire_type in (0, 1, 2, 5))
            self.add(f"if tag in {self._link.value(known)}: return None")
            self.add("pos -= 1")
            self.add(*(f"if tag >= {least_tag(size)}: pos -= 1" for size in range(2, self._tag_size + 1)))
            self.add("pos = skip_field(data, pos, end)")

    def _steady(self, steady: _SteadyRun) -> None:
        """Write the code that recognizes a run, or else reads those of its fields that are present."""
        size, known, run = self._tag_size, steady.known, self._link.value(steady.run)
        with self.block(f"if {known} is None{self._may_begin(steady)}:"):
            self.add(f"start = pos - {size}", f"stop = start + {run}.size")
            self.add(f"{known} = {self._link.value(steady.run.find)}(data[start:stop])")
            with self.block(f"if {known} is None:"):
                self._learn(steady, run)
            if steady.kept:
                self.add(f"else: {steady.values} = {known}")
            self.add("pos = stop")
            self._tag_size = size
            self._next_tag()

    def _may_begin(self, steady: _SteadyRun) -> str:
        """Return the condition that the tag, as far as it was read, may belong to the run: it is long enough, and it is
        not of a field after the run."""
        size, first, last = self._tag_size, steady.cases[0][0], steady.cases[-1][0]
        conditions = [f"tag >= {least_tag(min(tag_size(first), size + 1))}"] if tag_size(first) > 1 else []
        if tag_size(last) == size:
            conditions.append(f"tag <= {last}")
        return "".join(f" and {each}" for each in conditions)

    def _learn(self, steady: _SteadyRun, run: str) -> None:
        self.add("mark = start", *(f"of_{each} = 0" for each in steady.needs))
        with self.block("while True:"):
            for raw, schema in steady.cases:
                self._extend_tag_to(tag_size(raw))
                with self.block(f"if tag == {raw}:"):
                    self._plain(schema)
                    self.add("mark = pos")
                    self._next_tag()
            self.add("break")
        self.add("stop = mark")
        with self.block("if stop > start:"):
            self._check(steady.needs)
            self.add(f"{steady.known} = {run}.learn(data, start, stop, ({steady.values}))")

    def _late(self, steady: _SteadyRun) -> None:
        """Write the code for a field of a run that comes after the recognized bytes: skip it if it is not in the plan,
        and learn the run anew with the next message."""
        forget = f"{self._link.value(steady.run)}.size = 0"
        for raw, schema in steady.cases:
            with self.block(f"if tag == {raw}:"):
                self.add(forget)
                if schema.name in (*steady.kept, *steady.needs):
                    self.add("return None")
                else:
                    self._checked(schema)
                    self.add("continue")

    def _field(self, raw: int, schema: FieldSchema) -> None:
        self._extend_tag_to(tag_size(raw))
        with self.block(f"if tag == {raw}:"):
            if schema.repeated:
                self._elements(raw, schema)
            else:
                self._plain(schema)
                self._next_tag()

    def _plain(self, schema: FieldSchema) -> None:
        """Read a value that is no list, or skip it."""
        name, plan = schema.name, self._plan
        if name not in plan.slots and name not in plan.needs:
            self._checked(schema)
            return
        if schema.is_merged:
            self.add(f"if has_{name}: return None", f"has_{name} = True")
        self._read(schema, f"of_{name}")
        if name in plan.needs:
            self._check([name])

    def _check(self, names: Iterable[str]) -> None:
        for each in names:
            field, number = self._schema.by_name[each], self._plan.needs[each]
            if field.kind == "enum" and field.give is not None:
                number = field.give(number)
            self.add(f"if of_{each} != {int(number)}: return None")

    def _read(self, schema: FieldSchema, target: str) -> None:
        """Write the code that assigns the field's value; for an enum its number, without the costly lookup of the
        member."""
        kind, reader = schema.kind, self._plan.readers.get(schema.name)
        if reader is not None or kind == TIMESTAMP:
            read = "read_timestamp" if reader is None else self._link.value(reader)
            self._size()
            self.add("stop = pos + size", f"{target} = {read}(data, pos, stop)", "pos = stop")
        elif kind == "enum":
            self._varint(target, "more_int32")
        elif kind in WHOLE_NUMBERS and schema.take is None:
            self._varint(target, WHOLE_NUMBERS[kind], long=kind == "uint64")
        else:
            self.add(f"{target} = {self._value(schema)}")

    def _checked(self, schema: FieldSchema) -> None:
        """Validate and skip a value."""
        kind = schema.kind
        if kind == "enum":
            self._varint("value", "more_int32")
            return
        if schema.take is not None:
            self.add(self._value(schema))  # it may be outside the range of our field's type
            return
        if kind in VARINT_KINDS or kind in FIXED_FORMATS:
            self._value(schema)
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
        functions = self._link.functions
        repeats = Repeats(lambda data, pos, end, depth: functions[message_type](data, pos, end, depth))
        self.add(f"known_fields = {self._link.value(repeats.find)}(data[pos:stop])")
        learn = self._link.value(repeats.learn)
        self.add(f"if known_fields is None: value = {learn}(data, pos, stop, {_DEPTH_INSIDE})")
        with self.block("else:"):
            self.add(f"value = new({self._link.value(message_type)})", "value.__dict__.update(known_fields)")


def _parts(schema: MessageSchema, plan: Plan) -> list[_SteadyRun | Case]:
    """Return the expected tags with their fields, in order, with steady fields grouped into runs.

    Fields that leave a message to the full decoder are not expected.
    """
    expected = [
        (raw, field) for raw, field, _ in tag_cases(schema.fields) if field.name not in plan.leaves and _is_taken(field)
    ]
    parts: list[_SteadyRun | Case] = []
    for in_run, group in groupby(expected, key=lambda case: _may_stand_in_run(case[1], plan)):
        cases = list(group)
        places = [place for place, case in enumerate(cases) if case[1].name in plan.steady] if in_run else []
        if places:
            first, last = places[0], places[-1] + 1
            # Reading a single number is as fast as a run, except at the beginning of the message.
            if last - first > 1 or cases[first][1].kind not in VARINT_KINDS or not (parts or first):
                run = _SteadyRun(len(parts) + first, cases[first:last], plan)
                parts += [*cases[:first], run, *cases[last:]]
                continue
        parts += cases
    return parts


def _may_stand_in_run(schema: FieldSchema, plan: Plan) -> bool:
    """Return whether a field is steady, or one that is skipped: between steady fields it does no harm."""
    asked_for = schema.name in plan.slots or schema.name in plan.needs or schema.repeated or schema.is_merged
    return schema.name in plan.steady or not asked_for


def _is_taken(schema: FieldSchema) -> bool:
    """Return whether a projection can read the field, or at least skip it."""
    return schema.kind == MESSAGE if schema.repeated else schema.kind not in (MAP, WRAPPER)
