"""What the tests of JSON give to each field of the suite's message, and what google.protobuf takes beyond the mapping."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NUMBERS: Final = [
    "0", "-0", "1", "-1", "2", "1.0", "1.5", "-1.5", "1e0", "1e2", "1E+2", "100e-2", "1.5e1", "0.1", "1e-7", "1e21",
    "123456789", "2147483647", "-2147483648", "2147483648", "-2147483649", "4294967295", "4294967296",
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "-9223372036854775809", "9007199254740993", "3.4028235e38", "3.5e38", "-3.5e38", "1e-46",
    "1.7976931348623157e308", "1e309", "-1e309", "1e400", "99", "-5",
]  # fmt: skip
_TEXTS: Final = [
    "", "0", "1", "-1", "-0", "1.0", "1.5", "1e2", "1e-1", " 1", "1 ", "+1", "01", "0x1", "1_0", "1.", ".5", "2147483647",
    "2147483648", "4294967295", "18446744073709551615", "-9223372036854775808", "9007199254740993", "NaN", "nan", "99",
    "Infinity", "-Infinity", "inf", "+Infinity", "true", "false", "null", "NULL_VALUE", "FOO", "BAR", "foo", "NEG",
    "FOREIGN_BAR", "MOO", "moo", "bAz", "BAZ", "ALIAS_BAZ", "AQ==", "AQ", "AQ=", "-_8=", "+/8=", "-_8", "A", "A Q", "é",
    r"\u00e9", r"\ud83d\ude00", r"\ud83d", r"\ude00", r"\ude00\ud83d", r"\u0000", r"a\nb", r"\/", r"\x", "a b", "0s",
    "1.5s", "-1.5s", "1.000000001s", "1.0000000001s", "315576000000s", "315576000000.999999999s", "-315576000001s",
    "315576000001s", "1S", "s", ".5s", "1.s", "- 1s", "+1s", "-.5s", "1e1s", "-0.000000001s", "foo,barBaz", "foo_bar",
    "foo.barBaz,qux", "Foo", "foo,bar_baz", ",", "foo,,bar", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.1Z",
    "1970-01-01T00:00:00.123456789Z", "1970-01-01T00:00:00.1234567891Z", "1970-01-01T00:00:00+01:00",
    "1970-01-01T00:00:00-23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "1970-01-01t00:00:00Z",
    "1970-01-01T00:00:00z", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z", "1970-01-01T24:00:00Z",
    "1970-01-01T23:59:60Z", "1970-1-1T0:0:0Z", "1970-02-29T00:00:00Z", "1972-02-29T00:00:00Z", "1970-01-01T00:00Z",
    "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00.Z",
]  # fmt: skip
_LISTS: Final = [
    "[]", "[null]", "[1]", '["1"]', "[1,1]", "[true]", "[[]]", "[{}]", '["a"]', '["0s"]', '["1970-01-01T00:00:00Z"]',
    '[1,"a"]', '["FOO",1,99]', "[0]", '["AQ=="]', '["NaN",1.5]', "[2147483648]", '["foo,barBaz"]', '[{"a":1},{"a":2}]',
]  # fmt: skip
_OBJECTS: Final = [
    "{}", '{"a":1}', '{"a":null}', '{"1":1}', '{"1":"1"}', '{"a":"b"}', '{"true":true}', '{"false":true,"true":false}',
    '{"True":true}', '{"01":1}', '{"-1":"-1"}', '{" 1":1}', '{"1.0":1}', '{"1e0":1}', '{"":""}', '{"c":1}',
    '{"c":"1","a":2}', '{"a":{"a":1}}', '{"a":{"c":1}}', '{"a":{}}', '{"a":"FOO"}', '{"a":"FOREIGN_BAR"}', '{"a":99}',
    '{"a":"AQ=="}', '{"1":1.5}', '{"1":"NaN"}', '{"a":[1,"x",null,true,{"b":[]}]}', '{"seconds":1}', '{"paths":["a"]}',
    '{"value":1}', '{"fields":{}}', '{"corecursive":{"optionalInt32":1}}', '{"corecursive":{"corecursive":{}}}',
    '{"x":1}', '{"4294967296":1}', '{"-1":1}', '{"1":2147483648}', '{"1":null}', '{"a":1,"a":2}',
]  # fmt: skip

VALUES: Final = list(
    dict.fromkeys(["null", "true", "false", *_NUMBERS, *(f'"{text}"' for text in _TEXTS), *_LISTS, *_OBJECTS])
)
"""JSON values of every form; each field gets them all."""


class Leniency(NamedTuple):
    """Values on which google.protobuf's Python and the mapping differ; of two readers only one takes them."""

    reason: str
    kinds: tuple[str, ...]
    values: re.Pattern[str]
    """Of the whole JSON value."""
    testee_takes: bool = False


_INTEGERS = tuple(f"{sign}{size}" for sign in ("int", "uint", "sint", "fixed", "sfixed") for size in (32, 64))
_FLOATS = ("float", "double")
_MESSAGES = ("NestedMessage", "ForeignMessage", "TestAllTypesProto3")

LENIENCIES: Final = [
    Leniency("int() of Python reads more", (*_INTEGERS, *_FLOATS, "enum"), re.compile(r'"(\+1|1_0|1\.)"')),
    Leniency("float() of Python reads more", (*_FLOATS, "enum"), re.compile(r'"( 1|1 |\.5|inf|\+Infinity)"')),
    Leniency("bool is a number in Python", (*_FLOATS, "enum"), re.compile(r".*(true|false)\W*")),
    Leniency("int() of Python cuts fractions", ("enum",), re.compile(r'(\{"1":)?-?(0\.1|1\.5|1e-7|1e-46)\}?')),
    Leniency("an enum's number is cut to 32 bits", ("enum",), re.compile(r'"?-?(4294967295|4294967296|9\d{15,18})"?')),
    Leniency(
        "Python's base64 skips other characters", ("bytes",), re.compile(r'.*"([^"]*[^A-Za-z0-9+/_="-])[^"]*"\]?')
    ),
    Leniency("an empty sequence is taken for an object", _MESSAGES, re.compile(r'""|\[\]|\[\[\]\]|\{"":""\}')),
    Leniency("the form of a duration", ("Duration",), re.compile(r'"(1\.s|\+1s|1\.0000000001s)"')),
    Leniency("the form of a time", ("Timestamp",), re.compile(r'"(1970-1-1T0:0:0Z|1970-01-01T00:00:00\.Z)"')),
    Leniency("an infinite number in a Value", ("Value",), re.compile("-?1e309|1e400")),
    Leniency("the largest float, in eight digits", ("float",), re.compile("3\\.4028235e38"), testee_takes=True),
    Leniency("an enum's number as the text of a float", ("enum",), re.compile(r'"1(\.0|e2)"'), testee_takes=True),
    Leniency("null for a list of Values", ("Value",), re.compile("null"), testee_takes=True),
]


def leniency(kind: str, value: str) -> Leniency | None:
    """Return the row of a difference."""
    return next((each for each in LENIENCIES if kind in each.kinds and each.values.fullmatch(value)), None)


DOCUMENTS: Final = [
    "", " ", "null", "true", "1", '"a"', "{}", " {\n} ", "{", "}", "{}{}", "{} x", "{,}", '{"optionalInt32": 1,}',
    '{"optionalInt32": 1 "optionalInt64": 1}', '{"optionalInt32" 1}', "{optionalInt32: 1}", "{'optionalInt32': 1}",
    '{"optionalInt32": 1} // c', '{/* c */"optionalInt32": 1}', '{"optionalInt32": 01}', '{"optionalInt32": +1}',
    '{"optionalInt32": 1.}', '{"optionalInt32": .5}', '{"optionalInt32": 0x1}', '{"optionalInt32": -}',
    '{"optionalInt32": True}', '{"optionalString": "a\nb"}', '{"optionalString": "a\tb"}', '{"optionalString": "a}',
    '{"optionalString": "\\u12"}', '{"optionalString": "\\U0041"}', '{"optionalString": "\\a"}', '{"optionalInt32": 1}',
    '{"optionalInt32": 1, "optionalInt32": 2}', '{"optional_int32": 1}',
    '{"optionalInt32": null, "optional_int32": 2}', '{"oneofUint32": 1, "oneofString": "a"}', '{"unknown": 1}',
    '{"oneofUint32": null, "oneofString": "a"}', '{"unknown": null}',
    '{"oneofNullValue": null}', '{"oneofNullValue": "NULL_VALUE"}', '{"mapStringString": {"a": "1", "a": "2"}}',
    '{"optionalStruct": {"a": 1, "a": 2}}', '{"optional\\u0049nt32": 1}', '{"OptionalInt32": 1}', '{"OPTIONALINT32": 1}',
    '{"fieldname1": 1, "fieldName2": 2, "FieldName3": 3, "fieldName4": 4}', '{"_field_name3": 3, "field__name4_": 4}',
    '{"field0name5": 1, "field0Name6": 2, "fieldName7": 3, "FieldName8": 4, "fieldName9": 5, "FieldName10": 6}',
    '{"FIELDNAME11": 1, "FIELDName12": 2, "FieldName13": 3, "fieldName15": 4, "fieldName16": 5, "FieldName18": 6}',
    '{"__Field_name14": 1, "FIELD_name12": 2, "fieldName17": 3}', '{"recursiveMessage": {"recursiveMessage": {}}}',
    *('{"recursiveMessage":' * depth + "{}" + "}" * depth for depth in (10, 50, 90)),
    *('{"optionalValue":' + "[" * depth + "]" * depth + "}" for depth in (5, 40)),
]  # fmt: skip
"""Whole documents."""

REFUSED_DOCUMENTS: Final = [
    "[]",
    '{"optionalInt32": 1, "optional_int32": 2}',
    '{"oneofNullValue": null, "oneofUint32": 1}',
    *(f'{{"optionalDouble": {number}}}' for number in ("NaN", "Infinity", "-Infinity")),
    "\ufeff{}",
    '{"recursiveMessage":' * 101 + "{}" + "}" * 101,
    '{"optionalValue":' + "[" * 100_000,
]
"""Documents that google.protobuf's Python takes, or on which it fails otherwise."""
