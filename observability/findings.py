"""What the evidence shows of one limit of a gate: a reason for each of the possible outcomes, no verdict yet."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from observability import quantiles
from observability.evidence import BOUNDS_MS, NOTHING, Tally
from observability.measures import allowed, beyond, failures
from observability.sequential import Count, Trial, above, below, lower, not_worse, upper, worse
from observability.verdict import Stage
from spec.policy import WHOLE, Gate


class Finding(StrEnum):
    """Why a verdict is what it is, the weightiest first."""

    BAD_EVIDENCE = "BadEvidence"
    NO_LIMIT = "NoLimit"
    WORSE_THAN_STABLE = "WorseThanStable"
    ABOVE_MAXIMUM = "AboveMaximum"
    MOST_REQUESTS_FAIL = "MostRequestsFail"
    STABLE_FAILS_TOO = "StableFailsToo"
    AT_CAPACITY = "AtCapacity"
    NOT_ENOUGH_TRAFFIC = "NotEnoughTraffic"
    NO_STABLE_EVIDENCE = "NoStableEvidence"
    UNDECIDED = "Undecided"
    WITHIN_LIMITS = "WithinLimits"


MARGIN: Final = 0.01
"""A difference in error rates that is small enough to be called good."""
TAIL_MARGIN: Final = 0.5
"""The same for latency, as a part of the tail beyond the quantile."""
MOST: Final = 0.25
"""A candidate that fails more than this share needs no comparison, unless stable did or may do the same."""
MOST_ALPHA: Final = 0.05
"""The part of the false-alarm rate that this takes."""
DOUBT: Final = math.log(3)
"""Evidence that stable is beyond a limit, from which on it excuses the candidate."""
BOUNDS_PRIOR: Final = math.log(len(BOUNDS_MS))
"""The price of choosing a latency bound by looking."""


def against_maximum(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding:
    """Hold the candidate's rate against `max`."""
    most, limit, needed = allowed(gate), gate.max or 0.0, -math.log(alpha)
    mine = [beyond(gate, stage.candidate, limit, surely=True) for stage in stages]
    pieces = _pieces(stages)
    if above(mine, most, pieces) >= needed:
        theirs = [beyond(gate, stage.stable, limit, surely=True) for stage in stages]
        return Finding.STABLE_FAILS_TOO if above(theirs, most, pieces) >= DOUBT else Finding.ABOVE_MAXIMUM
    perhaps = sum((beyond(gate, stage.candidate, limit, surely=False) for stage in stages), Count())
    return Finding.WITHIN_LIMITS if below(perhaps, most) >= needed else Finding.UNDECIDED


def against_stable(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding:
    """Hold the candidate against what stable did at the same time."""
    if gate.metric == "latency":
        return _slower_than_stable(gate, stages, alpha)
    trials = [_trial(stage, failures(gate, stage.candidate), failures(gate, stage.stable)) for stage in stages]
    if worse(trials, max(0.0, gate.tolerance), _pieces(stages)) >= -math.log(alpha * (1 - MOST_ALPHA)):
        return Finding.WORSE_THAN_STABLE
    most = _most_fail(gate, stages, alpha * MOST_ALPHA)
    if most is not None:
        return most
    if not any(trial.stable.total for trial in trials):
        return Finding.NO_STABLE_EVIDENCE
    shown = not_worse(trials, max(gate.tolerance, MARGIN)) >= -math.log(alpha)
    return Finding.WITHIN_LIMITS if shown else Finding.UNDECIDED


def against_past(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding:
    """Hold the candidate against what stable did at another time; half of `alpha` for each of the two bounds."""
    if gate.metric == "latency":
        return _slower_than_past(gate, stages, alpha / 2)
    most = _most_fail(gate, stages, alpha * MOST_ALPHA)
    if most is not None:
        return most
    mine, theirs = [failures(gate, stage.candidate) for stage in stages], failures(gate, stables(stages))
    if not theirs.total:
        return Finding.NO_STABLE_EVIDENCE
    half, slack = alpha * (1 - MOST_ALPHA) / 2, max(gate.tolerance, MARGIN)
    if above(mine, upper(theirs, half) + slack, _pieces(stages)) >= -math.log(half):
        return Finding.WORSE_THAN_STABLE
    shown = below(sum(mine, Count()), lower(theirs, half) + slack) >= -math.log(half)
    return Finding.WITHIN_LIMITS if shown else Finding.UNDECIDED


def candidates(stages: Sequence[Stage]) -> Tally:
    """All attempts on the candidate."""
    return _total([stage.candidate for stage in stages])


def stables(stages: Sequence[Stage]) -> Tally:
    """All attempts on the stable releases."""
    return _total([stage.stable for stage in stages])


def _pieces(stages: Sequence[Stage]) -> list[int]:
    return [stage.piece for stage in stages]


def _total(tallies: Sequence[Tally]) -> Tally:
    outcomes = zip(NOTHING.outcomes, *(tally.outcomes for tally in tallies), strict=True)
    latency = zip(NOTHING.latency, *(tally.latency for tally in tallies), strict=True)
    return Tally(tuple(map(sum, outcomes)), tuple(map(sum, latency)))


def _most_fail(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding | None:
    limit, pieces = MOST + max(0.0, gate.tolerance), _pieces(stages)
    if above([failures(gate, stage.candidate) for stage in stages], limit, pieces) < -math.log(alpha):
        return None
    theirs = [failures(gate, stage.stable) for stage in stages]
    doubtful = (sum(theirs, Count()).rate or 0.0) > MOST or above(theirs, MOST, pieces) >= DOUBT
    return Finding.STABLE_FAILS_TOO if doubtful else Finding.MOST_REQUESTS_FAIL


def _slower_than_stable(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding:
    """Compare the tails above the bound that stable's quantile lies below: slower at the same time, and too slow."""
    share, needed = gate.quantile or 0.0, -math.log(alpha)
    bound = quantiles.bound(stables(stages), share)
    if bound is None:
        return Finding.UNDECIDED if any(sum(stage.stable.latency) for stage in stages) else Finding.NO_STABLE_EVIDENCE
    trials = _tails(gate, stages, bound, surely=True)
    pieces = _pieces(stages)
    slower = worse(trials, 0.0, pieces) - BOUNDS_PRIOR >= needed
    if slower and above([trial.candidate for trial in trials], 1 - share, pieces) >= needed:
        return Finding.WORSE_THAN_STABLE
    shown = not_worse(_tails(gate, stages, bound, surely=False), TAIL_MARGIN * (1 - share)) >= needed
    return Finding.WITHIN_LIMITS if shown else Finding.UNDECIDED


def _slower_than_past(gate: Gate, stages: Sequence[Stage], alpha: float) -> Finding:
    """Bad when the candidate's quantile is surely above a bound that stable's is surely below."""
    share, factor, needed = gate.quantile or 0.0, 1 + max(0.0, gate.tolerance), -math.log(alpha)
    stable = stables(stages)
    if not sum(stable.latency):
        return Finding.NO_STABLE_EVIDENCE
    shown = (ms for ms in BOUNDS_MS if below(quantiles.surely_slower(stable, ms), 1 - share) >= needed)
    bound = next(shown, None)
    if bound is None:
        return Finding.UNDECIDED
    slow = [quantiles.surely_slower(stage.candidate, bound * factor) for stage in stages]
    if above(slow, 1 - share, _pieces(stages)) >= needed:
        return Finding.WORSE_THAN_STABLE
    good = below(quantiles.perhaps_slower(candidates(stages), bound * factor), 1 - share) >= needed
    return Finding.WITHIN_LIMITS if good else Finding.UNDECIDED


def _tails(gate: Gate, stages: Sequence[Stage], bound: float, *, surely: bool) -> list[Trial]:
    limit = bound * (1 + max(0.0, gate.tolerance))
    return [
        _trial(
            stage,
            beyond(gate, stage.candidate, limit, surely=surely),
            quantiles.surely_slower(stage.stable, bound),
        )
        for stage in stages
    ]


def _trial(stage: Stage, candidate: Count, stable: Count) -> Trial:
    return Trial(stage.share / WHOLE, candidate, stable)
