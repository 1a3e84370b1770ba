"""Updates, however they are made, are the same frozen objects."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from mxgateway import Origin, TagUpdate
from mxgateway.subscription.updates import new_update

ARGUMENTS = ("Tank01.Level", 1.5, 192, None, 7, Origin.LIVE, ())


def test_an_update_that_was_made_quickly_is_like_any_other() -> None:
    quick, plain = new_update(*ARGUMENTS), TagUpdate(*ARGUMENTS)
    assert type(quick) is TagUpdate
    assert quick == plain
    assert hash(quick) == hash(plain)
    assert repr(quick) == repr(plain)
    assert quick.is_good
    assert quick.conflated == 0
    assert replace(quick, conflated=2) == replace(plain, conflated=2)
    assert copy.deepcopy(quick) == pickle.loads(pickle.dumps(quick)) == plain


@pytest.mark.parametrize("name", [each.name for each in fields(TagUpdate)])
def test_no_field_of_it_can_be_changed(name: str) -> None:
    update = new_update(*ARGUMENTS)
    with pytest.raises(FrozenInstanceError):
        setattr(update, name, 1)
    with pytest.raises(FrozenInstanceError):
        delattr(update, name)
    assert not hasattr(update, "__dict__")
