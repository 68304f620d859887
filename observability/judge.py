"""A gate's verdict on a candidate from the evidence of a rollout so far; pure, and may be asked at any time."""

from collections.abc import Callable, Sequence
from typing import Final

from observability import fixed_window
from observability.evidence import NOTHING, Tally
from observability.findings import Finding, against_maximum, against_past, against_stable, candidates, stables
from observability.measures import REFUSED, answers, estimate, sound
from observability.verdict import Judgement, Stage, Verdict
from observability.wording import describe
from spec.policy import WHOLE, Gate, RolloutPolicy

FULL: Final = 0.1
"""From this share of refused requests on, the candidate is at its capacity."""
FULL_AFTER: Final = 10
"""With fewer requests in the present stage that is not said."""

_VERDICTS: Final = {
    Finding.BAD_EVIDENCE: Verdict.ERROR,
    Finding.NO_LIMIT: Verdict.ERROR,
    Finding.WORSE_THAN_STABLE: Verdict.BAD,
    Finding.ABOVE_MAXIMUM: Verdict.BAD,
    Finding.MOST_REQUESTS_FAIL: Verdict.BAD,
    Finding.WITHIN_LIMITS: Verdict.GOOD,
}
_Comparison = Callable[[Gate, Sequence[Stage], float], Finding]
_ORDER: Final = tuple(Finding)


def judge(gate: Gate, stages: Sequence[Stage], alpha: float) -> Judgement:
    """Judge an `error_rate` or `latency` gate by all stages since the first share (`threshold`: by one window).

    A stage may be cut in time: in shorter ones a candidate that breaks late is seen sooner.
    `alpha` is how often a candidate within its limits may be called bad by a sequential gate that is always watched.
    """
    return _judge(gate, stages, alpha, against_stable)


def judge_frozen(
    gate: Gate, candidate: Tally | Sequence[tuple[int, Tally]], stable: Tally, alpha: float
) -> Judgement:
    """Judge a promoted release by its evidence since promotion, against the former release's from the rollout.

    In numbered pieces (see `Stage`) the candidate's evidence shows sooner that it broke late.
    """
    pieces = [(0, candidate)] if isinstance(candidate, Tally) else candidate
    (first, tally), *later = pieces or [(0, NOTHING)]
    stages = [Stage(WHOLE, tally, stable, first), *(Stage(WHOLE, piece, piece=number) for number, piece in later)]
    return _judge(gate, stages, alpha, against_past)


def alpha_each(policy: RolloutPolicy) -> float:
    """One gate's part of the policy's false-alarm rate: equal parts for the sequential gates that decide."""
    sharing = sum(
        not gate.dry_run and gate.test == "sequential" and gate.metric in ("error_rate", "latency")
        for gate in policy.gates
    )
    return policy.false_alarm_rate / max(1, sharing)


def _judge(gate: Gate, stages: Sequence[Stage], alpha: float, compare: _Comparison) -> Judgement:
    if not sound(stages):
        return _judgement(gate, Finding.BAD_EVIDENCE, NOTHING, NOTHING)
    candidate, stable = candidates(stages), stables(stages)
    if not _has_limit(gate):
        return _judgement(gate, Finding.NO_LIMIT, candidate, stable)
    if gate.test == "threshold":
        found = [fixed_window.find(gate, stages)]
    elif answers(gate, candidate) >= max(1, gate.min_requests):
        found = _sequential(gate, stages, alpha, compare)
    else:
        found = [Finding.NOT_ENOUGH_TRAFFIC, *_early(gate, stages, alpha, compare)]
    if stages and _is_full(gate, candidates(_present(stages))):
        found.append(Finding.AT_CAPACITY)
    return _judgement(gate, min(found, key=_ORDER.index), candidate, stable)


def _sequential(gate: Gate, stages: Sequence[Stage], alpha: float, compare: _Comparison) -> list[Finding]:
    each = alpha / 2 if gate.max is not None and gate.compare_stable else alpha
    found = []
    if gate.max is not None:
        found.append(against_maximum(gate, stages, each))
    if gate.compare_stable:
        found.append(compare(gate, stages, each))
    return found


def _early(gate: Gate, stages: Sequence[Stage], alpha: float, compare: _Comparison) -> list[Finding]:
    """Errors may tell below the sample floor; the first answers of a new release may be slow without it being so."""
    return _sequential(gate, stages, alpha, compare) if gate.metric == "error_rate" else []


def _has_limit(gate: Gate) -> bool:
    measured = gate.metric == "error_rate" or (gate.metric == "latency" and gate.quantile is not None)
    return measured and (gate.max is not None or gate.compare_stable)


def _present(stages: Sequence[Stage]) -> Sequence[Stage]:
    """The pieces of the present share."""
    begins = [index for index, stage in enumerate(stages) if stage.piece == 0]
    return stages[begins[-1] if begins else 0 :]


def _is_full(gate: Gate, candidate: Tally) -> bool:
    asked = sum(candidate.outcomes)
    return REFUSED not in gate.outcomes and asked >= FULL_AFTER and candidate.count((REFUSED,)) > FULL * asked


def _judgement(gate: Gate, finding: Finding, candidate: Tally, stable: Tally) -> Judgement:
    theirs = estimate(gate, stable) if gate.compare_stable and finding is not Finding.ABOVE_MAXIMUM else None
    return Judgement(
        verdict=_VERDICTS.get(finding, Verdict.INCONCLUSIVE),
        reason=finding.value,
        message=describe(gate, finding, candidate, stable),
        samples=answers(gate, candidate),
        value=estimate(gate, candidate),
        reference=gate.max if theirs is None else theirs,
    )
