"""The rules of protobuf's JSON mapping, one by one, and the errors that name a path."""

from __future__ import annotations

import json
import math
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import json_format

from mxgateway import proto, wire
from mxgateway.wire.messages import names
from tests.rows import each_row
from tests.wire.conftest import Constructs


@pytest.mark.parametrize("name", ["Tank", "T" + "a" * 200])
def test_a_type_is_found_by_its_name_wherever_its_writer_has_put_the_name(name: str) -> None:
    named, field = bytes(names._Type(name=name)), bytes(names._Type(field=[names._Field(name="level")]))
    for descriptor in (named, named + field, field + named):
        assert names._is_called(descriptor, name)
        assert not names._is_called(descriptor, "Tanker")


def test_enum_values_have_the_names_of_the_proto_file(constructs: Constructs) -> None:
    ours = constructs.ours
    message = ours.Names(nested=ours.NamesNested(kind=ours.NamesNestedKind.KIND_ONE))
    assert wire.to_json_dict(message) == {"nested": {"kind": "KIND_ONE"}}
    assert wire.to_json_dict(ours.Scalars(a_color=ours.Color.NEGATIVE)) == {"aColor": "COLOR_NEGATIVE"}
    assert wire.to_json_dict(ours.Scalars(an_unprefixed=ours.Unprefixed.ALSO_SOMETHING)) == {
        "anUnprefixed": "SOMETHING"
    }
    event = proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE)
    assert wire.to_json(event) == '{"family": "MX_EVENT_FAMILY_ON_DATA_CHANGE"}'


def test_enum_values_are_read_by_name_alias_and_number(constructs: Constructs) -> None:
    scalars = constructs.ours.Scalars
    for value in ("COLOR_RED", 1, 1.0, "1"):
        assert wire.from_json_dict(scalars, {"aColor": value}).a_color is constructs.ours.Color.RED
    assert wire.from_json_dict(scalars, {"anUnprefixed": "ALSO_SOMETHING"}).an_unprefixed == 1


def test_an_unknown_enum_number_is_a_number(constructs: Constructs) -> None:
    lists = wire.from_json_dict(constructs.ours.Lists, {"colors": [99, "COLOR_RED"]})
    assert [color.name for color in lists.colors] == [None, "RED"]
    assert wire.to_json_dict(lists) == {"colors": [99, "COLOR_RED"]}


def test_both_names_of_a_field_are_read_and_the_json_name_is_written(constructs: Constructs) -> None:
    ours = constructs.ours
    names = ours.Names(from_="f", camel_case=1, class_="c", with_2_digits=2, self="s", state="t")
    written = {"from": "f", "camelCase": 1, "Class": "c", "with2Digits": 2, "self": "s", "state": "t"}
    assert wire.to_json_dict(names) == written
    assert wire.from_json_dict(ours.Names, written) == names
    as_in_proto = {"from": "f", "camelCase": 1, "Class": "c", "with_2_digits": 2, "self": "s", "state": "t"}
    assert wire.from_json_dict(ours.Names, as_in_proto) == names


def test_integers_of_64_bits_are_strings_and_others_numbers(constructs: Constructs) -> None:
    scalars = constructs.ours.Scalars(an_int64=-1, a_uint64=2**64 - 1, a_fixed32=7, a_sint32=-7)
    assert wire.to_json_dict(scalars) == {"anInt64": "-1", "aUint64": str(2**64 - 1), "aSint32": -7, "aFixed32": 7}


@each_row("value", [100, 100.0, "100", "1e2", "100.0", "1E+2", "1000e-1"])
def test_integers_are_read_in_every_notation(constructs: Constructs, value: Any) -> None:
    read = wire.from_json_dict(constructs.ours.Scalars, {"anInt32": value, "aUint64": value})
    assert (read.an_int32, read.a_uint64) == (100, 100)
    assert type(read.an_int32) is int


def test_a_string_of_digits_keeps_all_of_them(constructs: Constructs) -> None:
    assert wire.from_json_dict(constructs.ours.Scalars, {"aUint64": "18446744073709551615"}).a_uint64 == 2**64 - 1


def test_floats_know_nan_and_infinity_as_strings(constructs: Constructs) -> None:
    lists = constructs.ours.Lists(doubles=[math.nan, math.inf, -math.inf, 1.5, -0.0], floats=[0.1])
    text = wire.to_json(lists)
    assert text == '{"doubles": ["NaN", "Infinity", "-Infinity", 1.5, -0.0], "floats": [0.1]}'
    back = wire.from_json(constructs.ours.Lists, text)
    assert math.copysign(1, back.doubles[4]) == -1
    assert wire.from_json_dict(constructs.ours.Lists, {"doubles": ["1.5", 2, "-1e3"]}).doubles == [1.5, 2.0, -1000.0]


def test_times_are_rfc_3339_with_every_digit(constructs: Constructs) -> None:
    ours = constructs.ours
    cases = [
        (wire.Timestamp.from_parts(0, 0), "1970-01-01T00:00:00Z"),
        (wire.Timestamp.from_parts(1714972089, 123456700), "2024-05-06T05:08:09.123456700Z"),
        (wire.Timestamp.from_parts(-1, 500000000), "1969-12-31T23:59:59.500Z"),
        (datetime(2024, 5, 6, 5, 8, 9, 120, tzinfo=UTC), "2024-05-06T05:08:09.000120Z"),
        (wire.Timestamp.from_parts(-62135596800, 0), "0001-01-01T00:00:00Z"),
        (wire.Timestamp.from_parts(253402300799, 999999999), "9999-12-31T23:59:59.999999999Z"),
    ]
    for moment, text in cases:
        message = ours.WellKnown(a_timestamp=moment)
        assert wire.to_json_dict(message) == {"aTimestamp": text}
        assert wire.from_json_dict(ours.WellKnown, {"aTimestamp": text}) == message


def test_a_time_with_an_offset_is_read(constructs: Constructs) -> None:
    read = wire.from_json_dict(constructs.ours.WellKnown, {"aTimestamp": "2024-05-06T07:08:09.1234567+02:00"})
    assert read.a_timestamp.parts() == (1714972089, 123456700)
    read = wire.from_json_dict(constructs.ours.WellKnown, {"aTimestamp": "1969-12-31T22:59:59-01:00"})
    assert read.a_timestamp.parts() == (-1, 0)


def test_a_time_that_no_datetime_holds_is_written_as_the_nearest(constructs: Constructs) -> None:
    message = constructs.ours.WellKnown(a_timestamp=wire.Timestamp.from_parts(10**12, 0))
    assert wire.to_json_dict(message) == {"aTimestamp": "9999-12-31T23:59:59.999999999Z"}


def test_durations_are_seconds(constructs: Constructs) -> None:
    ours = constructs.ours
    cases = [
        (timedelta(seconds=1.5), "1.500s"),
        (timedelta(microseconds=-1), "-0.000001s"),
        (wire.Duration.from_parts(-1, -500000000), "-1.500s"),
        (wire.Duration.from_parts(0, 1), "0.000000001s"),
        (timedelta(0), "0s"),
    ]
    for span, text in cases:
        message = ours.WellKnown(a_duration=span)
        assert wire.to_json_dict(message) == {"aDuration": text}
        assert wire.from_json_dict(ours.WellKnown, {"aDuration": text}) == message
    assert wire.from_json_dict(ours.WellKnown, {"aDuration": "1.5s"}).a_duration == timedelta(seconds=1.5)


@each_row(
    ("seconds", "nanos"),
    [
        (1, 1_000_000_000), (1, -1), (-1, 1), (0, 2_000_000_000), (2, -500_000_000), (0, -1_000_000_000),
        (315_576_000_001, 0), (-315_576_000_001, 0), (2**62, 5), (315_576_000_000, 999_999_999), (0, -1), (0, 0),
        (-315_576_000_000, -999_999_999), (1, 999_999_999),
    ],
)  # fmt: skip
def test_a_duration_is_written_and_refused_as_google_does(constructs: Constructs, seconds: int, nanos: int) -> None:
    google = constructs.google("WellKnown")()
    google.a_duration.seconds, google.a_duration.nanos = seconds, nanos
    message = wire.decode(constructs.ours.WellKnown, google.SerializeToString())
    try:
        expected = json_format.MessageToDict(google)
    except (ValueError, json_format.Error):
        with pytest.raises(wire.JsonError, match=f"a duration of {seconds} s and {nanos} ns has no JSON form"):
            wire.to_json_dict(message)
        return
    assert wire.to_json_dict(message) == expected
    assert wire.from_json_dict(constructs.ours.WellKnown, expected) == message


@each_row("text", ["+/8=", "-_8=", "+/8", "-_8"])
def test_bytes_are_read_in_both_alphabets_and_without_padding(constructs: Constructs, text: str) -> None:
    read = wire.from_json_dict(constructs.ours.Scalars, {"someBytes": text})
    assert read.some_bytes == b"\xfb\xff"
    assert wire.to_json_dict(read) == {"someBytes": "+/8="}


MASKS = [
    [], ["a"], ["tank_level"], ["tank.high_level", "b"], ["a_b_c"], ["a", "", "b"], ["a1_b"], ["é"],
]  # fmt: skip


@each_row("paths", MASKS)
def test_a_field_mask_is_a_text_as_google_writes_it(constructs: Constructs, paths: list[str]) -> None:
    google = constructs.google("WellKnown")()
    google.a_mask.paths.extend(paths)
    google.masks.add().paths.extend(paths)
    message = wire.decode(constructs.ours.WellKnown, google.SerializeToString())
    written = wire.to_json_dict(message)
    assert written == json_format.MessageToDict(google)
    assert wire.from_json_dict(constructs.ours.WellKnown, written) == message


@each_row("path", ["tankLevel", "Tank", "tank__level", "tank_01", "tank_", "_", "tank_Level", "tank_é"])
def test_a_field_mask_is_refused_where_google_refuses_it(constructs: Constructs, path: str) -> None:
    google = constructs.google("WellKnown")()
    google.a_mask.paths.append(path)
    if path != "tank_é":
        with pytest.raises((ValueError, json_format.Error)):
            json_format.MessageToDict(google)
    with pytest.raises(wire.JsonError, match=r"aMask: .* no JSON form") as caught:
        wire.to_json_dict(wire.decode(constructs.ours.WellKnown, google.SerializeToString()))
    assert caught.value.path == "aMask"


@pytest.mark.parametrize("paths", [["a,b"], [""]])
def test_a_field_mask_that_would_be_read_as_another_one_is_refused(constructs: Constructs, paths: list[str]) -> None:
    google = constructs.google("WellKnown")()
    google.a_mask.paths.extend(paths)
    assert json_format.Parse(json_format.MessageToJson(google), constructs.google("WellKnown")()) != google
    with pytest.raises(wire.JsonError, match="no JSON form"):
        wire.to_json_dict(wire.decode(constructs.ours.WellKnown, google.SerializeToString()))


@pytest.mark.parametrize("value", [None, "NULL_VALUE", 0])
def test_the_null_value_is_read_by_its_name_too(constructs: Constructs, value: Any) -> None:
    for classes in (constructs.ours, constructs.stock):
        read = wire.from_json_dict(classes.WellKnown, {"aNull": value})
        assert wire.which_one_of(read, "nothing") == "a_null"
        assert wire.to_json_dict(read) == {"aNull": None}


def test_null_means_not_set(constructs: Constructs) -> None:
    fields = {"aTimestamp": None, "aDouble": None, "aValue": None, "aString": None}
    read = wire.from_json_dict(constructs.ours.WellKnown, fields)
    assert [name for name in vars(read) if not name.startswith("_")] == ["a_value"]
    choices = wire.from_json_dict(constructs.ours.Choices, {"anInt32": None, "aDouble": 0})
    assert wire.which_one_of(choices, "number") == "a_double"


def test_zeros_with_presence_are_written_and_others_not(constructs: Constructs) -> None:
    ours = constructs.ours
    assert wire.to_json_dict(ours.Scalars(an_int32=0, a_string="", a_bool=False)) == {}
    assert wire.to_json_dict(ours.Optionals(an_int32=0, a_string="", a_bool=False)) == {
        "anInt32": 0,
        "aBool": False,
        "aString": "",
    }
    assert wire.to_json_dict(ours.Choices(a_double=0.0)) == {"aDouble": 0.0}
    assert wire.to_json_dict(ours.WellKnown(an_int32=0, a_string="")) == {"anInt32": 0, "aString": ""}


def test_maps_are_objects_in_the_order_of_their_keys(constructs: Constructs) -> None:
    ours = constructs.ours
    maps = ours.Maps(by_int32={5: "e", -1: "a"}, by_bool={True: timedelta(1), False: timedelta(0)})
    text = wire.to_json(maps)
    assert text == '{"byInt32": {"-1": "a", "5": "e"}, "byBool": {"false": "0s", "true": "86400s"}}'
    assert wire.from_json(ours.Maps, text) == maps


def test_an_indent_spreads_the_text_over_lines(constructs: Constructs) -> None:
    tree = constructs.ours.Tree(left=constructs.ours.Tree(label="é"))
    assert wire.to_json(tree, indent=2) == '{\n  "left": {\n    "label": "\\u00e9"\n  }\n}'


def test_bytes_of_utf_8_are_read(constructs: Constructs) -> None:
    assert wire.from_json(constructs.ours.Tree, '{"label": "é"}'.encode()).label == "é"


@each_row(
    ("name", "text", "path", "reason"),
    [
        ("Tree", '{"left": {"others": [{}, {"label": 5}]}}', "left.others[1].label", "expected a string, not 5"),
        ("Tree", '{"left": {"others": [null]}}', "left.others[0]", "null is not allowed as an element"),
        ("Tree", '{"left": {"others": {}}}', "left.others", "expected an array, not an object"),
        ("Tree", '{"left": []}', "left", "expected an object, not an array"),
        ("Tree", '{"lable": "x"}', "lable", "has no such field"),
        ("Tree", '{"label": "x", "label": "y"}', "", "duplicate key 'label'"),
        ("Tree", '{"label": "\\ud800"}', "label", "lone surrogate"),
        ("Tree", "[]", "", "expected an object, not an array"),
        ("Tree", "{", "", "invalid JSON"),
        ("Tree", b"\xff\xfe\xfa", "", "invalid JSON"),
        ("Tree", '{"left":' * 101 + "{}" + "}" * 101, "left." * 100 + "left", "more than 100 levels"),
        ("Tree", '{"left":' * 100_000, "", "nested too deeply"),
        ("Names", '{"with2Digits": 1, "with_2_digits": 1}', "with_2_digits", "given twice"),
        ("Choices", '{"anInt32": 1, "aDouble": 1}', "aDouble", "oneof 'number' already has 'an_int32'"),
        ("Scalars", '{"anInt32": 2147483648}', "anInt32", "2147483648 is out of the range of int32"),
        ("Scalars", '{"aUint32": -1}', "aUint32", "-1 is out of the range of uint32"),
        ("Scalars", f'{{"anInt64": {10**400}}}', "anInt64", f"{str(10**400)[:57]}… is out of the range of int64"),
        ("Scalars", '{"aUint64": "1e99"}', "aUint64", "expected an integer"),
        ("Scalars", '{"aUint64": "1e999999999"}', "aUint64", "expected an integer"),
        ("Scalars", '{"anInt32": 1.5}', "anInt32", "expected an integer, not 1.5"),
        ("Scalars", '{"anInt32": "1.5"}', "anInt32", "expected an integer, not '1.5'"),
        ("Scalars", '{"anInt32": " 1"}', "anInt32", "expected an integer"),
        ("Scalars", '{"anInt32": true}', "anInt32", "expected an integer, not true"),
        ("Scalars", '{"anInt32": "٣"}', "anInt32", "expected an integer"),
        ("Scalars", '{"aBool": "true"}', "aBool", "expected true or false, not 'true'"),
        ("Scalars", '{"aBool": 1}', "aBool", "expected true or false, not 1"),
        ("Scalars", '{"aDouble": NaN}', "", "NaN must be a string"),
        ("Scalars", '{"aDouble": 1e999}', "aDouble", "out of the range of double"),
        ("Scalars", '{"aDouble": "nan"}', "aDouble", "expected a number, not 'nan'"),
        ("Scalars", '{"aFloat": 3.5e38}', "aFloat", "out of the range of float"),
        ("Scalars", '{"someBytes": "a"}', "someBytes", "truncated"),
        ("Scalars", '{"someBytes": "a b="}', "someBytes", "expected base64"),
        ("Scalars", '{"aColor": "RED"}', "aColor", "wire_constructs.v1.Color has no value 'RED'"),
        ("Scalars", '{"aColor": 2147483648}', "aColor", "out of the range of enum"),
        ("WellKnown", '{"aTimestamp": "2024-02-30T00:00:00Z"}', "aTimestamp", "invalid time"),
        ("WellKnown", '{"aTimestamp": "2024-02-03t00:00:00z"}', "aTimestamp", "expected an RFC 3339 time"),
        ("WellKnown", '{"aTimestamp": "2024-02-03T00:00:00"}', "aTimestamp", "expected an RFC 3339 time"),
        ("WellKnown", '{"aTimestamp": "0001-01-01T00:00:00+01:00"}', "aTimestamp", "years 1 to 9999"),
        ("WellKnown", '{"aTimestamp": "2024-02-03T00:00:00+25:00"}', "aTimestamp", "invalid time"),
        ("WellKnown", '{"aTimestamp": 5}', "aTimestamp", "expected an RFC 3339 time, not 5"),
        ("WellKnown", '{"aDuration": "1.5"}', "aDuration", "expected seconds"),
        ("WellKnown", '{"aDuration": "315576000001s"}', "aDuration", "longer than 10,000 years"),
        ("WellKnown", '{"anInt32": "x"}', "anInt32", "expected an integer"),
        ("WellKnown", '{"aStruct": {"a": [1, {"b": 1e999}]}}', "aStruct['a'][1]['b']", "out of the range"),
        ("WellKnown", '{"aStruct": []}', "aStruct", "expected an object, not an array"),
        ("WellKnown", '{"aList": {}}', "aList", "expected an array, not an object"),
        ("WellKnown", '{"aMask": "tank_level"}', "aMask", "expected paths in lowerCamelCase, not 'tank_level'"),
        ("WellKnown", '{"aMask": ["tank"]}', "aMask", "expected a string, not an array"),
        ("WellKnown", '{"masks": ["a", "_"]}', "masks[1]", "expected paths in lowerCamelCase"),
        ("WellKnown", '{"aNull": "NULL"}', "aNull", "has no value 'NULL'"),
        ("Maps", '{"byInt32": {"x": "y"}}', "byInt32['x']", "expected an integer"),
        ("Maps", '{"byBool": {"1": "1s"}}', "byBool['1']", 'expected "true" or "false"'),
        ("Maps", '{"byString": {"a": null}}', "byString['a']", "null is not allowed as an element"),
        ("Maps", '{"byString": []}', "byString", "expected an object, not an array"),
    ],
)
def test_a_fault_is_named_with_its_path(
    constructs: Constructs, name: str, text: str | bytes, path: str, reason: str
) -> None:
    for classes in (constructs.ours, constructs.stock):
        with pytest.raises(wire.JsonError) as caught:
            wire.from_json(getattr(classes, name), text)
        assert caught.value.path == path
        assert reason in caught.value.reason
        assert caught.value.message_name == name
        assert str(caught.value) == f"{name}: {path}: {caught.value.reason}".replace(": : ", ": ")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert isinstance(caught.value, wire.WireError)


@each_row("text", ['{"anInt32": 1.5}', '{"aBool": 0}', '{"x": 1}', '{"aColor": "RED"}', '{"aDouble": "nan"}'])
def test_google_protobuf_refuses_these_too(constructs: Constructs, text: str) -> None:
    with pytest.raises(json_format.ParseError):
        json_format.Parse(text, constructs.google("Scalars")())


@each_row(
    ("name", "fields", "path", "reason"),
    [
        ("Scalars", {"an_int32": "x"}, "anInt32", "cannot be interpreted as an integer"),
        ("Scalars", {"a_string": b"x"}, "aString", "needs a str, not a bytes"),
        ("Lists", {"timestamps": [datetime(2024, 1, 1)]}, "timestamps[0]", "no time zone"),
        ("Maps", {"by_int32": {1: 5}}, "byInt32[1]", "needs a str, not a int"),
        ("Tree", {"left": 5}, "left", "needs a Tree, not a int"),
    ],
)
def test_a_value_that_does_not_fit_is_not_written(
    constructs: Constructs, name: str, fields: dict[str, Any], path: str, reason: str
) -> None:
    with pytest.raises(wire.JsonError, match=reason) as caught:
        wire.to_json(getattr(constructs.ours, name)(**fields))
    assert caught.value.path == path


def test_a_message_in_itself_is_refused(constructs: Constructs) -> None:
    tree = constructs.ours.Tree()
    tree.left = tree
    with pytest.raises(wire.JsonError, match="more than 100 levels"):
        wire.to_json(tree)


def test_the_types_whose_json_needs_a_registry_are_refused() -> None:
    from betterproto.lib.google.protobuf import Any as AnyMessage

    with pytest.raises(wire.JsonError, match=r"google\.protobuf\.Any is not supported"):
        wire.to_json(AnyMessage(type_url="x"))
    with pytest.raises(wire.JsonError, match=r"google\.protobuf\.Any is not supported"):
        wire.from_json(AnyMessage, "{}")


def test_classes_without_a_descriptor_set_have_the_usual_names() -> None:
    from betterproto.lib.google.protobuf import Method, Syntax

    method = Method(name="m", request_type_url="u", syntax=Syntax(Syntax.PROTO3))
    written = wire.to_json_dict(method)
    assert written == {"name": "m", "requestTypeUrl": "u", "syntax": "SYNTAX_PROTO3"}
    assert wire.from_json_dict(Method, written) == method
    assert json.loads(wire.to_json(method)) == written


HUGE = {
    "many keys, one twice": "{" + ",".join(f'"k{number}":1' for number in range(200_000)) + ',"k199999":2}',
    "many unknown keys": "{" + ",".join(f'"k{number}":1' for number in range(200_000)) + "}",
    "a long key": '{"' + "k" * 1_000_000 + '":1}',
    "a long key twice": '{"' + "k" * 1_000_000 + '":1,"' + "k" * 1_000_000 + '":1}',
    "a long enum name": '{"dataType":"' + "K" * 1_000_000 + '"}',
    "a long number": '{"int32Value":' + "1" * 1_000_000 + "}",
    "a long number in a text": '{"int64Value":"' + "1" * 1_000_000 + '"}',
    "a number with a huge exponent": '{"int64Value":"1e999999999"}',
    "a long time": '{"timestampValue":"2020-01-01T00:00:00.' + "1" * 1_000_000 + 'Z"}',
    "a long text of base64": '{"rawValue":"' + "A" * 1_000_000 + '!"}',
    "deep arrays": '{"stringValue":' + "[" * 1_000_000,
    "deep objects": '{"sparseArrayValue":{"elements":[{"value":' * 50_000,
    "nested too deep": '{"sparseArrayValue":{"elements":[{"value":' * 60 + "{}" + "}]}}" * 60,
}


@each_row("name", HUGE)
def test_a_huge_document_is_refused_in_few_words_and_in_time_in_proportion(name: str) -> None:
    with pytest.raises(wire.JsonError) as caught:  # with a search of all keys for each key the first one takes a day
        wire.from_json(proto.MxValue, HUGE[name])
    assert len(str(caught.value)) < 3000
