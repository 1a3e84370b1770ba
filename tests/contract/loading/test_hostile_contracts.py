"""A descriptor set is untrusted input: whatever it holds, it is a contract or one kind of error, soon and in bounded memory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mxgateway import proto
from mxgateway.contract import Contract, own_descriptor_set
from mxgateway.contract.descriptor_set import MEMBERS_LIMIT, NAME_LIMIT, SIZE_LIMIT, TYPES_LIMIT
from mxgateway.wire.compiling.linking import Linker
from mxgateway.wire.varint import encode_varint
from tests.contract.hostile import FIELD, GATEWAY, MESSAGES, refusal
from tests.contract.protos import ROOT
from tests.rows import each_row

# -- by hand


def block(number: int, body: bytes) -> bytes:
    return encode_varint(number << 3 | 2) + encode_varint(len(body)) + body


def file_with(*parts: bytes) -> bytes:
    return block(1, block(1, b"a.proto") + block(2, b"a") + b"".join(parts))


def nested(levels: int, name: bytes = b"M") -> bytes:
    body = block(1, name)
    for _ in range(levels):
        body = block(1, name) + block(3, body)
    return file_with(block(4, body))


def repeated(count: int, number: int, *, inside: int) -> bytes:
    """Return a set with one type that holds things with names of their own."""
    return file_with(
        block(inside, block(1, b"T") + b"".join(block(number, block(1, b"v%d" % i)) for i in range(count)))
    )


HUGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "100,000 messages": (lambda: file_with(*(block(4, block(1, b"M%d" % i)) for i in range(100_000))), f"more than {TYPES_LIMIT} types"),
    "100,000 nested ones": (lambda: repeated(100_000, 3, inside=4), f"more than {TYPES_LIMIT} types"),
    "100,000 services": (lambda: file_with(*(block(6, block(1, b"S%d" % i)) for i in range(100_000))), f"more than {TYPES_LIMIT} types"),
    "too many fields": (lambda: repeated(MEMBERS_LIMIT + 1, 2, inside=4), f"more than {MEMBERS_LIMIT} fields"),
    "too many oneofs": (lambda: repeated(MEMBERS_LIMIT + 1, 8, inside=4), f"more than {MEMBERS_LIMIT} fields"),
    "too many values": (lambda: repeated(MEMBERS_LIMIT + 1, 2, inside=5), f"more than {MEMBERS_LIMIT} fields"),
    "too many calls": (lambda: repeated(MEMBERS_LIMIT + 1, 2, inside=6), f"more than {MEMBERS_LIMIT} fields"),
    "empty fields as far as the size goes": (lambda: file_with(block(4, block(1, b"M") + b"\x12\0" * (SIZE_LIMIT // 2 - 50))), "more than"),
    "empty files": (lambda: b"\x0a\0" * (SIZE_LIMIT // 2), "names no file"),
    "unknown fields": (lambda: b"\x78\0" * (SIZE_LIMIT // 2), "names no file"),
    "too many bytes": (lambda: bytes(SIZE_LIMIT + 1), f"more than the limit of {SIZE_LIMIT}"),
    "nesting without end": (lambda: nested(5000), "more than 100 levels"),
    "names that grow": (lambda: nested(80, b"M" * 255), f"more than {NAME_LIMIT} characters"),
    "a package without end": (lambda: block(1, block(1, b"a.proto") + block(2, b"a." * 10_000 + b"a")), "which is not a valid name"),
}  # fmt: skip


def peak() -> int:
    """Return the most memory that this process has taken, in KiB; 0 where the system does not count it in these."""
    if not sys.platform.startswith("linux"):
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def refuse_what_is_huge() -> int:
    """Let each set that is too much be refused by name; return by how much the peak of memory has grown."""
    made = {name: make() for name, (make, _) in HUGE.items()}
    before = peak()
    errors = {name: str(refusal(data)) for name, data in made.items()}
    grown = peak() - before
    assert not {name: error for name, error in errors.items() if HUGE[name][1] not in error}
    return grown


def test_what_is_too_much_is_refused_soon_and_in_bounded_memory() -> None:
    code = f"from {__name__} import refuse_what_is_huge\nprint(refuse_what_is_huge())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300 * 1024


# -- the contract, with one thing wrong

NAMES = ("", "a b", "x\ny", "x'", 'x"', "x\\", "1x", "é", "x.y", "x\x1b[31m", "x" * 256, "\u202e", "x\0", "{0}", "%s")
Hurt = Callable[[Any], object]


def of(files: Any) -> Any:
    return next(each for each in files.file if each.package == GATEWAY)


def message(files: Any, name: str) -> Any:
    return next(each for each in of(files).message_type if each.name == name)


def field(files: Any, where: str) -> Any:
    owner, _, name = where.partition(".")
    return next(each for each in message(files, owner).field if each.name == name)


def hurt(change: Hurt) -> bytes:
    files = FileDescriptorSet.FromString(own_descriptor_set())
    change(files)
    return files.SerializeToString()


def put(where: str, **values: Any) -> Hurt:
    def change(files: Any) -> None:
        for name, value in values.items():
            setattr(field(files, where), name, value)

    return change


def entry(**parts: int) -> Hurt:
    """Return what makes a map's entry of the parts with these types."""

    def change(files: Any) -> None:
        owner = message(files, "MxEvent")
        made = owner.nested_type.add(name="MarksEntry")
        made.options.map_entry = True
        for number, (name, kind) in enumerate(parts.items(), 1):
            made.field.add(name=name, number=number, type=kind, label=FIELD.LABEL_OPTIONAL)
        owner.field.add(
            name="marks",
            number=90,
            type=FIELD.TYPE_MESSAGE,
            label=FIELD.LABEL_REPEATED,
            type_name=f".{GATEWAY}.MxEvent.MarksEntry",
        )

    return change


def either(owner: Any, *names: str) -> None:
    """Put fields in a oneof of their own."""
    owner.oneof_decl.add(name="either")
    for each in owner.field:
        if each.name in names:
            each.oneof_index = len(owner.oneof_decl) - 1


WRONG: dict[str, tuple[Hurt, str]] = {
    "a number twice": (put("MxEvent.quality", number=1), "a name or a number of .*MxEvent twice"),
    "a field's name twice": (put("MxEvent.quality", name="family"), "a name or a number of .*MxEvent twice"),
    "the number 0": (put("MxEvent.quality", number=0), "MxEvent.quality the number 0"),
    "a negative number": (put("MxEvent.quality", number=-7), "MxEvent.quality the number -7"),
    "a number too large": (put("MxEvent.quality", number=2**29), "MxEvent.quality the number 536870912"),
    "no type": (put("MxEvent.quality", type=FIELD.TYPE_GROUP), "MxEvent.quality a type that proto3 does not have"),
    "a oneof out of range": (put("MxValue.int32_value", oneof_index=99), "MxValue.int32_value in a oneof"),
    "a negative oneof": (put("MxValue.int32_value", oneof_index=-1), "MxValue.int32_value in a oneof"),
    "a message that is an enum": (put("MxEvent.family", type=FIELD.TYPE_MESSAGE), "MxEvent.family is .*, which it is not"),
    "an enum that is a message": (put("MxEvent.value", type=FIELD.TYPE_ENUM), "MxEvent.value is .*, which it is not"),
    "a message without a type": (put("MxEvent.value", type_name=""), "which is not a valid name"),
    "a type that is missing": (put("MxEvent.value", type_name=f".{GATEWAY}.Nowhere"), r"MxEvent.value is .*MxValue here .*Nowhere there"),
    "a message that is missing": (lambda files: of(files).message_type.remove(message(files, "MxValue")), r"it uses mxaccess_gateway.v1.MxValue but does not define it"),
    "an enum that is missing": (lambda files: of(files).enum_type.remove(next(each for each in of(files).enum_type if each.name == "MxEventFamily")), "it uses .*MxEventFamily but does not define it"),
    "a name in JSON that is none": (put("MxEvent.quality", json_name="x\ny"), "MxEvent.quality a name in JSON"),
    "an entry without a key": (entry(value=FIELD.TYPE_INT32), "MarksEntry as a map's entry"),
    "an entry without a value": (entry(key=FIELD.TYPE_INT32), "MarksEntry as a map's entry"),
    "an entry with more": (entry(key=FIELD.TYPE_INT32, value=FIELD.TYPE_INT32, more=FIELD.TYPE_INT32), "MarksEntry as a map's entry"),
    "a double as a key": (entry(key=FIELD.TYPE_DOUBLE, value=FIELD.TYPE_INT32), "MarksEntry as a map's entry"),
    "an entry that is no list": (lambda files: (entry(key=FIELD.TYPE_INT32, value=FIELD.TYPE_INT32)(files), put("MxEvent.marks", label=FIELD.LABEL_OPTIONAL)(files)), "MxEvent.marks is singular message"),
    "a message twice": (lambda files: of(files).message_type.add(name="MxEvent"), "MxEvent twice"),
    "a message and an enum of one name": (lambda files: of(files).enum_type.add(name="MxEvent"), "MxEvent twice"),
    "one name in two packages": (lambda files: files.file.add(name="b.proto", package="mxaccess_gateway").message_type.add(name="v1").nested_type.add(name="MxEvent"), "MxEvent twice"),
    "two values of ours with one number": (lambda files: setattr(next(each for each in of(files).enum_type if each.name == "MxEventFamily").value[2], "number", 1), "MxEventFamily.MX_EVENT_FAMILY_ON_WRITE_COMPLETE has the number of MX_EVENT_FAMILY_ON_DATA_CHANGE"),
    "another zero": (lambda files: setattr(next(each for each in of(files).enum_type if each.name == "MxEventFamily").value[0], "number", 99), "MX_EVENT_FAMILY_UNSPECIFIED is 99 there and must be 0"),
    "a zero that means something": (lambda files: setattr(next(each for each in of(files).enum_type if each.name == "MxEventFamily").value[1], "number", 0), "MX_EVENT_FAMILY_ON_DATA_CHANGE has the number of MX_EVENT_FAMILY_UNSPECIFIED"),
    "members that no longer exclude each other": (lambda files: field(files, "MxValue.int32_value").ClearField("oneof_index"), "MxValue.bool_value and int32_value exclude each other here and not there"),
    "fields that exclude each other": (lambda files: either(message(files, "MxEvent"), "item_handle", "quality"), "MxEvent.item_handle and quality exclude each other there and not here"),
    "a call twice": (lambda files: of(files).service[0].method.add(name="Invoke", input_type=f".{GATEWAY}.MxEvent", output_type=f".{GATEWAY}.MxEvent"), "MxAccessGateway/Invoke twice"),
    "a call of nothing": (lambda files: of(files).service[0].method.add(name="More"), "which is not a valid name"),
    "a file without a name": (lambda files: of(files).ClearField("name"), "names no file"),
}  # fmt: skip


@each_row("name", WRONG)
def test_what_contradicts_itself_is_refused_by_name(name: str) -> None:
    change, text = WRONG[name]
    error = refusal(hurt(change))
    assert re.search(text, str(error)), error


PLACES: dict[str, Callable[[Any, str], None]] = {
    "package": lambda files, name: setattr(of(files), "package", name),
    "message": lambda files, name: setattr(of(files).message_type.add(), "name", name),
    "enum": lambda files, name: setattr(of(files).enum_type.add(), "name", name),
    "value": lambda files, name: setattr(of(files).enum_type[0].value.add(number=77), "name", name),
    "field": lambda files, name: setattr(message(files, "MxEvent").field.add(number=99, type=5), "name", name),
    "oneof": lambda files, name: setattr(message(files, "MxValue").oneof_decl[0], "name", name),
    "service": lambda files, name: setattr(of(files).service.add(), "name", name),
    "call": lambda files, name: setattr(of(files).service[0].method.add(), "name", name),
    "request": lambda files, name: setattr(of(files).service[0].method[0], "input_type", name),
    "type": lambda files, name: setattr(field(files, "MxEvent.value"), "type_name", name),
}


@each_row("place", PLACES)
def test_a_name_that_is_no_identifier_gets_nowhere(place: str) -> None:
    for name in NAMES:
        if (place, name) not in (("package", ""), ("package", "x.y"), ("request", "x.y"), ("type", "x.y")):
            refusal(hurt(lambda files: PLACES[place](files, name)))  # noqa: B023 - called within the iteration


WORDS = (
    "class",
    "None",
    "import",
    "self",
    "data",
    "pos",
    "end",
    "depth",
    "functions",
    "__class__",
    "__dict__",
    "__init__",
    "parse",
    "exec",
)


@each_row("word", WORDS)
def test_a_name_that_means_something_to_python_is_a_name(word: str) -> None:
    def change(files: Any) -> None:
        message(files, "MxEvent").field.add(name=word, number=99, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)
        next(each for each in of(files).enum_type if each.name == "MxEventFamily").value.add(name=word, number=99)

    contract, event = Contract.load(hurt(change)), MESSAGES[1]
    for _ in range(200):
        found = contract.decode(proto.MxEvent, contract.encode(event) + block(99, b"x"))
        assert contract.extra(found) == {word: "x"}
        assert found.family == proto.MxEventFamily.ON_DATA_CHANGE
        assert found.__class__ is proto.MxEvent
    strange = contract.decode(
        proto.MxEvent, contract.encode(event) + encode_varint(message_number("family") << 3) + b"\x63"
    )
    assert strange.family not in list(proto.MxEventFamily)
    assert str(strange.family.name) == word


def message_number(name: str) -> int:
    number: int = next(
        each.number
        for each in message(FileDescriptorSet.FromString(own_descriptor_set()), "MxEvent").field
        if each.name == name
    )
    return number


def test_no_text_of_a_contract_becomes_source_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is made of our own names and of the contract's numbers."""

    def change(files: Any) -> None:
        for number, each in enumerate(of(files).message_type):
            each.field.add(name=f"foreign_{number}", json_name="foreign", number=9000, type=FIELD.TYPE_STRING)
            for known in each.field:
                known.json_name = f"foreign_{known.number}"
        for each in of(files).enum_type:
            each.value.add(name="FOREIGN_VALUE", number=9000)

    sources: list[str] = []
    compile_source = Linker.compile

    def recorded(self: Linker, source: str) -> Any:
        sources.append(source)
        return compile_source(self, source)

    monkeypatch.setattr(Linker, "compile", recorded)
    contract = Contract.load(hurt(change))
    for each in MESSAGES * 200:
        contract.decode(type(each), contract.encode(each) + block(9000, b"x"))
    assert len(sources) > 8
    assert not [source for source in sources if "foreign" in source.lower() or GATEWAY in source]


def test_imports_in_a_circle_and_files_that_are_missing_are_no_matter_for_the_messages() -> None:
    def change(files: Any) -> None:
        for one in files.file:
            one.dependency.extend(each.name for each in files.file if each.name not in one.dependency)
        of(files).dependency.append("../../etc/passwd")

    assert Contract.load(hurt(change)).encode(MESSAGES[1]) == bytes(MESSAGES[1])
