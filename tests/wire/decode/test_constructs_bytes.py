"""Bytes and messages of every construct of proto3, against google.protobuf and betterproto."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import betterproto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import wire
from tests.rows import each_row
from tests.wire import compiling
from tests.wire.conftest import Constructs
from tests.wire.messages import as_betterproto_can, google_messages
from tests.wire.profiles import bounded

NAMES = ["Scalars", "Optionals", "Lists", "Maps", "Tree", "Choices", "ManyChoices", "WellKnown", "Nothing", "Names"]


@each_row("name", NAMES)
@given(data=st.data())
@bounded(40)
def test_a_message_of_google_protobuf_comes_back_byte_for_byte(constructs: Constructs, name: str, data: Any) -> None:
    message = data.draw(google_messages(constructs.google(name)))
    encoded = message.SerializeToString(deterministic=True)
    for classes in (constructs.ours, constructs.stock):
        decoded = wire.decode(getattr(classes, name), encoded)
        assert wire.encode(decoded) == encoded
        assert bytes(wire.decode(getattr(classes, name), memoryview(encoded))) == bytes(decoded)


# betterproto has no reading of maps whose values are messages, nor of Struct, that could be compared with.
@each_row("name", [name for name in NAMES if name not in ("Maps", "ManyChoices", "WellKnown")])
@given(data=st.data())
@bounded(40)
def test_a_decoded_message_is_what_betterproto_parses(constructs: Constructs, name: str, data: Any) -> None:
    message = as_betterproto_can(data.draw(google_messages(constructs.google(name))))
    encoded = message.SerializeToString(deterministic=True)
    stock_type = getattr(constructs.stock, name)
    decoded, parsed = wire.decode(stock_type, encoded), stock_type().parse(encoded)
    assert repr(decoded) == repr(parsed)
    assert decoded == parsed or "nan" in repr(parsed)  # no list with a NaN equals another one
    assert decoded._group_current == parsed._group_current
    assert decoded._unknown_fields == parsed._unknown_fields
    assert betterproto.serialized_on_wire(decoded)
    ours = wire.decode(getattr(constructs.ours, name), encoded)
    assert repr(ours) == repr(parsed)
    assert ours._group_current == parsed._group_current


def test_a_map_is_written_in_the_order_of_its_keys(constructs: Constructs) -> None:
    maps = constructs.ours.Maps(
        by_string={"b": 1, "": 2, "a": 3, "aa": 4, "é": 5},
        by_sint64={5: 1, -1: 2, -(2**63): 3, 7: 4},
        by_uint64={2**64 - 1: 1.5, 0: 0.0, 2**63: -0.0},
        by_bool={},
    )
    same = constructs.ours.Maps(
        by_string=dict(reversed(maps.by_string.items())),
        by_sint64=dict(reversed(maps.by_sint64.items())),
        by_uint64=dict(reversed(maps.by_uint64.items())),
    )
    encoded = wire.encode(maps)
    assert wire.encode(same) == encoded
    assert wire.decode(constructs.ours.Maps, encoded) == maps
    assert _python_google_rewrites("Maps", encoded) == encoded


def _python_google_rewrites(name: str, encoded: bytes) -> bytes:
    """Return what google.protobuf writes in its Python implementation, the one with a settled order of maps."""
    program = (
        "import sys; from pathlib import Path; from tests.wire import compiling; import tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    google = compiling.Google(compiling.describe(compiling.CONSTRUCTS, Path(folder)))\n"
        f"message = google('wire_constructs.v1.{name}').FromString(bytes.fromhex('{encoded.hex()}'))\n"
        "print(message.SerializeToString(deterministic=True).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        cwd=Path(compiling.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return bytes.fromhex(done.stdout)


def test_the_last_member_of_a_oneof_wins(constructs: Constructs) -> None:
    google = constructs.google("Choices")
    parts = [google(an_int32=5), google(a_string="text"), google(a_double=0.0), google(some_bytes=b"")]
    encoded = b"".join(part.SerializeToString() for part in parts)
    for classes in (constructs.ours, constructs.stock):
        decoded = wire.decode(classes.Choices, encoded)
        assert betterproto.which_one_of(decoded, "number") == ("a_double", 0.0)
        assert betterproto.which_one_of(decoded, "anything") == ("some_bytes", b"")
        assert wire.encode(decoded) == google.FromString(encoded).SerializeToString(deterministic=True)


def test_a_sub_message_that_comes_in_pieces_is_merged(constructs: Constructs) -> None:
    google = constructs.google("Tree")
    parts = [
        google(label="a", left=google(label="x", left=google(label="deep"))),
        google(left=google(others=[google(label="1")])),
        google(left=google(label="y", others=[google(label="2")], left=google(right=google()))),
    ]
    encoded = b"".join(part.SerializeToString() for part in parts)
    for classes in (constructs.ours, constructs.stock):
        tree = wire.decode(classes.Tree, encoded)
        assert tree.left.label == "y"
        assert [other.label for other in tree.left.others] == ["1", "2"]
        assert tree.left.left.label == "deep"
        assert wire.encode(tree) == google.FromString(encoded).SerializeToString(deterministic=True)


def test_a_member_of_a_oneof_is_merged_only_while_it_stays_the_current_one(constructs: Constructs) -> None:
    google = constructs.google("Choices")
    scalars = constructs.google("Scalars")
    number = google(a_message=scalars(an_int32=1)).SerializeToString()
    text = google(a_message=scalars(a_string="x")).SerializeToString()
    other = google(a_bool=True).SerializeToString()
    for encoded in (number + text, number + other + text):
        decoded = wire.decode(constructs.ours.Choices, encoded)
        assert wire.encode(decoded) == google.FromString(encoded).SerializeToString(deterministic=True)
    assert wire.decode(constructs.ours.Choices, number + text).a_message.an_int32 == 1
    assert wire.decode(constructs.ours.Choices, number + other + text).a_message.an_int32 == 0


def test_the_parts_of_a_time_are_merged_too(constructs: Constructs) -> None:
    seconds, nanos = bytes.fromhex("0a020805"), bytes.fromhex("0a021064")
    decoded = wire.decode(constructs.ours.WellKnown, seconds + nanos)
    assert decoded.a_timestamp == wire.Timestamp.from_parts(5, 100)


def test_lists_are_read_packed_and_unpacked_and_mixed(constructs: Constructs) -> None:
    encoded = bytes.fromhex("1a03010203" + "1804" + "1a0105" + "18ffffffffffffffffff01")
    for classes in (constructs.ours, constructs.stock):
        assert wire.decode(classes.Lists, encoded).int32_s == [1, 2, 3, 4, 5, -1]
    assert wire.encode(wire.decode(constructs.ours.Lists, bytes.fromhex("5100000000000000000a00"))) == bytes.fromhex(
        "52080000000000000000"
    )


def test_unknown_fields_are_kept_and_written_at_the_end(constructs: Constructs) -> None:
    tomorrow = constructs.google("ScalarsOfTomorrow")(
        an_int32=5, a_string="x", added_text="new", added_numbers=[1, 2**64 - 1], added_fixed32=1, added_fixed64=2
    )
    tomorrow.added_message.left.label = "deep"
    encoded = tomorrow.SerializeToString(deterministic=True)
    for classes in (constructs.ours, constructs.stock):
        decoded = wire.decode(classes.Scalars, encoded)
        assert (decoded.an_int32, decoded.a_string) == (5, "x")
        assert wire.encode(decoded) == encoded
        decoded.some_bytes = b"later"
        assert wire.encode(decoded).endswith(decoded._unknown_fields)


def test_a_field_with_another_wire_type_than_its_own_is_unknown(constructs: Constructs) -> None:
    encoded = bytes.fromhex("1d01000000" + "7001" + "0a00")
    decoded = wire.decode(constructs.ours.Scalars, encoded)
    assert decoded == constructs.ours.Scalars()
    assert wire.encode(decoded) == encoded


def test_fields_in_any_order_are_read(constructs: Constructs) -> None:
    message = constructs.google("Names")(camelCase=1, with_2_digits=2, kind=1, self="s", state="t", highest=-1)
    encoded = message.SerializeToString(deterministic=True)
    decoded = wire.decode(constructs.ours.Names, encoded)
    fields = [wire.encode(type(decoded)(**{name: value})) for name, value in vars(decoded).items()]
    backwards = b"".join(reversed(fields))
    assert backwards != encoded
    assert wire.decode(constructs.ours.Names, backwards) == decoded


def test_tags_and_numbers_in_more_bytes_than_they_need_are_read(constructs: Constructs) -> None:
    google = constructs.google("Scalars")
    for encoded in ("98000a", "9880800005", "188500", "1881808080808080808000", "f280808000" + "8180800061"):
        data = bytes.fromhex(encoded)
        decoded = wire.decode(constructs.ours.Scalars, data)
        assert wire.encode(decoded) == google.FromString(data).SerializeToString(deterministic=True)


def test_numbers_are_cut_to_the_width_of_their_field(constructs: Constructs) -> None:
    google = constructs.google("Scalars")
    for tag in ("18", "20", "28", "30", "38", "40", "68", "8001", "8801"):
        for number in ("ffffffffffffffffff7f", "8080808010", "ffffffff1f", "8180808080808080807f"):
            data = bytes.fromhex(tag + number)
            decoded = wire.decode(constructs.ours.Scalars, data)
            assert wire.encode(decoded) == google.FromString(data).SerializeToString(deterministic=True)


def test_minus_zero_and_nan_are_no_default(constructs: Constructs) -> None:
    scalars = constructs.ours.Scalars(a_double=-0.0, a_float=float("nan"))
    assert wire.encode(scalars) == constructs.google("Scalars")(a_double=-0.0, a_float=float("nan")).SerializeToString()
    assert wire.decode(constructs.ours.Scalars, wire.encode(scalars)) == scalars


def test_an_unknown_enum_number_is_kept_as_a_nameless_member(constructs: Constructs) -> None:
    encoded = constructs.google("Lists")(colors=[1, 77, -2, -9]).SerializeToString()
    decoded = wire.decode(constructs.ours.Lists, encoded)
    assert decoded.colors == [1, 77, -2, -9]
    assert [color.name for color in decoded.colors] == ["RED", None, "NEGATIVE", None]
    assert wire.encode(decoded) == encoded


def test_a_message_with_fields_deprecated_is_read_without_a_warning(constructs: Constructs) -> None:
    encoded = constructs.google("Outdated")(number=1, inner={"number": 2}).SerializeToString()
    decoded = wire.decode(constructs.ours.Outdated, encoded)
    assert decoded.inner.number == 2
    assert decoded.inner.inner.number == 0
    with pytest.warns(DeprecationWarning, match="Outdated is deprecated"):
        constructs.ours.Outdated()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        constructs.ours.Outdated(number=5)
    assert [str(warning.message) for warning in warned] == ["Outdated is deprecated", "Outdated.number is deprecated"]


def test_an_entry_of_a_map_with_something_unknown_in_it_is_an_unknown_field(constructs: Constructs) -> None:
    google = constructs.google("Maps")
    for entry in ("0a0161" + "1005" + "1801", "1801", "0801" + "1005", "0a0161" + "1200"):
        data = bytes([0x0A, len(entry) // 2]) + bytes.fromhex(entry)
        decoded = wire.decode(constructs.ours.Maps, data)
        assert decoded.by_string == {}
        assert wire.encode(decoded) == google.FromString(data).SerializeToString(deterministic=True)


def test_an_entry_of_a_map_without_key_or_value_has_the_zero(constructs: Constructs) -> None:
    for entry in ("0a00", "0a020a00", "0a021000", "5200", "5a00", "6200", "6a00"):
        data = bytes.fromhex(entry)
        decoded = wire.decode(constructs.ours.Maps, data)
        assert wire.encode(decoded) == constructs.google("Maps").FromString(data).SerializeToString()


def test_a_map_of_wrappers_is_refused_because_betterproto_does_not_know_which(tmp_path: Path) -> None:
    proto = tmp_path / "wrapped.proto"
    proto.write_text(
        'syntax = "proto3"; package wrapped.v1; import "google/protobuf/wrappers.proto";\n'
        "message Wrapped { map<string, google.protobuf.Int64Value> numbers = 1; }"
    )
    compiling.generate_stock(compiling.describe(proto, tmp_path), tmp_path, "wrapped_root")
    compiling.make_importable(tmp_path)
    wrapped = compiling.import_package("wrapped_root", "wrapped.v1").Wrapped
    with pytest.raises(TypeError, match=r"Wrapped\.numbers.*which wrapper"):
        wire.decode(wrapped, b"")
