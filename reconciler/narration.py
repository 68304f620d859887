"""What happened, told once: differences between two memories, and between two looks at a release, as events."""

from dataclasses import replace
from datetime import datetime

from observability.events import Event, EventType
from reconciler.plan import Want
from reconciler.rollout import describe
from reconciler.state import Condition, Memory, Phase, Removing, Reverting, Settled, Shifting, Warming
from runtime.replica import ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.release import ReleaseRef


def narrate(before: Memory, after: Memory, want: Want, now: datetime) -> tuple[Event, ...]:
    """Events for a change of spec, of phase, and of any condition."""
    told: list[tuple[str, str, EventType]] = []
    if after.commit != before.commit and after.spec != before.spec:
        told.append(("SpecChanged", want.message or "a new spec was read", EventType.NORMAL))
    if after.phase != before.phase:
        told += _phase(before.phase, after.phase)
    told += _conditions(before.conditions, after.conditions)
    return tuple(
        Event(now, after.endpoint, reason, message, kind, commit=want.commit) for reason, message, kind in told
    )


def _phase(before: Phase, after: Phase) -> list[tuple[str, str, EventType]]:
    match after:
        case Settled(split) if not isinstance(before, Settled) or before.split != split:
            return [("TrafficSettled", f"Envoy serves {describe(split)}", EventType.NORMAL)]
        case Warming(source, target):
            return [("RolloutStarted", f"from {describe(source)} to {describe(target)}", EventType.NORMAL)]
        case Shifting(_, target):
            return [("TrafficShifting", f"moving to {describe(target)}", EventType.NORMAL)]
        case Reverting(source):
            return [("RolloutReverting", f"back to {describe(source)}", EventType.NORMAL)]
        case Removing(acknowledged=None):
            return [("EndpointRemoving", "Git no longer asks for the endpoint", EventType.NORMAL)]
        case _:
            return []


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
