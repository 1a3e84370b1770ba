"""An HRESULT is explained by name and meaning, or by facility and code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.status import explain_hresult, hresult_failed
from tests.rows import each_row


def signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number


@each_row(
    ("number", "name"),
    [
        (0x00000000, "S_OK"),
        (0x00000001, "S_FALSE"),
        (0x80004001, "E_NOTIMPL"),
        (0x80004003, "E_POINTER"),
        (0x80004005, "E_FAIL"),
        (0x8000FFFF, "E_UNEXPECTED"),
        (0x80070005, "E_ACCESSDENIED"),
        (0x80070006, "E_HANDLE"),
        (0x8007000E, "E_OUTOFMEMORY"),
        (0x80070057, "E_INVALIDARG"),
        (0x80010108, "RPC_E_DISCONNECTED"),
        (0x8001010E, "RPC_E_WRONG_THREAD"),
        (0x80020005, "DISP_E_TYPEMISMATCH"),
        (0x80040154, "REGDB_E_CLASSNOTREG"),
        (0x800706BA, "RPC_S_SERVER_UNAVAILABLE"),
        (0x80131509, "COR_E_INVALIDOPERATION"),
    ],
)
def test_a_well_known_hresult_is_named_signed_or_unsigned(number: int, name: str) -> None:
    text = explain_hresult(number)
    assert text.startswith(f"0x{number:08X} {name}: ")
    assert explain_hresult(signed(number)) == text


def test_an_invalid_argument_tells_what_mxaccess_means_by_it() -> None:
    assert explain_hresult(-2147024809) == (
        "0x80070057 E_INVALIDARG: value does not fall within the expected range: "
        "an unknown handle, or an item that is not advised"
    )


def test_an_error_that_the_interface_defines_points_to_the_statuses() -> None:
    assert explain_hresult(-2147220992) == (
        "0x80040200: failure defined by the interface itself (code 0x0200); see the statuses"
    )


@each_row(
    ("number", "text"),
    [
        (0x80070020, "0x80070020: failure, facility Win32, code 32"),
        (0x80040001, "0x80040001: failure, facility interface, code 1"),
        (0x00070002, "0x00070002: success, facility Win32, code 2"),
        (0x8ABC0007, "0x8ABC0007: failure, facility 2748, code 7"),
    ],
)
def test_any_other_hresult_is_told_by_outcome_facility_and_code(number: int, text: str) -> None:
    assert explain_hresult(number) == text


@pytest.mark.parametrize("number", [2**32, -(2**31) - 1])
def test_a_number_beyond_32_bits_is_no_hresult(number: int) -> None:
    assert explain_hresult(number) == f"{number}, which is not an HRESULT"


def test_an_hresult_fails_by_its_top_bit() -> None:
    assert hresult_failed(0x80004005)
    assert hresult_failed(-2147467259)
    assert not hresult_failed(0)
    assert not hresult_failed(1)


@given(st.integers(-(2**31), 2**32 - 1))
def test_every_hresult_has_one_line_and_shows_its_number(number: int) -> None:
    text = explain_hresult(number)
    assert text.startswith(f"0x{number & 0xFFFFFFFF:08X}")
    assert "\n" not in text
    assert hresult_failed(number) is (number & 0xFFFFFFFF >= 0x80000000)
