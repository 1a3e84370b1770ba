"""What is wrong as an argument, by the part that the argument plays; and calls in which everything is right."""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from mxgateway import Secret, proto
from tests.client.command_stage import NOON

TOO_LARGE: Final = 17 * 1024 * 1024
HUGE: Final = "x" * TOO_LARGE
HUGE_BYTES: Final = bytes(TOO_LARGE)
"""Bytes that no message of the gateway holds."""
MANY: Final = 1_001  # entries of a list that takes more than one call
NAIVE: Final = datetime(2024, 1, 1)
UNSENDABLE: Final = proto.MxValue(data_type=proto.MxDataType.INTEGER, int32_value=2**40)
GUID: Final = "01234567-89ab-cdef-0123-456789abcdef"


@dataclass(frozen=True)
class Bad:
    """One wrong argument."""

    name: str
    """What is wrong with it."""
    value: Any
    words: str = ""
    """What the message says; the argument's name where nothing is given."""


class Oddity:
    """Something whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


async def asynchronous() -> AsyncIterator[str]:
    yield "A.B"


# -- one value


def whole(least: int, most: int) -> Callable[[str], list[Bad]]:
    """What is no whole number from `least` to `most`."""

    def bad(name: str) -> list[Bad]:
        return [
            Bad("one too few", least - 1, f"{name} is {least - 1}"),
            Bad("one too many", most + 1, f"{name} is {most + 1}"),
            Bad("a bool", True, f"{name} is True"),
            Bad("a float", 1.0, f"{name} is 1.0"),
            Bad("nan", math.nan, f"{name} is nan"),
            Bad("a text", "1", f"{name} is '1'"),
            Bad("bytes", b"1", f"{name} is b'1'"),
            Bad("nothing", None, f"{name} is None"),
            Bad("a number of many digits", 10**5000, f"{name} is an integer of 16610 bits"),
            Bad("a long text", "x" * 100_000, f"{name} is 'xxx"),
            Bad("something without a repr", Oddity(), f"{name} is an object of type Oddity"),
        ]

    return bad


handle = whole(1, 2**31 - 1)
"""So 0, what is negative, and 2^31."""


def user_or_nobody(name: str) -> list[Bad]:
    return [bad for bad in handle(name) if bad.value is not None]


def text(name: str) -> list[Bad]:
    return [
        Bad("a NUL character", "A\0B", f"{name} is 'A\\x00B'"),
        Bad("a lone surrogate", "A.\ud800", f"{name} is"),
        Bad("the other half of a pair", "\udfff", f"{name} is"),
        Bad("bytes", b"A.B", f"{name} is b'A.B'"),
        Bad("a number", 5, f"{name} is 5"),
        Bad("a list", ["A.B"], f"{name} is ['A.B']"),
        Bad("nothing", None, f"{name} is None"),
        Bad("17 MiB with a NUL at its end", HUGE + "\0", f"{name} is 'xxx"),
        Bad("17 MiB", HUGE, "max_send_bytes"),
    ]


def correlation_id(name: str) -> list[Bad]:
    return [
        *(bad for bad in text(name) if bad.name != "17 MiB"),
        Bad("17 MiB", HUGE, "of 17825792 characters"),
        Bad("a character too many", "x" * 1_001, "of 1001 characters"),
    ]


def secret(name: str) -> list[Bad]:
    return [
        Bad("a NUL character", "p\0w"),
        Bad("a lone surrogate", "\ud800"),
        Bad("bytes", b"pw"),
        Bad("a number", 5),
        Bad("nothing", None),
        Bad("a secret with a NUL", Secret("p\0w")),
        Bad("a secret of a number", Secret(5)),  # type: ignore[arg-type]
        Bad("17 MiB", HUGE, "max_send_bytes"),
    ]


def guid(name: str) -> list[Bad]:
    return [
        Bad("a name", "operator", f"{name} is 'operator'"),
        Bad("an empty text", "", f"{name} is ''"),
        Bad("one digit too few", GUID[:-1]),
        Bad("bytes", uuid.UUID(GUID).bytes),
        Bad("a number", uuid.UUID(GUID).int),
        Bad("nothing", None, f"{name} is None"),
        Bad("a NUL character", f"{GUID}\0"),
        Bad("17 MiB", "0" * TOO_LARGE),
    ]


def bound(name: str) -> list[Bad]:
    return [
        Bad("zero", 0, f"{name} is 0"),
        Bad("negative", -0.5, f"{name} is -0.5"),
        Bad("minus infinity", -math.inf, f"{name} is -inf"),
        Bad("nan", math.nan, f"{name} is nan"),
        Bad("a bool", True, f"{name} is True"),
        Bad("a text", "5", f"{name} is '5'"),
        Bad("a timedelta", timedelta(seconds=5), f"{name} is datetime.timedelta"),
        Bad("a list", [5], f"{name} is [5]"),
    ]


VALUES: Final[list[tuple[str, Any]]] = [
    ("nan", math.nan),
    ("infinity", -math.inf),
    ("a naive time", NAIVE),
    ("a day", date(2024, 1, 1)),
    ("a NUL character", "A\0B"),
    ("a lone surrogate", "\ud800"),
    ("something unknown", object()),
    ("a set", {1, 2}),
    ("another message", proto.PingCommand()),
    ("a message that cannot be encoded", UNSENDABLE),
    ("a large message that cannot be encoded", proto.MxValue(string_value=5)),  # type: ignore[arg-type]
    ("several types", [1, "a"]),
    ("a hole in an array", [1, None]),
    ("an array of arrays", [[1], [2]]),
    ("nan in an array", [1.0, math.nan]),
    ("a time before all time", datetime.fromisoformat("1600-12-31T00:00:00+00:00")),
]
"""What is no value of any type."""

UNTYPED: Final[list[tuple[str, Any]]] = [("64 bits and more", 2**63), ("an empty array", [])]
"""What is no value unless a type is given."""


def value(name: str) -> list[Bad]:
    bad = [Bad(what, each) for what, each in VALUES + UNTYPED]
    return [*bad, Bad("17 MiB", HUGE, "max_send_bytes"), Bad("17 MiB", HUGE_BYTES, "max_send_bytes")]


def data_type(name: str) -> list[Bad]:
    return [
        Bad("its name", "INTEGER", "data_type is of type str"),
        Bad("something else", object(), "data_type is of type object"),
        Bad("a float", 2.0, "data_type is of type float"),
        Bad("a bool", True, "data_type is of type bool"),
        Bad("a number without a name", 99, "data type number 99"),
        Bad("one without values", proto.MxDataType.NO_DATA, "data type NO_DATA"),
        Bad("one of another value", proto.MxDataType.STRING, "STRING was requested"),
    ]


def element_data_type(name: str) -> list[Bad]:
    bad = [each for each in data_type(name) if each.name != "one of another value"]
    bad = [Bad(each.name, each.value, each.words.replace("data_type", name)) for each in bad]
    return [*bad, Bad("none", None, "data type"), Bad("an unspecified one", proto.MxDataType.UNSPECIFIED, "data type")]


def total_length(name: str) -> list[Bad]:
    shown = "total length"
    return [Bad(bad.name, bad.value, shown) for bad in whole(0, 2**32 - 1)(name) if not isinstance(bad.value, Oddity)]


def elements(name: str) -> list[Bad]:
    return [
        Bad("none at all", {}, "elements is empty"),
        Bad("a list", [5], "elements is [5]"),
        Bad("nothing", None, "elements is None"),
        Bad("a negative slot", {-1: 5}, "elements[-1] is outside"),
        Bad("a slot behind the end", {0: 5, 3: 5}, "elements[3] is outside"),
        Bad("a text as slot", {"0": 5}, "elements['0'] has no valid index"),
        Bad("a float as slot", {1.0: 5}, "elements[1.0] has no valid index"),
        Bad("a bool as slot", {True: 5}, "elements[True] has no valid index"),
        Bad("a text among numbers", {0: 5, 2: "a"}, "elements[2] is of type str"),
        Bad("nothing among numbers", {0: 5, 1: None}, "elements[1] is None"),
        Bad("an array among numbers", {0: [1]}, "elements[0] is a list"),
    ]


def moment(name: str) -> list[Bad]:
    return [
        Bad("a naive time", NAIVE, f"{name} is datetime"),
        Bad("a number", 5, f"{name} is 5"),
        Bad("a text", "2024-01-01T00:00:00Z", f"{name} is '2024"),
        Bad("a day", date(2024, 1, 1), f"{name} is datetime.date"),
        Bad("nothing", None, f"{name} is None"),
        Bad("a time before all time", datetime.fromisoformat("1600-12-31T00:00:00+00:00"), f"{name} is before"),
    ]


def command(name: str) -> list[Bad]:
    return [
        Bad("nothing", None, f"{name} is None"),
        Bad("a name", "PING", f"{name} is 'PING'"),
        Bad("a command's body", proto.PingCommand(), f"{name} is PingCommand"),
        Bad("a whole request", proto.MxCommandRequest(), f"{name} is MxCommandRequest"),
    ]


# -- lists


def no_list(name: str) -> list[Bad]:
    """What is no list with anything in it."""
    return [
        Bad("an empty list", [], f"{name} is empty"),
        Bad("an empty generator", iter(()), f"{name} is empty"),
        Bad("one text", "AB", f"{name} is the single str 'AB'"),
        Bad("one run of bytes", b"\1\2", f"{name} is the single bytes"),
        Bad("another run of bytes", bytearray(b"\1\2"), f"{name} is the single bytearray"),
        Bad("a view of bytes", memoryview(b"\1\2"), f"{name} is the single memoryview"),
        Bad("one number", 5, f"{name} is 5"),
        Bad("nothing", None, f"{name} is None"),
        Bad("an asynchronous generator", asynchronous(), f"{name} is <async_generator"),
    ]


def handles(name: str) -> list[Bad]:
    many = [*range(1, MANY)]
    return [
        *no_list(name),
        Bad("the same one twice", [7, 8, 7], f"{name}[2] is 7, the same as {name}[0]"),
        Bad("the first one again at the end", [*many, 1], f"{name}[1000] is 1, the same as {name}[0]"),
        *(Bad(f"{bad.name} as the second", [7, bad.value], _at(bad, name, 1)) for bad in handle(name)),
        *(Bad(f"{bad.name} as the last", [*many, bad.value], _at(bad, name, 1000)) for bad in handle(name)),
    ]


def tags(name: str) -> list[Bad]:
    large = [bad for bad in text(name) if bad.words == "max_send_bytes"]
    small = [bad for bad in text(name) if bad not in large]
    return [
        *no_list(name),
        *(Bad(f"{bad.name} as the second", ["A.B", bad.value], _at(bad, name, 1)) for bad in small),
        *(Bad(f"{bad.name} as the last", ["A.B"] * 1000 + [bad.value], _at(bad, name, 1000)) for bad in small),
        *(Bad(f"{bad.name} as the first", [bad.value, "A.B"], f"{name}[0] takes") for bad in large),
        *(Bad(f"{bad.name} as the last", ["A.B"] * 1000 + [bad.value], f"{name}[1000] takes") for bad in large),
    ]


def column(name: str, good: Any) -> list[Bad]:
    """What is no list with one entry for each of two items."""
    return [
        Bad("one too few", [good], f"{name} has 1 values for 2 entries"),
        Bad("one too many", iter([good] * 3), f"{name} has 3 values for 2 entries"),
        Bad("a mapping", {7: good, 8: good}, f"{name} is a mapping"),
        Bad("a set", {good}, f"{name} is a set"),
        Bad("an empty list", [], f"{name} is empty"),
    ]


def values(name: str) -> list[Bad]:
    return [
        *no_list(name),
        *column(name, 5),
        *(Bad(f"{what} as the second", [5, each], f"{name}[1]") for what, each in VALUES + UNTYPED),
        Bad("17 MiB as the first", [HUGE, 5], f"{name}[0] takes"),
        Bad("17 MiB as the second", [5, HUGE_BYTES], f"{name}[1] takes"),
    ]


def one_or_column(single: Callable[[str], list[Bad]], good: Any) -> Callable[[str], list[Bad]]:
    """What is neither one value for all entries nor one for each."""

    def bad(name: str) -> list[Bad]:
        one = single(name)
        return [
            *(each for each in one if not isinstance(each.value, list)),
            *column(name, good),
            *(Bad(f"{each.name} as the second", [good, each.value], _at(each, name, 1)) for each in one),
        ]

    return bad


def _at(bad: Bad, name: str, index: int) -> str:
    return bad.words.replace(name, f"{name}[{index}]", 1) or f"{name}[{index}]"


def values_by_tag(name: str) -> list[Bad]:
    return [
        Bad("none at all", {}, "values is empty"),
        Bad("a list of pairs", [("A.B", 5)], "values is [('A.B', 5)]"),
        Bad("a text", "A.B", "values is 'A.B'"),
        Bad("nothing", None, "values is None"),
        *(
            Bad(f"{bad.name} as tag", {"A.B": 5, bad.value: 5}, "tag in values")
            for bad in text(name)
            if not isinstance(bad.value, list) and bad.words != "max_send_bytes"
        ),
        Bad("17 MiB as tag", {"A.B": 5, HUGE: 5}, "the tag of values['xxx"),
        *(Bad(what, {"A.B": 5, "C.D": each}, "values['C.D']") for what, each in VALUES),
        Bad("17 MiB", {"A.B": 5, "C.D": HUGE}, "values['C.D'] takes"),
    ]


# -- all arguments of all methods

INT32, UINT32 = whole(-(2**31), 2**31 - 1), whole(0, 2**32 - 1)

BY_NAME: Final[dict[str, Callable[[str], list[Bad]]]] = {
    "after_worker_sequence": whole(0, 2**64 - 1),
    "client_name": text,
    "command": command,
    "correlation_id": correlation_id,
    "current_user_id": handle,
    "data_type": data_type,
    "element_data_type": element_data_type,
    "elements": elements,
    "item_context": text,
    "item_definition": text,
    "item_handle": handle,
    "item_handles": handles,
    "max_events": UINT32,
    "milliseconds": whole(0, 2**31 - 1),
    "on_interruption": lambda name: [Bad(repr(each), each, f"{name} is {each!r}") for each in (7, "print", True)],
    "password": secret,
    "server_handle": handle,
    "tag_addresses": tags,
    "tags": tags,
    "timeout": bound,
    "timeout_ms": UINT32,
    "timestamp": moment,
    "timestamps": one_or_column(moment, NOON),
    "total_length": total_length,
    "user": text,
    "user_id": INT32,
    "user_id_guid": guid,
    "value": value,
    "values": values,
    "verifier_user_id": user_or_nobody,
}
"""What an argument of this name refuses."""

ELSEWHERE: Final[dict[tuple[str, str], Callable[[str], list[Bad]]]] = {
    ("write_tags", "values"): values_by_tag,
    **{(method, "user_id"): one_or_column(INT32, 7) for method in ("write_bulk", "write2_bulk")},
    **{
        (method, name): one_or_column(single, 7)
        for method in ("write_secured_bulk", "write_secured2_bulk")
        for name, single in (("current_user_id", handle), ("verifier_user_id", user_or_nobody))
    },
}
"""The arguments that play another part in one method."""

ANYTHING_GOES: Final = {("stream_events", "resume"), ("write_tags", "confirm"), *((f"write{kind}_bulk", "confirm") for kind in ("", "2", "_secured", "_secured2"))}  # fmt: skip
"""The arguments of which every value is a right one: a yes or a no."""
GOOD: Final[dict[str, Any]] = {
    "client_name": "tests",
    "command": proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand()),
    "current_user_id": 1,
    "element_data_type": proto.MxDataType.INTEGER,
    "elements": {1: 5},
    "item_context": "",
    "item_definition": "A.B",
    "item_handle": 2,
    "item_handles": [2, 3],
    "milliseconds": 250,
    "password": "secret",
    "server_handle": 1,
    "tag_addresses": ["A.B", "C.D"],
    "tags": ["A.B", "C.D"],
    "timestamp": NOON,
    "timestamps": NOON,
    "total_length": 3,
    "user": "operator",
    "user_id_guid": GUID,
    "value": 5,
    "values": [5, 6],
}
"""A right one for each argument that a method cannot be called without."""
GOOD_ELSEWHERE: Final[dict[tuple[str, str], Any]] = {("write_tags", "values"): {"A.B": 5}}
