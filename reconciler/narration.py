"""What happened, told once: differences between two memories, and between two looks at a release, as events."""

from dataclasses import replace
from datetime import datetime

from observability.events import Event, EventType
from reconciler import ladder
from reconciler.plan import Want
from reconciler.run import Refusal, Run
from reconciler.split import describe
from reconciler.state import Condition, Memory, Paused, Phase, Removing, Reverting, Settled, Shifting, run_of
from runtime.replica import ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.release import ReleaseRef

Told = tuple[str, str, EventType]
ORDERED = "ordered by "
"""How the fact of an order begins: each is an event of its own, with who gave it."""


def narrate(
    before: Memory, after: Memory, want: Want, now: datetime, because: tuple[tuple[str, str], ...] = ()
) -> tuple[Event, ...]:
    """Events for a change of spec, of phase, of what is refused, and of any condition."""
    told: list[Told] = []
    if after.commit != before.commit and after.spec != before.spec:
        told.append(("SpecChanged", want.message or "a new spec was read", EventType.NORMAL))
    told += [(reason, fact, EventType.NORMAL) for reason, fact in because if fact.startswith(ORDERED)]
    if after.phase != before.phase:
        told += _phase(before.phase, after.phase)
    told += [_refusal(refusal) for refusal in after.refused if refusal not in before.refused]
    told += _conditions(before.conditions, after.conditions)
    facts = _facts(because)
    return tuple(
        Event(now, after.endpoint, reason, message, kind, because=facts, commit=want.commit)
        for reason, message, kind in told
    )


def _facts(because: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """By reason, in their order; what was said twice in one decision is kept twice."""
    facts: dict[str, str] = {}
    for reason, fact in because:
        known = facts.get(reason)
        facts[reason] = fact if known in (None, fact) else f"{known}; {fact}"
    return facts


def _phase(before: Phase, after: Phase) -> list[Told]:
    was, run = run_of(before), run_of(after)
    told: list[Told] = []
    if run is not None and (was is None or was.target != run.target):
        message = f"from {describe(run.source)} to {describe(run.target)}, by policy {run.policy.name}"
        told.append(("RolloutStarted", message, EventType.NORMAL))
    elif run is not None and was is not None and was.policy != run.policy:
        message = f"policy {run.policy.name} holds from {run.fraction / 100:g}% of the move on"
        told.append(("Replanned", message, EventType.NORMAL))
    return told + _place(before, after)


def _place(before: Phase, after: Phase) -> list[Told]:
    match after:
        case Settled(split, watch) if not isinstance(before, Settled) or before.split != split:
            warm = f"; {describe(watch.previous)} stays warm until {watch.until:%H:%M:%S} UTC" if watch else ""
            unproven = "; unproven, for want of traffic" if watch and watch.unproven else ""
            return [("TrafficSettled", f"Envoy serves {describe(split)}{unproven}{warm}", EventType.NORMAL)]
        case Shifting(run):
            return _shifting(before, run)
        case Paused(run, manual) if not isinstance(before, Paused) or before.manual != manual:
            message = "by hand" if manual else ladder.entered(run)[1]
            return [("RolloutPaused", f"at {describe(run.split)}: {message}", EventType.NORMAL)]
        case Reverting():
            return _reverting(before, after)
        case Removing(acknowledged=None):
            return [("EndpointRemoving", "Git no longer asks for the endpoint", EventType.NORMAL)]
        case _:
            return []


def _reverting(before: Phase, after: Reverting) -> list[Told]:
    if not isinstance(before, Reverting):
        why = f": {after.reason}: {after.message}" if after.reason else ""
        return [("RolloutReverting", f"back to {describe(after.source)}{why}", EventType.WARNING)]
    if after.carried and not before.carried:
        return [("TrafficReturning", f"moving back to {describe(after.source)}", EventType.NORMAL)]
    return []


def _shifting(before: Phase, run: Run) -> list[Told]:
    was = run_of(before)
    if was is None or was.fraction != run.fraction:
        return [("TrafficShifting", f"moving to {describe(run.split)}", EventType.NORMAL)]
    if was.step != run.step and run.rung is not None:
        return [("RolloutStep", ladder.entered(run)[1], EventType.NORMAL)]
    if was.extended != run.extended:
        return [("StepExtended", f"not enough traffic to judge by ({run.extended})", EventType.NORMAL)]
    return []


def _refusal(refusal: Refusal) -> Told:
    guilty = ", ".join(refusal.guilty) or describe(refusal.target)
    message = f"{guilty}: {refusal.told_of(guilty)}; `headgate rollout retry` tries it again"
    return ("ReleaseRefused", message, EventType.WARNING)


def _conditions(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> list[tuple[str, str, EventType]]:
    told = {(condition.type, condition.status, condition.reason) for condition in before}
    fresh = [found for found in after if (found.type, found.status, found.reason) not in told]
    return [_condition(found) for found in fresh if found.type not in {"Reconciling", "Stalled"} and _worth(found)]


def _worth(condition: Condition) -> bool:
    return not (condition.type == "Ready" and condition.status == "Unknown")


def _condition(condition: Condition) -> tuple[str, str, EventType]:
    if condition.type == "Ready":
        good = condition.status == "True"
        reason = "EndpointReady" if good else condition.reason
        return (reason, condition.message, EventType.NORMAL if good else EventType.WARNING)
    failing = condition.type == "ReplicaFailure"
    return (condition.reason, condition.message, EventType.WARNING if failing else EventType.NORMAL)


def narrate_release(
    ref: ReleaseRef, before: ReleaseSeen | None, after: ReleaseSeen | None, now: datetime
) -> tuple[Event, ...]:
    """Events for the progress of a release's preparation and the life of its replicas.

    A release that already has replicas at the first look was adopted: of it only what is not ready is told.
    """
    if before is None and after is not None and after.replicas:
        before = replace(after, replicas=after.ready)
    told = _preparation(before, after) + _replicas(before, after)
    return tuple(
        Event(now, ref.endpoint, reason, f"{ref.name}: {message}", kind, release=ref.name)
        for reason, message, kind in told
    )


def _preparation(before: ReleaseSeen | None, after: ReleaseSeen | None) -> list[tuple[str, str, EventType]]:
    if after is None or (before and before.preparation == after.preparation):
        return []
    preparation = after.preparation
    match preparation.stage:
        case Stage.PREPARING if preparation.message:
            return [("Preparing", preparation.message, EventType.NORMAL)]
        case Stage.PREPARED if before is None or before.preparation.stage is not Stage.PREPARED:
            return [("Prepared", "artifacts and environment are ready", EventType.NORMAL)]
        case Stage.PREPARED if preparation.reason and before and before.preparation.reason != preparation.reason:
            kind = EventType.NORMAL if preparation.reason == "FilesRestored" else EventType.WARNING
            return [(preparation.reason, preparation.message, kind)]
        case Stage.FAILED:
            return [(preparation.reason or "PreparationFailed", preparation.message, EventType.WARNING)]
        case _:
            return []


def _replicas(before: ReleaseSeen | None, after: ReleaseSeen | None) -> list[tuple[str, str, EventType]]:
    old = {replica.id: replica for replica in before.replicas} if before else {}
    new = {replica.id: replica for replica in after.replicas} if after else {}
    told = []
    for name, replica in sorted(new.items()):
        was = old.get(name)
        if was is None or (was.state, was.restarts) != (replica.state, replica.restarts):
            told.append(_replica(replica))
    told += [("ReplicaStopped", f"replica {name} is gone", EventType.NORMAL) for name in sorted(set(old) - set(new))]
    return told


def _replica(replica: ReplicaSeen) -> tuple[str, str, EventType]:
    match replica.state:
        case ReplicaState.STARTING:
            return ("ReplicaStarting", f"replica {replica.id} is starting", EventType.NORMAL)
        case ReplicaState.READY:
            return ("ReplicaReady", f"replica {replica.id} is ready", EventType.NORMAL)
        case ReplicaState.STOPPING:
            return ("ReplicaStopping", f"replica {replica.id} is stopping", EventType.NORMAL)
        case ReplicaState.UNREADY:
            return ("ReplicaUnready", f"replica {replica.id}: {replica.message or replica.reason}", EventType.WARNING)
        case ReplicaState.WAITING:
            reason = replica.reason or "ReplicaEnded"
            return (reason, f"replica {replica.id}: {replica.message or 'it ended'}", EventType.WARNING)
