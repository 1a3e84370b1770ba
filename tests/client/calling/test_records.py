"""Records that are made quickly are the same frozen objects as any others."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from mxgateway import Origin, TagUpdate, TagValue, proto
from mxgateway.subscription.updates import new_update
from mxgateway.values.tag_values import new_tag_value

UPDATE = ("Tank01.Level", 1.5, 192, None, 7, Origin.LIVE, ())
VALUE: tuple[Any, ...] = ("Tank01.Level", 1.5, 192, None, proto.MxDataType.DOUBLE, True, False, "", ())

RECORDS = pytest.mark.parametrize(
    ("quick", "plain"),
    [(new_update(*UPDATE), TagUpdate(*UPDATE)), (new_tag_value(*VALUE), TagValue(*VALUE))],
    ids=["TagUpdate", "TagValue"],
)


@RECORDS
def test_a_record_that_was_made_quickly_is_like_any_other(quick: Any, plain: Any) -> None:
    assert type(quick) is type(plain)
    assert quick == plain
    assert hash(quick) == hash(plain)
    assert repr(quick) == repr(plain)
    assert quick.is_good
    assert replace(quick, quality=0) == replace(plain, quality=0)
    assert copy.deepcopy(quick) == pickle.loads(pickle.dumps(quick)) == plain


@RECORDS
def test_no_field_of_it_can_be_changed(quick: Any, plain: Any) -> None:
    for each in fields(plain):
        with pytest.raises(FrozenInstanceError):
            setattr(quick, each.name, 1)
        with pytest.raises(FrozenInstanceError):
            delattr(quick, each.name)
    assert not hasattr(quick, "__dict__")


def test_defaults_hold_and_keywords_do() -> None:
    assert new_update(*UPDATE).conflated == 0
    assert new_update(*UPDATE[:5], origin=Origin.REPLAYED, statuses=(), conflated=3) == TagUpdate(
        *UPDATE[:5], Origin.REPLAYED, (), 3
    )


@pytest.mark.parametrize("arguments", [UPDATE[:4], (*UPDATE, 0, 0)], ids=["too few", "too many"])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        new_update(*arguments)
