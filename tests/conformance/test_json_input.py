"""JSON that the testee reads: every field with values of every form, judged by google.protobuf."""

from __future__ import annotations

from tests.conformance.json_cases import DOCUMENTS, LENIENCIES, REFUSED_DOCUMENTS, VALUES, leniency
from tests.conformance.peer import REFUSED, Peers, kind_of
from tests.rows import each_row


def test_every_field_takes_the_values_that_google_takes(peers: Peers) -> None:
    used, taken, wrong = set(), 0, []
    for field, kind in ((each, kind_of(each)) for each in peers.message.DESCRIPTOR.fields):
        if kind == "Any":
            continue  # has no JSON form here
        for value in VALUES:
            text = f'{{"{field.json_name}": {value}}}'
            expected, found = peers.of_google(text)[0], peers.of_testee(text)
            taken += found.json != REFUSED
            if found == expected:
                continue
            row = leniency(kind, value)
            refused, other = (expected, found) if row and row.testee_takes else (found, expected)
            if row is None or refused.json != REFUSED or other.json == REFUSED:
                wrong.append((text, expected, found))
            used.add(row)
    assert wrong == []
    assert [row.reason for row in LENIENCIES if row not in used] == []
    assert taken > 3000


def test_both_names_of_a_field_are_one(peers: Peers) -> None:
    for field in peers.message.DESCRIPTOR.fields:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        value = "{}" if is_map else "[]" if field.is_repeated else "null"
        for name in (field.name, field.json_name):
            text = f'{{"{name}": {value}}}'
            assert peers.of_testee(text) == peers.of_google(text)[0]
        for name in (f"{field.name}x", field.json_name.swapcase(), f" {field.name}"):
            text = f'{{"{name}": {value}}}'
            assert peers.of_testee(text).json == peers.of_google(text)[0].json == REFUSED


@each_row("place", range(len(DOCUMENTS)))
def test_a_document_is_read_or_refused_as_google_does(peers: Peers, place: int) -> None:
    text = DOCUMENTS[place]
    assert peers.of_testee(text) == peers.of_google(text)[0], text


@each_row("place", range(len(REFUSED_DOCUMENTS)))
def test_a_document_that_the_mapping_forbids_is_refused(peers: Peers, place: int) -> None:
    assert peers.of_testee(REFUSED_DOCUMENTS[place]).json == REFUSED
