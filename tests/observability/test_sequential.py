"""The tests themselves, against exact sums over all that can happen."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from observability.sequential import Count, Trial, above, below, lower, not_worse, upper, worse

Evidence = Callable[[int, int], float]


def chance(n: int, k: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def crossing(evidence: Evidence, p: float, alpha: float, attempts: int) -> float:
    """The exact probability that the evidence ever reaches 1 / alpha, looked at after each attempt."""
    open_, crossed = {0: 1.0}, 0.0
    for n in range(1, attempts + 1):
        after: dict[int, float] = {}
        for failed, mass in open_.items():
            after[failed] = after.get(failed, 0.0) + mass * (1 - p)
            after[failed + 1] = after.get(failed + 1, 0.0) + mass * p
        shown = {failed for failed in after if evidence(failed, n) >= -math.log(alpha)}
        crossed += sum(after.pop(failed) for failed in shown)
        open_ = {failed: mass for failed, mass in after.items() if mass > 1e-12}
    return crossed


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3, 0.5, 0.9])
def test_looking_after_every_attempt_is_no_more_often_wrong_than_promised(limit: float) -> None:
    assert crossing(lambda x, n: above([Count(x, n)], limit), limit, 0.05, 120) <= 0.05
    assert crossing(lambda x, n: below(Count(x, n), limit), limit, 0.05, 120) <= 0.05


def test_the_sum_over_all_crossings_can_tell_a_wrong_test() -> None:
    def significant(failed: int, n: int) -> float:
        return -math.log(sum(chance(n, k, 0.3) for k in range(failed, n + 1)))

    assert crossing(significant, 0.3, 0.05, 120) > 0.1


@pytest.mark.parametrize("limit", [0.01, 0.3, 0.8])
def test_a_stake_is_worth_one_at_the_limit_and_less_within_it(limit: float) -> None:
    def mean(p: float, evidence: Evidence) -> float:
        return sum(chance(15, x, p) * math.exp(evidence(x, 15)) for x in range(16))

    def higher(x: int, n: int) -> float:
        return above([Count(x, n)], limit)

    def lesser(x: int, n: int) -> float:
        return below(Count(x, n), limit)

    assert mean(limit, higher) == pytest.approx(1)
    assert mean(limit / 2, higher) < 1
    assert mean(limit, lesser) == pytest.approx(1)
    assert mean((1 + limit) / 2, lesser) < 1


def cells(n: int, share: float, candidate: float, stable: float) -> Iterator[tuple[float, Trial]]:
    """All outcomes of `n` attempts, each with its probability."""
    for failed, mine in ((f, m) for m in range(n + 1) for f in range(m + 1)):
        for others in range(n - mine + 1):
            mass = chance(n, mine, share) * chance(mine, failed, candidate) * chance(n - mine, others, stable)
            yield mass, Trial(share, Count(failed, mine), Count(others, n - mine))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("stable", [0.0, 0.1, 0.7])
def test_a_comparison_is_worth_one_at_most_while_its_hypothesis_holds(
    share: float, tolerance: float, stable: float
) -> None:
    one = list(cells(7, share, stable + tolerance, stable))
    assert sum(mass * math.exp(worse([trial], tolerance)) for mass, trial in one) <= 1 + 1e-9
    small = list(cells(3, share, stable + tolerance, stable))
    two = sum(a * b * math.exp(worse([x, y], tolerance)) for (a, x), (b, y) in product(small, small))
    assert two <= 1 + 1e-9
    assert sum(mass * math.exp(not_worse([trial], tolerance)) for mass, trial in one) <= 1 + 1e-9


def test_a_comparison_gains_when_the_candidate_is_worse() -> None:
    found = sum(mass * math.exp(worse([trial], 0.01)) for mass, trial in cells(12, 0.3, 0.6, 0.05))
    assert found > 3


def test_nothing_is_claimed_that_an_exact_binomial_test_would_not_claim() -> None:
    for limit, n in product((0.05, 0.3, 0.7), range(1, 13)):
        for failed in range(n + 1):
            tail = sum(chance(n, k, limit) for k in range(failed, n + 1))
            assert above([Count(failed, n)], limit) <= -math.log(tail) + 1e-9
            rest = sum(chance(n, k, limit) for k in range(failed + 1))
            assert below(Count(failed, n), limit) <= -math.log(rest) + 1e-9


@pytest.mark.parametrize(("failed", "total"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 1000)])
def test_bounds_enclose_the_exact_interval(failed: int, total: int) -> None:
    count, alpha = Count(failed, total), 0.05
    low, high = lower(count, alpha), upper(count, alpha)
    assert 0 <= low <= failed / total <= high <= 1
    if failed:
        assert sum(chance(total, k, low) for k in range(failed, total + 1)) <= alpha
    if failed < total:
        assert sum(chance(total, k, high) for k in range(failed + 1)) <= alpha


def test_bounds_of_nothing_say_nothing() -> None:
    assert (lower(Count(), 0.01), upper(Count(), 0.01)) == (0, 1)


def test_an_earlier_stage_does_not_hide_a_later_break() -> None:
    calm = Trial(0.05, Count(50, 5000), Count(950, 95_000))
    broken = Trial(0.25, Count(12, 12), Count(0, 36))
    assert worse([calm, broken], 0) > math.log(100)
    assert worse([calm], 0) < 0
    assert above([Count(50, 5000), Count(12, 12)], 0.02) > math.log(100)


def test_a_share_larger_than_asked_for_is_no_evidence() -> None:
    fair = Trial(0.05, Count(100, 10_000), Count(100, 10_000))
    assert worse([fair], 0) < 0
    assert not_worse([Trial(0.5, Count(500, 1000), Count(9500, 19_000))], 0.01) < 0


def test_hundreds_of_millions_of_attempts_stay_finite_and_right() -> None:
    same = Trial(0.5, Count(500_000, 10**8), Count(500_100, 10**8))
    more = Trial(0.5, Count(800_000, 10**8), Count(500_000, 10**8))
    assert worse([same], 0) < 0 < math.log(100) < worse([more], 0) < math.inf
    assert not_worse([same], 0.01) > math.log(100)
    assert worse([more], 0.01) < 0
    assert upper(Count(500_000, 10**8), 0.01) == pytest.approx(0.005, rel=0.1)
    assert lower(Count(500_000, 10**8), 0.01) == pytest.approx(0.005, rel=0.25)


def test_limits_at_the_ends() -> None:
    assert above([Count(0, 5)], 0) == 0
    assert above([Count(1, 5)], 0) == math.inf
    assert above([Count(5, 5)], 1) == 0
    assert below(Count(5, 5), 1) == math.inf
    assert below(Count(0, 5), 0) == 0
    assert above([], 0.1) == 0
    assert worse([], 0) == not_worse([], 0) == 0
    for share in (0.0, 1.0):
        assert worse([Trial(share, Count(5, 5), Count(0, 5))], 0) == pytest.approx(0)
    assert worse([Trial(0.5, Count(50, 50), Count(0, 50))], 1.0) == pytest.approx(0)
