"""The plain test: one window's figures against the limits, as they stand."""

from collections.abc import Sequence

from observability.findings import Finding, candidates, stables
from observability.measures import answers, estimate
from observability.verdict import Stage
from spec.policy import Gate


def find(gate: Gate, window: Sequence[Stage]) -> Finding:
    """Compare the window's proportion or quantile; nothing is said with less than the gate's sample floor."""
    mine, theirs = estimate(gate, candidates(window)), estimate(gate, stables(window))
    if mine is None or answers(gate, candidates(window)) < gate.min_requests:
        return Finding.NOT_ENOUGH_TRAFFIC
    if gate.max is not None and mine > gate.max:
        same = theirs is not None and theirs > gate.max
        return Finding.STABLE_FAILS_TOO if same else Finding.ABOVE_MAXIMUM
    if not gate.compare_stable:
        return Finding.WITHIN_LIMITS
    if theirs is None:
        return Finding.NO_STABLE_EVIDENCE
    limit = theirs * (1 + gate.tolerance) if gate.metric == "latency" else theirs + gate.tolerance
    return Finding.WORSE_THAN_STABLE if mine > limit else Finding.WITHIN_LIMITS
