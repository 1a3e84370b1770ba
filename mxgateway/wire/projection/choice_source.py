"""The source text of functions that read the set member of a oneof, without the message around it.

Such a function has the form

    def read_choice(data, pos, end):
        start = pos
        mark = pos + data[pos + 3] + 4                          # after a number and a text, which mostly come first
        if data[pos:mark] in heads: pos = mark                  # already seen
        else: pos = learn(data, pos, end)
        if pos >= end: return other(data, start, end)
        tag = data[pos]; pos += 1
        if tag == …: value = …                                  # the members, one by one
        elif …
        else: return other(data, start, end)
        if pos != end and data[pos:end] not in tails:           # the number and the text if they come last
            if pos > end or learn(data, pos, end) != end: return other(data, start, end)
        return value

The order is that of the contract's field numbers. Whether the number and the text come before or after the first member
decides what is checked first.
"""

from __future__ import annotations

from typing import Final

from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.decode.source_text import FunctionSource
from mxgateway.wire.field_tags import raw_tag, tag_size
from mxgateway.wire.projection.steady_fields import Passed
from mxgateway.wire.schema import VARINT_KINDS, FieldSchema, MessageSchema

from .plans import Choice, Read

_KINDS_TAKEN: Final = frozenset(
    {"bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "timestamp"}
)
_LONGEST_NUMBER: Final = 10  # bytes


def can_read(choice: Choice, schema: MessageSchema) -> bool:
    """Return whether a message has the fields of a choice, in kinds that such a function reads."""
    fields = schema.by_name
    return (
        {choice.number, choice.text, choice.null, *choice.members} <= fields.keys()
        and {fields[choice.number].kind, fields[choice.null].kind} <= VARINT_KINDS
        and fields[choice.text].kind in ("string", "bytes")
        and all(fields[each].kind in _KINDS_TAKEN for each in choice.members)
    )


class ChoiceSource(FunctionSource):
    """Writes the source of one function.

    Args:
        schema: The message.
        choice: What to read of it.
        link: Names the objects that the source refers to.
    """

    def __init__(self, schema: MessageSchema, choice: Choice, link: Linker) -> None:
        super().__init__(schema.fields, link, [], stock=False)
        self._number, self._text, self._null, *self._members = (
            schema.by_name[each] for each in (choice.number, choice.text, choice.null, *choice.members)
        )

    def of_choice(self, other: Read) -> str:
        """Return the source; `other` reads every message that is not as simple as the choice requires."""
        leave = f"{self._link.value(other)}(data, start, end)"
        with self.block("def read_choice(data, pos, end):"):
            self.add("start = pos")
            self._head()
            self.add(f"if pos >= end: return {leave}")
            self._tag_size = tag_size(_tag(self._members[0]))
            self._read_tag()
            self._one_of([*self._members, self._null], f"return {leave}")
            tails = self._passed()
            with self.block(f"if pos != end and data[pos:end] not in {self._link.value(tails.seen)}:"):
                self.add(f"if pos > end or {self._link.value(tails.learn)}(data, pos, end) != end: return {leave}")
            self.add("return value")
        return self.text()

    def _passed(self) -> Passed:
        number, text = (_tag(each).to_bytes(tag_size(_tag(each)), "little") for each in (self._number, self._text))
        # A number that is no enum may be outside the range of our field's type.
        return Passed(number, text, _LONGEST_NUMBER if self._number.kind == "enum" else 1)

    def _head(self) -> None:
        """Skip the number and the text before the first member."""
        heads = self._passed()
        beside = sorted((self._number, self._text), key=lambda field: field.number)
        first = [field for field in beside if field.number < self._members[0].number]
        learn = f"pos = {self._link.value(heads.learn)}(data, pos, end)"
        if not first:
            self.add(f"if {' or '.join(f'data[pos] == {_tag(each) & 255}' for each in beside)}: {learn}")
            return
        size, length = "", 0
        for field in first:
            length += tag_size(_tag(field))
            if field is self._text:
                size = f"data[pos + {length}] + "
            length += 1
        self.add(f"mark = pos + {size}{length}")
        self.add(f"if data[pos:mark] in {self._link.value(heads.seen)}: pos = mark", f"else: {learn}")

    def _one_of(self, members: list[FieldSchema], leave: str) -> None:
        """Write a branch for each member; another byte of the tag is read after the shorter tags."""
        branch = "if"
        for place, each in enumerate(members):
            if (size := tag_size(_tag(each))) > self._tag_size:
                with self.block("else:"):
                    self._extend_tag_to(size)
                    self._one_of(members[place:], leave)
                return
            is_null = each is self._null
            with self.block(f"{branch} tag == {_tag(each)}{' and data[pos] == 1' * is_null}:"):
                if is_null:
                    self.add("value = None", "pos += 1")
                elif (value := self._value(each)) != "value":
                    self.add(f"value = {value}")
            branch = "elif"
        self.add(f"else: {leave}")


def _tag(field: FieldSchema) -> int:
    return raw_tag(field.number, field.wire_type)
