"""The API key is shown nowhere: not in text, not in a traceback, not in a log, not in a pickle."""

import copy
import dataclasses
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import ApiKey
from mxgateway.options.credentials import Secret
from tests.rows import each_row

SECRET = "s3cret-Part_with_underscores"
TEXT = f"mxgw_plant7_{SECRET}"


@dataclasses.dataclass
class Holder:
    key: ApiKey


def test_the_key_id_is_shown_and_the_secret_is_not() -> None:
    key = ApiKey(TEXT)
    assert str(key) == "mxgw_plant7_***"
    assert repr(key) == "ApiKey('mxgw_plant7_***')"
    assert key.key_id == "plant7"
    assert key.reveal() == TEXT
    assert key.authorization() == f"Bearer {TEXT}"


@each_row(
    "show",
    [
        repr, str, ascii, format, "{}".format, "{!r}".format, "{:>60}".format,
        lambda key: f"{key}", lambda key: f"{key=}", lambda key: "{} {!r}".format(*[key, key]),
        lambda key: repr([key]), lambda key: repr({key: key}), lambda key: repr(Holder(key)),
        lambda key: repr(getattr(key, "__dict__", None)),
    ],
)  # fmt: skip
def test_no_way_to_text_shows_the_secret(show: Callable[[object], str]) -> None:
    for key in (ApiKey(TEXT), ApiKey("no-gateway-form-" + SECRET), ApiKey("mxgw_" + SECRET.replace("_", "-"))):
        assert SECRET not in show(key)
        assert SECRET.replace("_", "-") not in show(key)


def test_formatting_pads_what_is_shown() -> None:
    assert f"{ApiKey(TEXT):>20}" == "     mxgw_plant7_***"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_no_log_line_shows_it(caplog: pytest.LogCaptureFixture, level: int) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("site").log(level, "connecting with %s %r", ApiKey(TEXT), Holder(ApiKey(TEXT)))
    assert "plant7" in caplog.text
    assert SECRET not in caplog.text


def test_no_traceback_shows_it_not_even_with_local_variables() -> None:
    def fail(key: ApiKey) -> None:
        header = key.authorization()
        del header
        raise RuntimeError(f"failed with {key}")

    with pytest.raises(RuntimeError) as caught:
        fail(ApiKey(TEXT))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "mxgw_plant7_***" in shown
    assert SECRET not in shown


@each_row("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ApiKey(TEXT), protocol)
    with pytest.raises(TypeError, match="cannot be pickled"):
        ApiKey(TEXT).__getstate__()


def test_it_can_be_copied_within_the_process() -> None:
    holder = Holder(ApiKey(TEXT))
    assert copy.deepcopy(holder) == holder == copy.copy(holder)
    assert dataclasses.asdict(holder) == {"key": ApiKey(TEXT)}


@each_row("text", ["", "   ", "\n", f"{TEXT}\r\nx-injected: 1", f"{TEXT} more", f"{TEXT}\0", f"{TEXT}ü", f"{TEXT}\x7f"])
def test_a_key_that_a_header_cannot_carry_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="mxgw_<key-id>_<secret>") as caught:
        ApiKey(text)
    assert SECRET not in str(caught.value)
    inside = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(frame_text(frame) for frame in inside.stack if "credentials.py" in frame.filename)
    assert isinstance(caught.value, ValueError)


def frame_text(frame: traceback.FrameSummary) -> str:
    return f"{frame.line} {frame.locals}"


def test_white_space_around_a_key_is_dropped_as_from_a_file() -> None:
    assert ApiKey(f"  {TEXT}\r\n") == ApiKey(TEXT)
    assert ApiKey(ApiKey(TEXT)) == ApiKey(TEXT)


@each_row(
    ("text", "key_id"),
    [
        ("mxgw_a_b", "a"),
        ("MXGW_a_b_c", "a"),
        ("mxgw__bcd", ""),
        ("mxgw_abcd", ""),
        ("other_a_b", ""),
        ("plain-key", ""),
    ],
)
def test_the_key_id_is_known_only_for_keys_of_the_gateways_form(text: str, key_id: str) -> None:
    key = ApiKey(text)
    assert key.key_id == key_id
    assert str(key) == (f"mxgw_{key_id}_***" if key_id else "***")


def test_keys_compare_by_their_text_and_with_keys_only() -> None:
    assert ApiKey("mxgw_a_b") == ApiKey("mxgw_a_b")
    assert ApiKey("mxgw_a_b") != ApiKey("mxgw_a_c")
    assert ApiKey("mxgw_a_b") != "mxgw_a_b"
    assert Secret("mxgw_a_b") != ApiKey("mxgw_a_b")
    assert len({ApiKey("mxgw_a_b"), ApiKey("mxgw_a_b"), Secret("mxgw_a_b")}) == 2


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8),
)
def test_whatever_the_secret_is_it_is_not_shown(key_id: str, secret: str) -> None:
    key = ApiKey(f"mxgw_{key_id}_{secret}")
    assert str(key) == f"mxgw_{key_id}_***"
    assert key.reveal() == f"mxgw_{key_id}_{secret}"
