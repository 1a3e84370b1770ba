"""Schedules of subscriptions: nothing is told that is not true, nothing is lost untold, nothing hangs, nothing is left behind."""

from __future__ import annotations

import pytest

from tests.events.model import blocks, play_block, quick_pauses


@pytest.mark.parametrize("block", blocks(20))
def test_what_is_said_of_subscriptions_is_what_the_gateway_remembers(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_pauses(monkeypatch)
    play_block("subscriptions", block)
