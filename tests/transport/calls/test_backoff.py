"""Full jitter: each delay is drawn from 0 to a bound that doubles up to its cap, so that clients do not come back together."""

import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from mxgateway.transport.calls.backoff import Backoff

seconds = st.floats(min_value=1e-6, max_value=3600.0)


@given(initial=seconds, longest=seconds, count=st.integers(1, 200), seed=st.integers())
def test_every_delay_lies_within_a_bound_that_doubles_up_to_its_cap(
    initial: float, longest: float, count: int, seed: int
) -> None:
    backoff = Backoff(initial, longest, random.Random(seed))
    bound = min(initial, longest)
    for attempt in range(count):
        assert backoff.attempt == attempt
        assert backoff.limit == bound <= longest
        assert 0.0 <= backoff.next() <= bound
        bound = min(bound * 2, longest)


@given(initial=seconds, longest=seconds, count=st.integers(1, 5000))
def test_a_reset_begins_anew_however_long_the_series_was(initial: float, longest: float, count: int) -> None:
    backoff = Backoff(initial, longest)
    for _ in range(count):
        backoff.next()
    backoff.reset()
    assert (backoff.attempt, backoff.limit) == (0, min(initial, longest))


def test_delays_fill_the_whole_range_evenly() -> None:
    chance = random.Random(1)
    first = [Backoff(1.0, 8.0, chance).next() for _ in range(4000)]
    assert min(first) < 0.01
    assert max(first) > 0.99
    assert abs(statistics.fmean(first) - 0.5) < 0.03


def test_two_clients_that_fail_together_do_not_come_back_together() -> None:
    assert Backoff(1.0, 8.0).next() != Backoff(1.0, 8.0).next()
