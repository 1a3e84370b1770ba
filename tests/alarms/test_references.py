"""A reference of an alarm is a GUID or Provider!Group.Tag; anything else is refused in one line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import AlarmReference, MxGatewayInvalidRequestError
from tests.rows import each_row

GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")


@each_row(
    "text",
    [
        str(GUID),
        str(GUID).upper(),
        GUID.hex,
        f"{{{GUID}}}",
        f"({GUID})",
        f"  {GUID}\n",
    ],
)
def test_a_guid_is_a_reference_with_or_without_hyphens_and_brackets(text: str) -> None:
    reference = AlarmReference.parse(text)
    assert reference == AlarmReference(guid=GUID)
    assert str(reference) == str(GUID)


@each_row(
    ("text", "parts"),
    [
        ("Galaxy!Area1.Tank01.HiHi", ("Galaxy", "Area1", "Tank01.HiHi")),
        ("Galaxy!Area1.HiHi", ("Galaxy", "Area1", "HiHi")),
        (r"\\NODE.plant\Galaxy!Area1.Tank01!2.HiHi", (r"\\NODE.plant\Galaxy", "Area1", "Tank01!2.HiHi")),
        (f"{GUID}!Area1.HiHi", (str(GUID), "Area1", "HiHi")),
        ("Galaxie!Bereich Süd.Kessel.Hoch", ("Galaxie", "Bereich Süd", "Kessel.Hoch")),
        (" Galaxy!Area1.Tank01.HiHi ", ("Galaxy", "Area1", "Tank01.HiHi")),
    ],
)
def test_a_name_is_split_at_the_first_mark_and_the_first_dot_behind_it(text: str, parts: tuple[str, str, str]) -> None:
    reference = AlarmReference.parse(text)
    assert (reference.guid, reference.provider, reference.group, reference.tag) == (None, *parts)
    assert str(reference) == text.strip()


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ("", "is empty"),
    "white space": (" \t", "is empty"),
    "a tag": ("Tank01.HiHi", "is not a GUID and has no '!' after a provider"),
    "no provider": ("!Area1.HiHi", "has no provider before the '!'"),
    "no group": ("Galaxy!.HiHi", "has no group after the '!'"),
    "nothing behind the mark": ("Galaxy!", "has no group after the '!'"),
    "no dot": ("Galaxy!Area1", "has no '.' and tag after the group"),
    "no tag": ("Galaxy!Area1.", "has no '.' and tag after the group"),
    "a GUID that is too short": (GUID.hex[:-1], "is not a GUID"),
    "a GUID with brackets that do not match": (f"{{{GUID})", "is not a GUID"),
    "a GUID with one bracket": (f"{GUID}}}", "is not a GUID"),
    "a GUID with hyphens elsewhere": ("0-1234567-89ab-cdef-0123-456789abcdef", "is not a GUID"),
    "a line break": ("Tank\n01", r"'Tank\n01' is not a GUID"),
    "a text of any length": ("x" * 100_000, "xxx...' is not a GUID"),
    "a NUL character": ("Galaxy!Area1.\0", "reference is 'Galaxy!Area1.\\x00'"),
    "a lone surrogate": ("Galaxy!Area1.\ud800", "reference is"),
    "a number": (5, "reference is 5"),
    "nothing at all": (None, "reference is None"),
    "bytes": (b"Galaxy!Area1.HiHi", "reference is b'Galaxy"),
}


@each_row("name", BAD)
def test_what_is_neither_is_refused_in_one_line(name: str) -> None:
    text, words = BAD[name]
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        AlarmReference.parse(text)
    error = caught.value
    assert words in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert error.hint.endswith("nothing was sent")
    assert (error.phase, error.grpc_status) == ("request", None)


@given(st.text())
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        reference = AlarmReference.parse(text)
    except MxGatewayInvalidRequestError:
        return
    assert AlarmReference.parse(str(reference)) == reference
