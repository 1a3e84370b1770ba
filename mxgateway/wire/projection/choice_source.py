"""The source text of functions that read the member of a oneof that is set, without the message around it.

Such a function has the form

    def read_choice(data, pos, end):
        start = pos
        mark = pos + data[pos + 3] + 4
        if data[pos:mark] in openings: pos = mark       # a number and a text that were seen before
        else: pos = learn(data, pos, end)
        if pos >= end: return other(data, start, end)
        tag = data[pos]; pos += 1
        if tag == …: value = …                          # the members, one by one
        elif …
        else: return other(data, start, end)
        return value if pos == end else other(data, start, end)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mxgateway.wire.decode.openings import make_room
from mxgateway.wire.decode.source import FunctionSource, Linker, raw_tag, tag_size
from mxgateway.wire.schema import FieldSchema, MessageSchema

from .plans import Choice, Read

KINDS_TAKEN: Final = frozenset({"bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "timestamp"})


class ChoiceSource(FunctionSource):
    """The source of one function while it is written.

    Args:
        schema: The message.
        choice: What is read of it.
        link: Gives what the source refers to a name.
    """

    def __init__(self, schema: MessageSchema, choice: Choice, link: Linker) -> None:
        super().__init__(schema.fields, link, [], stock=False)
        self._choice = choice
        self._schema = schema

    def of_choice(self, name: str, other: Read) -> str:
        """Return the source; `other` reads every message that is not as simple as the choice says."""
        number, text = (self._schema.by_name[each] for each in (self._choice.number, self._choice.text))
        leave = f"return {self._link.value(other)}(data, start, end)"
        if not self._comes_in_order():
            return self._of_any_order(name, leave)
        openings, learn = _openings(_tag(number), _tag(text))
        with self.block(f"def {name}(data, pos, end):"):
            self.add("start = pos", "mark = pos + data[pos + 3] + 4")
            self.add(f"if data[pos:mark] in {self._link.value(openings)}: pos = mark")
            self.add(f"else: pos = {self._link.value(learn)}(data, pos, end)")
            self.add(f"if pos >= end: {leave}")
            self._members(leave)
            self.add(f"return value if pos == end else {leave.removeprefix('return ')}")
        return self.text()

    def _comes_in_order(self) -> bool:
        """Tell whether a number, a text and then a member are what messages begin with."""
        number, text = (self._schema.by_name[each].number for each in (self._choice.number, self._choice.text))
        return number < text < min(self._schema.by_name[each].number for each in self._choice.members) and text < 16

    def _of_any_order(self, name: str, leave: str) -> str:
        """Return the source of a function that reads the member wherever it stands: what is before and behind it is recognized by its bytes."""
        beside = [self._schema.by_name[each] for each in (self._choice.number, self._choice.text)]
        heads, tails = (Passed(*map(_tag, beside)) for _ in range(2))
        with self.block(f"def {name}(data, pos, end):"):
            self.add("start = pos")
            with self.block(f"if {' or '.join(f'data[pos] == {_tag(each) & 255}' for each in beside)}:"):
                self.add(f"pos += {self._link.value(heads)}.size")
                with self.block(f"if data[start:pos] not in {self._link.value(heads.seen)}:"):
                    self.add(f"pos = {self._link.value(heads)}.learn(data, start, end)")
            self.add(f"if pos >= end: {leave}")
            self._members(leave)
            with self.block(f"if pos != end and data[pos:end] not in {self._link.value(tails.seen)}:"):
                self.add(f"if pos > end or {self._link.value(tails)}.learn(data, pos, end) != end: {leave}")
            self.add("return value")
        return self.text()

    def _members(self, leave: str) -> None:
        members = [self._schema.by_name[each] for each in self._choice.members]
        self._tag_size = max(tag_size(_tag(each)) for each in members)
        self._read_tag()
        self._one_of(members, leave)

    def _one_of(self, members: list[FieldSchema], leave: str) -> None:
        branch = "if"
        for each in members:
            with self.block(f"{branch} tag == {_tag(each)}:"):
                self.add(f"value = {self._value(each)}")
            branch = "elif"
        with self.block(f"elif tag == {_tag(self._schema.by_name[self._choice.null])} and data[pos] == 1:"):
            self.add("value = None", "pos += 1")
        self.add(f"else: {leave}")


class Passed:
    """Numbers and texts that are passed over: runs of them that were seen before.

    Args:
        number_tag: The tag of the number, as `raw_tag` gives it.
        text_tag: The tag of the text.

    Attributes:
        size: How many bytes the newest run has; the next one will have as many.
        seen: The runs.
    """

    def __init__(self, number_tag: int, text_tag: int) -> None:
        self._number = number_tag.to_bytes(tag_size(number_tag), "little")
        self._text = text_tag.to_bytes(tag_size(text_tag), "little")
        self.size = 0
        self.seen: set[bytes] = set()

    def learn(self, data: bytes, pos: int, end: int) -> int:
        """Keep the run that begins at a position, and return where it ends."""
        start = pos
        while pos < end:
            if data.startswith(self._number, pos):
                value = pos + len(self._number)
                stop = value + 1
            elif data.startswith(self._text, pos):
                value = pos + len(self._text)
                stop = value + 1 + data[value]
            else:
                break
            if stop > end or not data[value:stop].isascii():
                break
            pos = stop
        if pos > start:
            make_room(self.seen)
            self.seen.add(data[start:pos])
            self.size = pos - start
        return pos


def _tag(field: FieldSchema) -> int:
    return raw_tag(field.number, field.wire_type)


def _openings(number_tag: int, text_tag: int) -> tuple[set[bytes], Callable[[bytes, int, int], int]]:
    """Return the openings that were seen, and the function that takes a new one: it returns where the opening ends."""
    seen: set[bytes] = set()

    def learn(data: bytes, pos: int, end: int) -> int:
        tag, number, next_tag, size = data[pos : pos + 4]
        stop = pos + 4 + size
        if (tag, next_tag) != (number_tag, text_tag) or number > 127 or size > 127 or stop > end:
            return pos
        if not data[pos + 4 : stop].isascii():
            return pos
        make_room(seen)
        seen.add(data[pos:stop])
        return stop

    return seen, learn
