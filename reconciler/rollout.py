"""The one place where an endpoint changes phase: every transition, and why it does not happen yet."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.state import (
    Phase,
    Removing,
    Reverting,
    Settled,
    Shifting,
    Split,
    Warming,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a transition may depend on."""

    target: Split | None
    """T; None: the endpoint shall not exist."""
    ready: Collection[str]
    """Releases that have all the replicas they should have, ready."""
    live: Collection[str]
    """Releases that have at least one ready replica."""
    acknowledged: bool
    """Envoy confirmed the route of the current phase, and no newer one is in flight."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """Where a phase goes next; `because` explains a phase that stays."""

    phase: Phase
    because: tuple[str, str]


def advance(phase: Phase, facts: Facts) -> Step:
    """One transition, or the reason why there is none."""
    if facts.target is None:
        return _leave(phase, facts)
    match phase:
        case Settled():
            return _settled(phase, facts.target, facts)
        case Warming():
            return _warming(phase, facts.target, facts)
        case Shifting():
            return _shifting(phase, facts.target, facts)
        case Reverting():
            return _reverting(phase, facts)
        case Removing():
            return Step(Settled(()), ("TakenBack", "Git asks for the endpoint again"))


def _leave(phase: Phase, facts: Facts) -> Step:
    if not isinstance(phase, Removing):
        return Step(Removing(facts.now), ("EndpointRemoved", "Git no longer asks for the endpoint"))
    if phase.acknowledged is None and facts.acknowledged:
        return Step(replace(phase, acknowledged=facts.now), ("RouteRemoved", "Envoy acknowledged the removal"))
    if phase.acknowledged is None:
        return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the removal yet"))
    return Step(phase, ("Draining", "requests in flight end before the replicas do"))


def _settled(phase: Settled, target: Split, facts: Facts) -> Step:
    if phase.split == target:
        return Step(phase, ("AsAsked", "the split is what Git asks for"))
    return Step(Warming(phase.split, target, facts.now), ("TargetChanged", f"Git asks for {describe(target)}"))


def _warming(phase: Warming, target: Split, facts: Facts) -> Step:
    if target == phase.source:
        return Step(Settled(phase.source), ("TargetReverted", "Git asks for what serves already"))
    if target != phase.target:
        return Step(
            Warming(phase.source, target, facts.now), ("TargetChanged", f"Git now asks for {describe(target)}")
        )
    missing = sorted(set(dict(target)) - set(facts.ready))
    if missing:
        return Step(phase, ("AwaitingReplicas", f"not all replicas are ready of {', '.join(missing)}"))
    if not facts.acknowledged:
        return Step(phase, ("AwaitingBase", "the present route is not acknowledged yet"))
    return Step(Shifting(phase.source, target, facts.now), ("ReplicasReady", f"moving to {describe(target)}"))


def _shifting(phase: Shifting, target: Split, facts: Facts) -> Step:
    if target != phase.target and phase.source:
        return Step(Reverting(phase.source, facts.now), ("Superseded", "Git asks for something newer"))
    lost = sorted(set(dict(phase.target)) - set(dict(phase.source)) - set(facts.live))
    if lost and not facts.acknowledged:
        return Step(
            Reverting(phase.source, facts.now), ("CandidateLost", f"no replica is ready of {', '.join(lost)}")
        )
    if facts.acknowledged:
        return Step(Settled(phase.target), ("Acknowledged", f"Envoy serves {describe(phase.target)}"))
    return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the new split yet"))


def _reverting(phase: Reverting, facts: Facts) -> Step:
    if facts.acknowledged:
        return Step(Settled(phase.source), ("Acknowledged", f"Envoy is back at {describe(phase.source)}"))
    return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the way back yet"))


def describe(split: Split) -> str:
    """A split as people write it: `blue@3f2 90%, green@1a7 10%`."""
    if not split:
        return "no traffic"
    return ", ".join(f"{release} {share / 100:g}%" for release, share in split)
