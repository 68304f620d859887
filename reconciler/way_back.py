"""The way back to S: when it is taken, what serves until then, and what is refused. Pure."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from observability.verdict import Verdict
from reconciler.ladder import Because
from reconciler.run import Refusal, Run, Said, Watch
from reconciler.split import Split, describe, scale_to_total
from reconciler.state import Moving, Reverting, Settled, Warming
from reconciler.transition import Facts, Step
from spec.policy import RolloutPolicy

FOUND_BAD = ("GateFailed", "Regressed", "CandidateLost")
"""Why a release is left that is bad itself."""


def give_up(phase: Moving, facts: Facts, because: Because, *, urgent: bool, guilty: Collection[str] = ()) -> Step:
    """Back to S, and remember what is refused. Urgent: at once, even if S is short of replicas for a moment.

    Where a shield keeps clients from all harm there is no hurry: S first gets the replicas for its whole load.
    """
    run = phase.run
    checks = facts.checks if _by_checks(because, facts) else ""
    refusal = Refusal(run.target, tuple(sorted(guilty or run.candidates)), *because, facts.now, run.policy, checks)
    if isinstance(phase, Warming):
        return Step(Settled(run.source, run.watch), because, refusal)
    return Step(back(run, facts, because, urgent=urgent), because, refusal)


def take_back(settled: Settled, watch: Watch, facts: Facts, because: Because, *, refuse: bool) -> Step:
    """Return to the releases that the last move replaced and that are still warm."""
    guilty = watch.candidates(settled.split)
    refusal = Refusal(settled.split, guilty, *because, facts.now, watch.policy) if refuse else None
    urgent = because[0] == "Regressed" and not _can_wait(watch.previous, watch.policy, facts)
    back = Reverting(watch.previous, facts.now, settled.split, urgent, *because, leaving=None if urgent else watch)
    return Step(back, because, refusal)


def back(run: Run, facts: Facts, because: Because, *, urgent: bool) -> Reverting:
    """On the way back, or, with nothing to hurry, waiting until S can carry the load."""
    at_once = (urgent and not _can_wait(run.source, run.policy, facts)) or run.fraction == 0
    leaving = None if at_once else run
    return Reverting(run.source, facts.now, run.split, at_once, *because, leaving=leaving, watch=run.watch)


def _can_wait(source: Split, policy: RolloutPolicy, facts: Facts) -> bool:
    """Whether S may be short of replicas, or has shrunk, and clients see nothing of what is left meanwhile."""
    return facts.shielded and (policy.surge == "proportional" or not set(dict(source)) <= set(facts.ready))


def reverting(phase: Reverting, facts: Facts) -> Step:
    """Waiting until S can carry the load, and then until Envoy has acknowledged it."""
    if not phase.carried:
        return _awaiting_capacity(phase, facts)
    if facts.acknowledged:
        return Step(
            Settled(phase.source, phase.watch), ("Acknowledged", f"Envoy is back at {describe(phase.source)}")
        )
    return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the way back yet"))


def _awaiting_capacity(phase: Reverting, facts: Facts) -> Step:
    """Until S can carry the load, unless what serves meanwhile is bad, or waiting does not help."""
    going = replace(phase, carried=True, leaving=None)
    missing = sorted(set(dict(phase.source)) - set(facts.ready))
    if not missing:
        return Step(going, ("CapacityReady", f"going back to {describe(phase.source)}"))
    bad = bad_of(facts)
    if bad is not None and phase.leaving is not None and not (facts.shielded and phase.reason in FOUND_BAD):
        because = ("GateFailed", f"gate {bad.gate}: {bad.release}: {bad.message}")
        policy = phase.leaving.policy
        left = phase.leaving.target if isinstance(phase.leaving, Run) else phase.left
        found = replace(phase, reason=because[0], message=because[1]) if facts.shielded else going
        return Step(found, because, Refusal(left, tuple(sorted(guilty_of(facts))), *because, facts.now, policy))
    alive = [release for release in dict(phase.source) if release in facts.live]
    gone = sorted(set(dict(phase.left)) - set(dict(phase.source)) - set(facts.live))
    if gone and alive and not facts.shielded:
        return Step(going, ("CandidateLost", f"no replica is ready of {', '.join(gone)}"))
    wait = ("AwaitingCapacity", f"not all replicas are ready of {', '.join(missing)}")
    if facts.now < max(phase.since, facts.since or phase.since) + timedelta(seconds=facts.policy.progress_deadline_s):
        return Step(phase, wait)
    return _short_for_long(phase, facts, wait, going if alive else None)


def _short_for_long(phase: Reverting, facts: Facts, wait: Because, going: Reverting | None) -> Step:
    """S has been short for the progress deadline: it serves with what it has, or gives way to something newer."""
    if going is not None:
        return Step(going, ("CapacityShort", f"{wait[1]}; going back with those that are"))
    serving = {release: share for release, share in phase.left if release in facts.live}
    if not serving or facts.target == phase.source:
        return Step(phase, wait)
    because = (
        "StableLost",
        f"no replica is ready of {describe(phase.source)}; what serves is the base of what is next",
    )
    return Step(Settled(scale_to_total(serving)), because)


def _by_checks(because: Because, facts: Facts) -> bool:
    """Whether checks are what a release is refused by."""
    if because[0] == "GateFailed":
        bad = bad_of(facts)
        gate = facts.policy.gate(bad.gate) if bad is not None else None
        return gate is not None and gate.metric == "checks"
    return because[0] == "ChecksFailed"


def bad_of(facts: Facts) -> Said | None:
    """The first bad verdict of a gate that decides."""
    found = (one for one in facts.looks.said if one.verdict is Verdict.BAD and not one.dry_run)
    return next(found, None)


def guilty_of(facts: Facts) -> frozenset[str]:
    """The releases that such a verdict is of."""
    said = facts.looks.said
    return frozenset(one.release for one in said if one.verdict is Verdict.BAD and not one.dry_run)
