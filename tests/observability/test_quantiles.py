"""Quantiles from buckets, against the values that went in."""

from hypothesis import given
from hypothesis import strategies as st
from tallies import tally, timed

from observability.evidence import BOUNDS_MS, NOTHING
from observability.quantiles import bound, perhaps_slower, quantile, surely_slower
from observability.sequential import Count

VALUES = st.lists(st.floats(0.1, 200_000), min_size=1, max_size=60)
SHARES = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(VALUES, st.floats(0.5, 300_000))
def test_the_truth_lies_between_the_two_readings(values: list[float], limit: float) -> None:
    counted = timed(values)
    truth = sum(value > limit for value in values)
    assert surely_slower(counted, limit).failed <= truth <= perhaps_slower(counted, limit).failed


@given(VALUES, st.sampled_from(BOUNDS_MS))
def test_at_a_bound_both_readings_are_exact(values: list[float], limit: float) -> None:
    counted, truth = timed(values), Count(sum(value > limit for value in values), len(values))
    assert surely_slower(counted, limit) == perhaps_slower(counted, limit) == truth


@given(VALUES, SHARES)
def test_a_quantile_is_right_to_one_bucket(values: list[float], share: float) -> None:
    counted = timed(values)
    ordered = sorted(values)
    truth = next(value for number, value in enumerate(ordered, 1) if number >= share * len(values))
    found, top = quantile(counted, share), bound(counted, share)
    assert found is not None
    assert top is not None
    assert truth <= top
    assert top / 1.2501 <= max(1, truth)
    assert found <= top
    assert max(1, found) >= top / 1.2501


def test_without_answers_there_is_no_quantile() -> None:
    assert quantile(NOTHING, 0.95) is None
    assert bound(NOTHING, 0.95) is None
    assert surely_slower(NOTHING, 100) == Count()


def test_beyond_the_last_bound() -> None:
    late = tally(10, ms=10**6)
    assert quantile(late, 0.5) == BOUNDS_MS[-1]
    assert bound(late, 0.5) is None
    assert surely_slower(late, 10**7) == Count(0, 10)
    assert perhaps_slower(late, 10**7) == Count(10, 10)
