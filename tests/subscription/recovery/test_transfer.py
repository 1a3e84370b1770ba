"""What one process hands to the next survives JSON, and anything else is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mxgateway import MxGatewayInvalidRequestError
from mxgateway.subscription.hand_over import Transfer
from tests.rows import each_row

TRANSFER = Transfer("session-1", 3, 4711, {"A.Füllstand": 7, "B": 8}, ("B", "A.Füllstand", "Refused"), ("B",))


def test_it_survives_json() -> None:
    assert Transfer.from_dict(json.loads(json.dumps(TRANSFER.to_dict()))) == TRANSFER


@each_row("name", sorted(TRANSFER.to_dict()))
def test_a_missing_field_is_named(name: str) -> None:
    state = TRANSFER.to_dict()
    del state[name]
    with pytest.raises(MxGatewayInvalidRequestError, match=f"resume_from is no exported state: KeyError '{name}'"):
        Transfer.from_dict(state)


@each_row(
    ("name", "value", "words"),
    [
        ("version", 2, "is of version 2, this client knows 1"),
        ("version", None, "is of version None"),
        ("sessionId", "", "no tag, handle or sequence"),
        ("sessionId", 1, "no tag, handle or sequence"),
        ("serverHandle", "3", "no tag, handle or sequence"),
        ("serverHandle", True, "no tag, handle or sequence"),
        ("afterWorkerSequence", -1, "no tag, handle or sequence"),
        ("items", 5, "no exported state"),
        ("items", ["A"], "no exported state"),
        ("items", {"A": 1.5}, "no tag, handle or sequence"),
        ("tags", [1], "no tag, handle or sequence"),
        ("tags", None, "no exported state"),
        ("unread", [""], "no tag, handle or sequence"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(name: str, value: Any, words: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match=words) as caught:
        Transfer.from_dict({**TRANSFER.to_dict(), name: value})
    assert "\n" not in str(caught.value)
    assert "export_state" in str(caught.value)
