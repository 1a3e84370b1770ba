"""The judge of the schedules finds what is wrong: it is fed with lies about a gateway whose history is known."""

from __future__ import annotations

from typing import Any

import pytest

from mxgateway import (
    Gap,
    GapCause,
    MxAccessError,
    MxGatewayError,
    MxGatewaySessionError,
    Origin,
    SubscriptionStats,
    TagUpdate,
    TagWrite,
    proto,
    to_mx_value,
)
from mxgateway.simulator import ExecutedWrite, History, PublishedEvent
from tests.client.support import DATA_CHANGE, WRITE_COMPLETE
from tests.events import model
from tests.events.model_judge import NONSENSE_HANDLE, Judge, Seen, Wanted, Wrong, books
from tests.events.support import never_confirmed, site

SESSION, TAG, OTHER = "session-1", "Unit.Tag0", "Unit.Tag1"
GOOD, BAD, AGAIN = (Wanted(SESSION, 2, TAG, value) for value in (5, "no number 6", 7))


def executed(wanted: Wanted, sequence: int, *, succeeded: bool = True) -> ExecutedWrite:
    return ExecutedWrite(SESSION, TAG, 1, 2, to_mx_value(wanted.value), succeeded, sequence)


def completion(sequence: int) -> proto.MxEvent:
    return proto.MxEvent(
        session_id=SESSION, family=WRITE_COMPLETE, server_handle=1, item_handle=2, worker_sequence=sequence
    )


@pytest.fixture
def judge() -> Judge:
    """A gateway that has carried out two writes and refused one between them: events 2, 4 and 5 of 9."""
    events = [PublishedEvent(n, DATA_CHANGE, TAG if n % 2 else OTHER, 1, 2 if n % 2 else 3) for n in range(1, 10)]
    writes = [executed(GOOD, 2), executed(BAD, 4, succeeded=False), executed(AGAIN, 5)]
    return Judge(History({SESSION: events}, writes))


# -- writes


def test_true_words_are_accepted(judge: Judge) -> None:
    judge.outcome(GOOD, completion(2), disturbed=False)
    judge.outcome(BAD, refusal(), disturbed=False)
    judge.outcome(AGAIN, MxGatewaySessionError("in doubt"), disturbed=True)
    judge.recheck()


def refusal() -> MxAccessError:
    return MxAccessError("refused", reply=proto.MxCommandReply())


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        pytest.param(GOOD, completion(5), id="a good write is confirmed by the completion of another good one"),
        pytest.param(BAD, completion(2), id="a refused write is confirmed by the completion of a good one"),
        pytest.param(BAD, completion(4), id="a refused write is confirmed by its own completion"),
        pytest.param(Wanted(SESSION, 2, TAG, 99), completion(2), id="a write that never arrived is confirmed"),
        pytest.param(Wanted(SESSION, 3, TAG, 5), completion(2), id="a write of another item is confirmed"),
        pytest.param(GOOD, refusal(), id="a good write is told as refused"),
        pytest.param(GOOD, MxGatewaySessionError("in doubt"), id="a write is in doubt without a reason"),
        pytest.param(GOOD, RuntimeError("inside"), id="an error that is not the library's"),
    ],
)
def test_a_wrong_word_about_a_write_is_found(judge: Judge, wanted: Wanted, outcome: Any) -> None:
    with pytest.raises(Wrong):
        judge.outcome(wanted, outcome, disturbed=False)


def test_a_write_that_was_sent_twice_is_found(judge: Judge) -> None:
    judge.history.writes.append(executed(GOOD, 6))
    with pytest.raises(Wrong, match="more than once"):
        judge.outcome(GOOD, completion(2), disturbed=True)


def test_a_refused_write_that_is_carried_out_later_is_found(judge: Judge) -> None:
    late = Wanted(SESSION, 2, TAG, 8)
    judge.refused(late)
    judge.history.writes.append(executed(late, 7))
    with pytest.raises(Wrong, match="carried out later"):
        judge.recheck()


def written(*, ok: bool, confirmed: bool, event: proto.MxEvent | None, error: str = "") -> TagWrite:
    return TagWrite(TAG, ok, confirmed, error, None, (), event)


@pytest.mark.parametrize(
    ("wanted", "write"),
    [
        pytest.param(GOOD, written(ok=True, confirmed=True, event=completion(5)), id="another one's completion"),
        pytest.param(BAD, written(ok=True, confirmed=True, event=completion(4)), id="refused, and told as done"),
        pytest.param(
            GOOD, written(ok=False, confirmed=True, event=completion(2), error="no"), id="done, and told as refused"
        ),
        pytest.param(GOOD, written(ok=True, confirmed=False, event=None), id="done without a confirmation"),
        pytest.param(
            GOOD, written(ok=False, confirmed=False, event=None, error="lost"), id="in doubt without a reason"
        ),
    ],
)
def test_a_wrong_word_about_a_write_by_name_is_found(judge: Judge, wanted: Wanted, write: TagWrite) -> None:
    with pytest.raises(Wrong):
        judge.by_name(wanted, write, disturbed=False)


# -- events


def seen(*numbers: int, first: int = 1) -> Seen:
    found = Seen(first)
    for number in numbers:
        found.take(proto.MxEvent(worker_sequence=number, item_handle=2, server_handle=1))
    return found


def test_an_iterator_that_got_everything_is_right(judge: Judge) -> None:
    judge.iterator(SESSION, seen(*range(1, 10)), set(), last=9)
    judge.iterator(SESSION, seen(1, 2, 3, 4, 6, 7, 8, 9), {5}, last=9)


def test_a_gap_that_was_told_explains_what_is_missing(judge: Judge) -> None:
    found = seen(1, 2)
    found.take(proto.MxEvent(replay_gap=proto.ReplayGap(requested_after_sequence=2, oldest_available_sequence=6)))
    for number in range(6, 10):
        found.take(proto.MxEvent(worker_sequence=number))
    judge.iterator(SESSION, found, set(), last=9)


def test_what_a_schedule_has_invented_is_not_counted(judge: Judge) -> None:
    found = seen(*range(1, 10))
    found.take(proto.MxEvent(worker_sequence=2**64 - 1, item_handle=NONSENSE_HANDLE))
    gap = proto.ReplayGap(requested_after_sequence=50, oldest_available_sequence=20)
    found.take(proto.MxEvent(server_handle=NONSENSE_HANDLE, replay_gap=gap))
    judge.iterator(SESSION, found, set(), last=9)


def test_an_event_may_be_taken_for_the_invented_one_of_its_number_where_all_between_was_lost(judge: Judge) -> None:
    judge.false_numbers.add((SESSION, 3, 5))
    found = seen(1, 2, 3, 6, 7, 8, 9)
    judge.iterator(SESSION, found, {4}, last=9)
    with pytest.raises(Wrong, match="neither delivered"):
        judge.iterator(SESSION, found, set(), last=9)
    judge.iterator(SESSION, Seen(1, [1, 2, 3, 7, 8, 9], {6}), set(), last=9)  # a mark begins behind it
    with pytest.raises(Wrong, match="neither delivered"):
        judge.iterator(SESSION, Seen(1, [1, 2, 3, 6, 8, 9], {7}), set(), last=9)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(seen(1, 2, 3, 5, 6, 7, 8, 9), id="an event is lost"),
        pytest.param(seen(1, 2, 3, 4, 5), id="the last events are lost"),
        pytest.param(seen(2, 3, 4, 5, 6, 7, 8, 9), id="the first event is lost"),
        pytest.param(seen(1, 2, 2, 3, 4, 5, 6, 7, 8, 9), id="an event comes twice"),
        pytest.param(seen(1, 3, 2, 4, 5, 6, 7, 8, 9), id="events come out of order"),
        pytest.param(seen(*range(1, 11)), id="an event is invented"),
        pytest.param(Seen(1, list(range(1, 10)), {4}), id="an event is delivered and told as lost"),
    ],
)
def test_a_wrong_series_of_events_is_found(judge: Judge, found: Seen) -> None:
    with pytest.raises(Wrong):
        judge.iterator(SESSION, found, set(), last=9)


def update(sequence: int, tag: str = TAG) -> TagUpdate:
    return TagUpdate(tag, 1, 192, None, sequence, Origin.LIVE, ())


@pytest.mark.parametrize(
    ("updates", "gaps"),
    [
        pytest.param([update(1), update(3), update(3)], [], id="an update comes twice"),
        pytest.param([update(3), update(1)], [], id="updates come out of order"),
        pytest.param([update(1, OTHER)], [], id="a value of another tag"),
        pytest.param([update(11)], [], id="an update is invented"),
        pytest.param([], [Gap(5, 3, GapCause.SEQUENCE, -1)], id="a gap that ends before it begins"),
        pytest.param([], [Gap(5, 2**64 - 2, GapCause.SEQUENCE, 2**64 - 6)], id="a gap beyond what there is"),
        pytest.param([], [Gap(5, 6, GapCause.REPLAY, 7)], id="a gap that counts wrong"),
    ],
)
def test_wrong_updates_are_found(judge: Judge, updates: list[TagUpdate], gaps: list[Gap]) -> None:
    with pytest.raises(Wrong):
        judge.updates(SESSION, updates, gaps, 9)


def test_right_updates_are_accepted(judge: Judge) -> None:
    judge.updates(SESSION, [update(0), update(1), update(2, OTHER), update(5)], [Gap(3, 4, GapCause.REPLAY, 2)], 9)


def stats(**fields: int) -> SubscriptionStats:
    names = SubscriptionStats.__dataclass_fields__
    return SubscriptionStats(**{name: fields.get(name, 0) for name in names})


def test_books_that_have_an_event_too_few_or_too_many_are_found() -> None:
    before = (10, stats(delivered=8, snapshots=1, other=3))
    books(before, (15, stats(delivered=9, snapshots=1, other=4, lost=2, conflated=1)))
    for lost in (1, 3):
        with pytest.raises(Wrong):
            books(before, (15, stats(delivered=9, snapshots=1, other=4, lost=lost, conflated=1)))


# -- the schedules themselves


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    model.quick_pauses(monkeypatch)
    return monkeypatch


def lies(name: str, value: Any) -> Any:
    """Return a method of the judge that is told something else than what was said."""
    real = getattr(Judge, name)

    def told(self: Judge, wanted: Wanted, *args: Any, **keywords: Any) -> None:
        real(self, value(wanted), *args, **keywords)

    return told


def test_a_schedule_with_a_wrong_word_fails_and_tells_how_to_play_it_again(lying: pytest.MonkeyPatch) -> None:
    lying.setattr(Judge, "confirmed", lies("confirmed", lambda wanted: Wanted(SESSION, 1, TAG, 0)))
    with pytest.raises(model.Failed, match=r"theme writes, seed 0 .*MXGATEWAY_MODEL_SEED=0(.|\n)*1\. rest"):
        model.play_block("writes", 0)


async def test_an_error_of_the_library_is_no_confirmation() -> None:
    never_confirmed(MxGatewayError("in doubt"))
    with pytest.raises(AssertionError):
        never_confirmed(None)
    async with site() as world:
        item = await world.advised()
        await world.confirm(item, 1)
        assert world.writes_received() == 1
