"""What holds for all evidence."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tallies import tally

from observability.evidence import OUTCOMES, Tally
from observability.findings import Finding
from observability.judge import judge, judge_frozen
from observability.verdict import Stage, Verdict
from spec.policy import Gate

SOME = st.one_of(st.integers(0, 30), st.integers(0, 5000), st.integers(0, 10**8))
SHARES = st.sampled_from([100, 500, 2500, 5000, 9000, 10_000])
RATES = st.sampled_from([None, 0.001, 0.02, 0.3])


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    outcomes = tuple(draw(SOME) for _ in OUTCOMES)
    answered = sum(outcomes) - outcomes[3] - outcomes[5]
    return Tally(outcomes, tally(answered, ms=draw(st.sampled_from([5, 40, 300, 10**6]))).latency)


STAGES = st.lists(st.builds(Stage, SHARES, tallies(), tallies()), max_size=4)
ERROR_GATES = st.builds(
    Gate,
    name=st.just("errors"),
    max=RATES,
    compare_stable=st.booleans(),
    tolerance=st.sampled_from([0.0, 0.01, 0.2]),
    test=st.sampled_from(["sequential", "threshold"]),
).filter(lambda gate: gate.max is not None or gate.compare_stable)
GATES = st.one_of(
    ERROR_GATES,
    st.builds(
        Gate,
        name=st.just("latency"),
        metric=st.just("latency"),
        quantile=st.sampled_from([0.5, 0.99]),
        max=st.sampled_from([None, 0.5, 100, 10**7]),
        compare_stable=st.booleans(),
        tolerance=st.sampled_from([0.0, 0.5]),
        test=st.sampled_from(["sequential", "threshold"]),
    ),
)
ALPHAS = st.sampled_from([0.05, 0.01, 0.0001])


def failing(found: Tally, more: int) -> Tally:
    """The same attempts, of which more fail."""
    ok, *rest = found.outcomes
    return replace(found, outcomes=(ok - min(ok, more), *rest[:3], rest[3] + min(ok, more), rest[4]))


@given(GATES, STAGES, ALPHAS)
def test_every_evidence_has_a_verdict_with_words(gate: Gate, stages: list[Stage], alpha: float) -> None:
    found = judge(gate, stages, alpha)
    assert found.message
    assert found.reason in set(Finding)
    assert (found.verdict is Verdict.ERROR) == (found.reason in {"NoLimit", "BadEvidence"})


@given(GATES, STAGES, ALPHAS)
def test_silence_is_never_good(gate: Gate, stages: list[Stage], alpha: float) -> None:
    silent = [replace(stage, candidate=Tally()) for stage in stages]
    assert judge(gate, silent, alpha).verdict in {Verdict.INCONCLUSIVE, Verdict.ERROR}
    stable = stages[0].stable if stages else Tally()
    assert judge_frozen(gate, Tally(), stable, alpha).verdict in {Verdict.INCONCLUSIVE, Verdict.ERROR}


@given(ERROR_GATES, STAGES.filter(bool), ALPHAS, st.integers(1, 500))
def test_more_failures_of_the_candidate_never_help_it(
    gate: Gate, stages: list[Stage], alpha: float, more: int
) -> None:
    worse = [*stages[:-1], replace(stages[-1], candidate=failing(stages[-1].candidate, more))]
    before, after = judge(gate, stages, alpha).verdict, judge(gate, worse, alpha).verdict
    if before is Verdict.BAD:
        assert after is Verdict.BAD
    if before is not Verdict.GOOD:
        assert after is not Verdict.GOOD


@given(ERROR_GATES, STAGES.filter(bool), ALPHAS, st.integers(1, 500))
def test_new_failing_attempts_never_turn_bad_into_good(
    gate: Gate, stages: list[Stage], alpha: float, more: int
) -> None:
    worse = [*stages[:-1], replace(stages[-1], candidate=stages[-1].candidate + tally(more, more))]
    if judge(gate, stages, alpha).verdict is Verdict.BAD:
        assert judge(gate, worse, alpha).verdict is not Verdict.GOOD


@given(ERROR_GATES, STAGES.filter(bool), ALPHAS, st.integers(1, 500))
def test_failures_of_stable_never_blame_the_candidate(
    gate: Gate, stages: list[Stage], alpha: float, more: int
) -> None:
    other = [*stages[:-1], replace(stages[-1], stable=failing(stages[-1].stable, more))]
    if judge(gate, stages, alpha).verdict is not Verdict.BAD:
        assert judge(gate, other, alpha).verdict is not Verdict.BAD


@given(ERROR_GATES.filter(lambda gate: gate.test == "sequential"), STAGES)
def test_less_patience_with_alarms_never_finds_more_of_them(gate: Gate, stages: list[Stage]) -> None:
    verdicts = [judge(gate, stages, alpha).verdict is Verdict.BAD for alpha in (0.1, 0.01, 0.0001)]
    assert verdicts == sorted(verdicts, reverse=True)


@given(ERROR_GATES, tallies(), tallies(), ALPHAS, st.integers(1, 500))
def test_after_promotion_more_failures_never_help(
    gate: Gate, candidate: Tally, stable: Tally, alpha: float, more: int
) -> None:
    before, after = (
        judge_frozen(gate, found, stable, alpha).verdict for found in (candidate, failing(candidate, more))
    )
    if before is Verdict.BAD:
        assert after is Verdict.BAD
    if before is not Verdict.GOOD:
        assert after is not Verdict.GOOD
