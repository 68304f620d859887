"""Simulated rollouts, looked at all the time. ROLLOUTS=100000 in the environment simulates so many of each kind."""

import math
import os
import random
import statistics
from collections.abc import Callable

import pytest
from tallies import latencies

from benchmarks.rehearsal import Look, Rehearsal, Rung, draw
from observability.evidence import Tally
from observability.judge import judge, judge_frozen
from observability.verdict import Stage, Verdict
from spec.policy import Gate

ROLLOUTS = int(os.environ.get("ROLLOUTS", "250"))
LADDER = (Rung(500, 15), Rung(2500, 15), Rung(5000, 15))
SAME = Gate("not-worse", compare_stable=True)
ALPHA = 0.01
LUCK = 3
"""Standard errors above the promise that chance may add."""

pytestmark = pytest.mark.slow


def abort(gate: Gate, rehearsal: Rehearsal, alpha: float = ALPHA) -> Look | None:
    """The first look at which the gate is bad; without a new failure of the candidate none can become so."""
    before = -1
    for look in rehearsal.looks():
        failed = sum(stage.candidate.count(gate.outcomes) for stage in look.stages)
        if failed != before and judge(gate, look.pieces, alpha).verdict is Verdict.BAD:
            return look
        before = failed
    return None


def aborted(make: Callable[[random.Random], Rehearsal], gate: Gate = SAME, rollouts: int = ROLLOUTS) -> int:
    return sum(abort(gate, make(random.Random(seed))) is not None for seed in range(rollouts))


def most(rollouts: int, alpha: float = ALPHA) -> float:
    return rollouts * alpha + LUCK * math.sqrt(rollouts * alpha)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.01, 0.05, 0.2])
def test_a_candidate_that_equals_stable_is_refused_no_more_often_than_promised(rate: float) -> None:
    assert aborted(lambda chance: Rehearsal(40, LADDER, rate, rate, chance)) <= most(ROLLOUTS)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2])
def test_the_same_for_one_that_is_as_much_worse_as_is_allowed(rate: float) -> None:
    gate = Gate("x", compare_stable=True, tolerance=0.02)
    rollouts = ROLLOUTS // 2
    assert aborted(lambda chance: Rehearsal(40, LADDER, rate + 0.02, rate, chance), gate, rollouts) <= most(rollouts)


def test_the_same_against_a_fixed_limit() -> None:
    gate = Gate("x", max=0.02)
    assert aborted(lambda chance: Rehearsal(40, LADDER, 0.02, 0.0, chance), gate) <= most(ROLLOUTS)


def test_an_outage_of_both_at_any_moment_is_not_the_candidates() -> None:
    def look_back(seed: int) -> bool:
        chance = random.Random(seed)
        rungs, stages = [500, 2500, 5000], []
        for share in rungs:
            calm = list(Rehearsal(40, (Rung(share, 10),), 0.005, 0.005, chance).looks())[-1].stages[0]
            out = list(Rehearsal(40, (Rung(share, 2),), 0.9, 0.9, chance).looks())
            for look in out:
                both = Stage(share, calm.candidate + look.stages[0].candidate, calm.stable + look.stages[0].stable)
                if judge(SAME, [*stages, both], ALPHA).verdict is Verdict.BAD:
                    return True
            stages.append(both)
        return False

    rollouts = ROLLOUTS // 4
    assert sum(look_back(seed) for seed in range(rollouts)) <= most(rollouts)


def test_a_share_that_is_not_what_was_asked_for_raises_no_alarm() -> None:
    def misjudged(seed: int) -> bool:
        looks = Rehearsal(40, (Rung(1000, 40),), 0.02, 0.02, random.Random(seed)).looks()
        return any(judge(SAME, [Stage(500, *_both(look))], ALPHA).verdict is Verdict.BAD for look in list(looks)[::2])

    rollouts = ROLLOUTS // 2
    assert sum(misjudged(seed) for seed in range(rollouts)) <= most(rollouts)


def _both(look: Look) -> tuple[Tally, Tally]:
    return look.stages[0].candidate, look.stages[0].stable


def test_latencies_that_are_alike_raise_no_alarm() -> None:
    gate = Gate("p90", metric="latency", quantile=0.9, compare_stable=True)

    def misjudged(seed: int) -> bool:
        chance = random.Random(seed)
        stages: list[Stage] = []
        for share in (500, 2500, 5000):
            mine = theirs = Tally()
            for _ in range(20):
                drawn = [chance.lognormvariate(3.5, 0.6) for _ in range(20)]
                split = sum(chance.random() < share / 10_000 for _ in drawn)
                mine += _answered(drawn[:split])
                theirs += _answered(drawn[split:])
                if judge(gate, [*stages, Stage(share, mine, theirs)], ALPHA).verdict is Verdict.BAD:
                    return True
            stages.append(Stage(share, mine, theirs))
        return False

    rollouts = ROLLOUTS // 4
    assert sum(misjudged(seed) for seed in range(rollouts)) <= most(rollouts)


def _answered(values: list[float]) -> Tally:
    return Tally((len(values), 0, 0, 0, 0, 0), latencies(values))


def test_an_equal_successor_is_left_alone_after_promotion() -> None:
    def misjudged(seed: int) -> bool:
        chance = random.Random(seed)
        past = list(Rehearsal(40, (Rung(2500, 45),), 0.0, 0.01, chance).looks())[-1].stages[0].stable
        after = Rehearsal(40, (Rung(10_000, 45),), 0.01, 0.0, chance).looks()
        return any(
            judge_frozen(SAME, [(one.piece, one.candidate) for one in look.pieces], past, ALPHA).verdict
            is Verdict.BAD
            for look in list(after)[::6]
        )

    rollouts = ROLLOUTS // 4
    assert sum(misjudged(seed) for seed in range(rollouts)) <= most(rollouts)


def test_the_simulation_can_tell_a_test_that_must_not_be_looked_at_twice() -> None:
    def misjudged(seed: int) -> bool:
        for look in Rehearsal(40, LADDER, 0.05, 0.05, random.Random(seed)).looks():
            (n, x), (m, y) = (
                (sum(tally.total for tally in side), sum(tally.count(SAME.outcomes) for tally in side))
                for side in ([s.candidate for s in look.stages], [s.stable for s in look.stages])
            )
            pooled = (x + y) / max(1, n + m)
            error = math.sqrt(pooled * (1 - pooled) * (1 / max(1, n) + 1 / max(1, m)))
            if n >= 10 and error and (x / n - y / max(1, m)) / error > 2.326:  # one-sided, 1 %
                return True
        return False

    assert sum(misjudged(seed) for seed in range(200)) > 3 * most(200)


def test_failures_in_clumps_on_one_release_break_the_promise_as_the_page_says() -> None:
    def misjudged(seed: int, clump: int) -> bool:
        chance, mine, theirs = random.Random(seed), [0, 0], [0, 0]
        for _ in range(60):
            for side, attempts in ((mine, draw(25, 0.25, chance)), (theirs, draw(25, 0.75, chance))):
                failed = clump * draw(attempts, 0.02 / clump, chance)
                side[0], side[1] = side[0] + max(attempts, failed), side[1] + failed
            if judge(SAME, [Stage(2500, _counted(*mine), _counted(*theirs))], ALPHA).verdict is Verdict.BAD:
                return True
        return False

    assert sum(misjudged(seed, 1) for seed in range(100)) <= most(100)
    assert sum(misjudged(seed, 5) for seed in range(100)) > most(100)


def test_the_simulated_counts_are_binomial() -> None:
    chance = random.Random(1)
    drawn = [draw(125, 0.25, chance) for _ in range(4000)]
    assert statistics.mean(drawn) == pytest.approx(125 * 0.25, rel=0.02)
    assert statistics.variance(drawn) == pytest.approx(125 * 0.25 * 0.75, rel=0.1)
    assert (draw(0, 0.5, chance), draw(9, 0.0, chance), draw(9, 1.0, chance)) == (0, 0, 9)


@pytest.mark.parametrize(
    ("rate", "failing", "within_s", "reached"),
    [
        (50, 0.05, 60, 250),
        (50, 0.5, 6, 20),
        (50, 1.0, 4, 10),
        (500, 0.05, 10, 250),
        (500, 0.5, 1, 25),
        (500, 1.0, 1, 20),
    ],
)
def test_a_bad_release_is_found_soon(rate: float, failing: float, within_s: float, reached: float) -> None:
    ladder = tuple(Rung(rung.share, 60) for rung in LADDER)
    found = [abort(SAME, Rehearsal(rate, ladder, failing, 0.005, random.Random(seed))) for seed in range(40)]
    seen = [look for look in found if look is not None]
    assert len(seen) == len(found)
    assert statistics.median(look.at for look in seen) <= within_s
    assert statistics.median(look.reached for look in seen) <= reached


@pytest.mark.parametrize("share", [100, 500, 2500, 5000, 9000])
def test_total_failure_is_found_by_the_tenth_request(share: int) -> None:
    for seed in range(50):
        chance, mine, theirs = random.Random(seed), [0, 0], [0, 0]
        while mine[0] < 10:
            side, failed = (mine, True) if chance.random() < share / 10_000 else (theirs, chance.random() < 0.005)
            side[0] += 1
            side[1] += failed
        evidence = Stage(share, _counted(*mine), _counted(*theirs))
        assert judge(SAME, [evidence], ALPHA).verdict is Verdict.BAD


def _counted(total: int, failed: int) -> Tally:
    return Tally((total - failed, 0, 0, 0, failed, 0), latencies([20], total))
