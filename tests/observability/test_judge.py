"""Verdicts, row by row: what each kind of evidence is called, and what is said about it."""

import math
import random
import time

import pytest
from tallies import stage, tally, timed

from observability.evidence import NOTHING, Tally
from observability.findings import Finding
from observability.judge import alpha_each, judge, judge_frozen
from observability.verdict import Judgement, Stage, Verdict
from spec.policy import BUILT_IN, IMMEDIATE, Gate, RolloutPolicy

ALPHA = 0.01
SAME = Gate("not-worse", compare_stable=True)
MOST = Gate("errors", max=0.02)
BOTH = Gate("both", max=0.02, compare_stable=True)
SLOW = Gate("p95", metric="latency", quantile=0.95, max=200)
SLOWER = Gate("p95-not-worse", metric="latency", quantile=0.95, compare_stable=True, tolerance=0.2)
HEALTHY = (4560, 3)
ALL_VERDICTS = {
    Verdict.BAD: {Finding.WORSE_THAN_STABLE, Finding.ABOVE_MAXIMUM, Finding.MOST_REQUESTS_FAIL},
    Verdict.ERROR: {Finding.BAD_EVIDENCE, Finding.NO_LIMIT},
    Verdict.GOOD: {Finding.WITHIN_LIMITS},
}


def find(gate: Gate, *stages: Stage, alpha: float = ALPHA) -> str:
    """The reason, once it is sure that the verdict belongs to it."""
    found = judge(gate, stages, alpha)
    expected = [verdict for verdict, reasons in ALL_VERDICTS.items() if found.reason in reasons]
    assert found.verdict is (expected[0] if expected else Verdict.INCONCLUSIVE)
    assert found.message
    return found.reason


@pytest.mark.parametrize(
    ("gate", "stages", "reason"),
    [
        (SAME, [stage(500, (240, 12), HEALTHY)], "WorseThanStable"),
        (SAME, [stage(500, (240, 0), HEALTHY)], "Undecided"),
        (SAME, [stage(500, (2400, 1), (45_600, 30))], "WithinLimits"),
        (SAME, [stage(500, (9, 0), (171, 0))], "NotEnoughTraffic"),
        (SAME, [stage(500, (0, 0), (0, 0))], "NotEnoughTraffic"),
        (SAME, [], "NotEnoughTraffic"),
        (SAME, [stage(500, (200, 0), (0, 0))], "NoStableEvidence"),
        (SAME, [stage(500, (200, 200), (3800, 3800))], "StableFailsToo"),
        (SAME, [stage(500, (200, 10), (3800, 190))], "Undecided"),
        (SAME, [stage(500, (500, 0), HEALTHY), stage(2500, (8, 8), (24, 0))], "WorseThanStable"),
        (SAME, [stage(10_000, (10, 10))], "MostRequestsFail"),
        (SAME, [stage(10_000, (6, 6))], "NotEnoughTraffic"),
        (SAME, [stage(9000, (10, 10), (1, 1))], "StableFailsToo"),
        (SAME, [stage(5000, (300, 0), (300, 0)), stage(9000, (20, 20), (5, 5))], "StableFailsToo"),
        (SAME, [stage(9000, (1800, 540), (200, 60))], "StableFailsToo"),
        (MOST, [stage(500, (240, 30), HEALTHY)], "AboveMaximum"),
        (MOST, [stage(500, (240, 30), (4560, 500))], "StableFailsToo"),
        (MOST, [stage(500, (240, 4), (4560, 500))], "Undecided"),
        (MOST, [stage(500, (2400, 5))], "WithinLimits"),
        (MOST, [stage(10_000, (10, 10))], "AboveMaximum"),
        (MOST, [stage(500, (5, 0))], "NotEnoughTraffic"),
        (Gate("x", max=0.02, min_requests=0), [stage(500, (0, 0), HEALTHY)], "NotEnoughTraffic"),
        (BOTH, [stage(500, (2400, 36), (45_600, 30))], "WorseThanStable"),
        (BOTH, [stage(500, (240, 30), (4560, 500))], "StableFailsToo"),
        (BOTH, [stage(500, (2400, 1), (45_600, 30))], "WithinLimits"),
        (BOTH, [stage(500, (2400, 1), (0, 0))], "NoStableEvidence"),
        (Gate("x", compare_stable=True, tolerance=0.05), [stage(500, (240, 12), HEALTHY)], "Undecided"),
        (Gate("x", compare_stable=True, tolerance=0.01), [stage(500, (480, 24), (9120, 6))], "WorseThanStable"),
        (Gate("x", compare_stable=True, tolerance=0.05), [stage(500, (480, 5), (9120, 6))], "WithinLimits"),
        (Gate("x", max=0.0), [stage(500, (100, 1))], "AboveMaximum"),
        (Gate("x"), [stage(500, (100, 1))], "NoLimit"),
        (Gate("x", metric="latency", max=100), [stage(500, (100, 1))], "NoLimit"),
        (Gate("x", metric="http", max=100), [stage(500, (100, 1))], "NoLimit"),
    ],
)
def test_what_evidence_is_called(gate: Gate, stages: list[Stage], reason: str) -> None:
    assert find(gate, *stages) == reason


@pytest.mark.parametrize("share", [100, 500, 1000, 2500, 5000, 7500, 9000])
@pytest.mark.parametrize("alpha", [0.01, 0.005, 0.001, 0.0002])
@pytest.mark.parametrize("gate", [SAME, MOST, BOTH])
def test_a_release_that_fails_everything_is_bad_by_its_tenth_failure(share: int, alpha: float, gate: Gate) -> None:
    others = round(10 * (10_000 - share) / share)
    assert find(gate, stage(share, (10, 10), (others, 0)), alpha=alpha) in ALL_VERDICTS[Verdict.BAD]
    assert find(gate, stage(share, (10, 10), (0, 0)), alpha=alpha) in ALL_VERDICTS[Verdict.BAD]


def test_a_small_share_needs_three_failures_only() -> None:
    assert find(SAME, stage(500, (2, 2), (38, 0))) == "NotEnoughTraffic"
    assert find(SAME, stage(500, (3, 3), (57, 0))) == "WorseThanStable"


def full(refused: int, failed: int = 0) -> Stage:
    return Stage(500, tally(100, failed, refused), tally(*HEALTHY))


def test_refusals_for_capacity_hold_but_excuse_no_failures() -> None:
    assert find(SAME, full(11)) == "Undecided"
    assert find(SAME, full(12)) == "AtCapacity"
    assert find(SAME, full(50, failed=20)) == "WorseThanStable"
    assert find(SAME, Stage(500, tally(0, 0, refused=30), tally(*HEALTHY))) == "AtCapacity"
    assert find(SAME, full(500), stage(2500, (1000, 0), (3000, 0))) != "AtCapacity"


def test_refusals_are_errors_where_the_gate_says_so() -> None:
    gate = Gate("busy", compare_stable=True, outcomes=("5xx", "429"))
    assert find(gate, full(50)) == "WorseThanStable"
    assert judge(gate, [full(50)], ALPHA).value == pytest.approx(50 / 150)


def test_only_the_outcomes_that_are_named_are_errors() -> None:
    own = Tally((100, 50, 0, 0, 0, 0), tally(150).latency)
    assert find(SAME, Stage(500, own, tally(*HEALTHY))) == "Undecided"
    strict = Gate("x", compare_stable=True, outcomes=("5xx", "4xx"))
    assert find(strict, Stage(500, own, tally(*HEALTHY))) == "WorseThanStable"


@pytest.mark.parametrize(
    "broken",
    [
        Tally((1, 0, 0, 0, -1, 0)),
        Tally((math.nan, 0, 0, 0, 0, 0)),  # type: ignore[arg-type]
        Tally((math.inf, 0, 0, 0, 0, 0)),  # type: ignore[arg-type]
        Tally((0.5, 0, 0, 0, 0, 0)),  # type: ignore[arg-type]
        Tally((10**16, 0, 0, 0, 0, 0)),
        Tally((1, 2)),
        Tally(latency=(-1,) + (0,) * 57),
        Tally(latency=(1,)),
    ],
)
def test_counts_that_cannot_be_are_an_error(broken: Tally) -> None:
    assert find(SAME, Stage(500, broken, tally(100))) == "BadEvidence"
    assert find(SAME, Stage(500, tally(100), broken)) == "BadEvidence"
    assert judge_frozen(SAME, broken, tally(100), ALPHA).verdict is Verdict.ERROR


@pytest.mark.parametrize("share", [-1, 10_001, math.nan])
def test_a_share_that_cannot_be_is_an_error(share: float) -> None:
    assert find(SAME, Stage(share, tally(100), tally(100))) == "BadEvidence"  # type: ignore[arg-type]


def spread(median: float, count: int, seed: int = 1) -> Tally:
    chance = random.Random(seed)
    return timed(chance.lognormvariate(math.log(median), 0.5) for _ in range(count))


@pytest.mark.parametrize(
    ("candidate", "stable", "fixed", "compared"),
    [
        (spread(40, 2000), spread(40, 38_000), "WithinLimits", "WithinLimits"),
        (spread(80, 2000), spread(40, 38_000), "Undecided", "WorseThanStable"),
        (spread(300, 100), spread(40, 1900), "AboveMaximum", "WorseThanStable"),
        (spread(300, 100), spread(300, 1900), "StableFailsToo", "Undecided"),
        (spread(44, 200), spread(40, 3800), "WithinLimits", "Undecided"),
        (spread(300, 5), spread(40, 95), "NotEnoughTraffic", "NotEnoughTraffic"),
        (spread(300, 40), NOTHING, "AboveMaximum", "NoStableEvidence"),
        (tally(100, ms=1e6), tally(1900, ms=1e6), "StableFailsToo", "Undecided"),
    ],
)
def test_latency(candidate: Tally, stable: Tally, fixed: str, compared: str) -> None:
    assert find(SLOW, Stage(500, candidate, stable)) == fixed
    assert find(SLOWER, Stage(500, candidate, stable)) == compared


def test_a_bucket_that_holds_the_limit_is_held_neither_against_nor_for_the_candidate() -> None:
    within = Stage(500, tally(5000, ms=210), tally(*HEALTHY))
    assert find(SLOW, within) == "Undecided"


def test_a_longer_tail_beyond_the_quantile_is_not_the_gates_business() -> None:
    candidate = timed([40] * 970 + [500] * 30)
    assert find(SLOWER, Stage(500, candidate, tally(19_000))) != "WorseThanStable"
    assert find(
        Gate("p99", metric="latency", quantile=0.99, compare_stable=True), Stage(500, candidate, tally(19_000))
    ) == ("WorseThanStable")


def test_choosing_a_bound_by_looking_is_paid_for() -> None:
    gate = Gate("p99", metric="latency", quantile=0.99, compare_stable=True)

    def some(slow: int) -> Stage:
        return Stage(500, timed([40] * (12 - slow) + [500] * slow), tally(228))

    assert find(SAME, stage(500, (12, 3), (228, 0))) == "WorseThanStable"
    assert find(gate, some(3)) == "Undecided"
    assert find(gate, some(5)) == "WorseThanStable"


def test_two_limits_share_alpha() -> None:
    two, evidence = Gate("x", max=0.9, compare_stable=True), stage(500, (100, 5), (1900, 4))
    alphas = [0.5 / 1.3**k for k in range(30)]
    alone = [find(SAME, evidence, alpha=alpha) for alpha in alphas]
    assert [find(two, evidence, alpha=alpha) for alpha in alphas] == [
        find(SAME, evidence, alpha=a / 2) for a in alphas
    ]
    assert set(alone) == {"WorseThanStable", "Undecided"}


def test_messages_carry_the_figures() -> None:
    found = judge(SAME, [stage(500, (240, 12), HEALTHY)], ALPHA)
    assert found == Judgement(
        Verdict.BAD,
        "WorseThanStable",
        "12 of 240 answers failed (5.0 %); the stable release: 3 of 4,560 (0.1 %)",
        240,
        0.05,
        3 / 4560,
    )
    assert judge(MOST, [stage(500, (1000, 1))], ALPHA).message == (
        "1 of 1,000 answers failed (0.1 %); allowed: 2.0 %"
    )
    assert judge(SAME, [], ALPHA).message == "0 answers of the 10 that are needed; 0 of 0 answers failed"
    assert judge(SLOW, [Stage(500, tally(400, ms=40), tally(3000, ms=30))], ALPHA).message.startswith("p95 about ")
    assert "0.0001 %" in judge(SAME, [stage(500, (10**6, 1), (10**7, 10))], ALPHA).message


THRESHOLD = Gate("t", max=0.02, compare_stable=True, tolerance=0.01, test="threshold")


@pytest.mark.parametrize(
    ("gate", "stages", "reason"),
    [
        (THRESHOLD, [stage(500, (100, 3), (1900, 0))], "AboveMaximum"),
        (THRESHOLD, [stage(500, (100, 3), (1900, 100))], "StableFailsToo"),
        (THRESHOLD, [stage(500, (100, 2), (1900, 1))], "WorseThanStable"),
        (THRESHOLD, [stage(500, (100, 1), (1900, 1))], "WithinLimits"),
        (THRESHOLD, [stage(500, (9, 9), (1900, 1))], "NotEnoughTraffic"),
        (THRESHOLD, [stage(500, (100, 1))], "NoStableEvidence"),
        (THRESHOLD, [], "NotEnoughTraffic"),
        (THRESHOLD, [full(50)], "AtCapacity"),
    ],
)
def test_the_plain_test_takes_figures_as_they_stand(gate: Gate, stages: list[Stage], reason: str) -> None:
    assert find(gate, *stages) == reason


def test_the_plain_test_of_latency() -> None:
    slower = Gate("t", metric="latency", quantile=0.5, compare_stable=True, tolerance=0.2, test="threshold")
    assert find(slower, Stage(500, tally(100, ms=80), tally(100, ms=40))) == "WorseThanStable"
    assert find(slower, Stage(500, tally(100, ms=41), tally(100, ms=40))) == "WithinLimits"


@pytest.mark.parametrize(
    ("gate", "candidate", "stable", "reason"),
    [
        (SAME, (1000, 50), (20_000, 100), "WorseThanStable"),
        (SAME, (10_000, 55), (20_000, 100), "WithinLimits"),
        (SAME, (300, 4), (20_000, 100), "Undecided"),
        (SAME, (10, 10), (20_000, 100), "MostRequestsFail"),
        (SAME, (10, 10), (0, 0), "MostRequestsFail"),
        (SAME, (200, 200), (2000, 2000), "StableFailsToo"),
        (SAME, (5, 0), (20_000, 100), "NotEnoughTraffic"),
        (SAME, (0, 0), (20_000, 100), "NotEnoughTraffic"),
        (SAME, (500, 3), (0, 0), "NoStableEvidence"),
        (MOST, (1000, 60), (20_000, 100), "AboveMaximum"),
        (BOTH, (1000, 60), (20_000, 100), "WorseThanStable"),
        (BOTH, (1000, 60), (0, 0), "AboveMaximum"),
        (BOTH, (10_000, 55), (20_000, 100), "WithinLimits"),
        (THRESHOLD, (1000, 15), (20_000, 0), "WorseThanStable"),
    ],
)
def test_after_promotion(gate: Gate, candidate: tuple[int, int], stable: tuple[int, int], reason: str) -> None:
    assert judge_frozen(gate, tally(*candidate), tally(*stable), ALPHA).reason == reason


def test_latency_after_promotion() -> None:
    past = spread(40, 20_000, seed=2)
    assert judge_frozen(SLOWER, spread(90, 1000), past, ALPHA).reason == "WorseThanStable"
    assert judge_frozen(SLOWER, spread(30, 1000), past, ALPHA).reason == "WithinLimits"
    assert judge_frozen(SLOWER, spread(40, 100), past, ALPHA).reason == "Undecided"
    assert judge_frozen(SLOWER, spread(40, 1000), NOTHING, ALPHA).reason == "NoStableEvidence"
    assert judge_frozen(SLOW, spread(300, 1000), past, ALPHA).reason == "AboveMaximum"
    assert judge_frozen(SLOWER, tally(1000, 0, 300), past, ALPHA).reason == "AtCapacity"


def test_pieces_show_sooner_that_a_release_broke_late() -> None:
    past, calm, broken = tally(20_000, 100), tally(50_000, 250), tally(12, 12)
    assert judge_frozen(SAME, calm + broken, past, ALPHA).reason == "WithinLimits"
    assert judge_frozen(SAME, [(0, calm), (9, broken)], past, ALPHA).reason == "MostRequestsFail"
    assert judge_frozen(SLOWER, [(0, tally(5000)), (9, tally(20, ms=500))], past, ALPHA).reason == "WorseThanStable"
    assert judge_frozen(SAME, [], past, ALPHA).reason == "NotEnoughTraffic"
    whole = stage(1000, (50_010, 260), (450_000, 2250))
    cut = [stage(1000, (50_000, 250), (449_910, 2250)), stage(1000, (10, 10), (90, 0))]
    assert find(SAME, whole) == "WithinLimits"
    assert find(SAME, *cut) == "WorseThanStable"


def test_gates_that_decide_share_the_false_alarm_rate() -> None:
    assert alpha_each(BUILT_IN) == 0.01
    assert alpha_each(IMMEDIATE) == 0.01
    gates = (
        SAME,
        SLOW,
        Gate("d", max=0.1, dry_run=True),
        Gate("h", metric="http"),
        Gate("c", metric="checks"),
        THRESHOLD,
    )
    assert alpha_each(RolloutPolicy(gates=gates, false_alarm_rate=0.04)) == 0.02


def test_ten_stages_are_judged_in_a_moment() -> None:
    stages = [stage(500 * k, (1000, k), (20_000, 5 * k)) for k in range(1, 11)]
    began = time.process_time()
    for _ in range(50):
        judge(BOTH, stages, ALPHA)
    assert (time.process_time() - began) / 50 < 0.01, "it is about 0.8 ms"
