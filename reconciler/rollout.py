"""The one place where an endpoint changes phase: every transition, and why it does not happen yet."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from observability.verdict import Verdict
from reconciler import gap, ladder
from reconciler.calendar import OPEN, Opening
from reconciler.promotion import promoted, times
from reconciler.run import Refusal, Run, Said, Watch
from reconciler.split import Split, describe, scale_to_total
from reconciler.state import Moving, Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from spec.policy import IMMEDIATE, RolloutPolicy

Because = tuple[str, str]
FOUND_BAD = ("GateFailed", "Regressed", "CandidateLost")
"""Why a release is left that is bad itself."""

WORLDLY = frozenset({"AwaitingReplicas", "AwaitingAcknowledgement", "AwaitingBase"})
"""Waiting for what should have come by itself: only this counts towards the deadline."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a transition may depend on."""

    target: Split | None
    """T, without refused releases; None: the endpoint shall not exist."""
    ready: Collection[str]
    """Releases that have all the replicas they should have, ready."""
    live: Collection[str]
    """Releases that have at least one ready replica."""
    acknowledged: bool
    """Envoy confirmed the route of the current phase, and no newer one is in flight."""
    now: datetime
    since: datetime | None = None
    """When this Headgate began to look."""
    policy: RolloutPolicy = IMMEDIATE
    """What Git asks for now; a move goes by its own until it is planned again."""
    opening: Opening = OPEN
    looks: ladder.Looks = ladder.UNSEEN
    """What the gates say of the phase's evidence, and how good that is."""
    excused: Collection[str] = ()
    """Releases that still prepare, or wait for the world (network, disk), which is not their fault."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Release → why its replicas do not get ready, where that is known."""
    checked: Mapping[str, Said] = field(default_factory=dict)
    """Release → what its checks say; absent: it has none."""
    checks: str = ""
    """Digest of the endpoint's checks."""
    patience: timedelta = timedelta()
    """How long a candidate's request may be in progress."""
    shielded: bool = False
    """Clients see nothing of what the releases on trial fail."""
    standing: Because | None = None
    """Why a settled split is not what Git asks for: what was refused, held, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a phase goes next; `because` explains a phase that stays."""

    phase: Phase
    because: Because
    refusal: Refusal | None = None


def advance(phase: Phase, facts: Facts) -> Step:
    """One transition, or the reason why there is none."""
    if facts.target is None:
        return _leave(phase, facts)
    match phase:
        case Settled():
            return _settled(phase, facts.target, facts)
        case Warming() | Shifting() | Paused():
            return _moving(phase, facts.target, facts)
        case Reverting():
            return _reverting(phase, facts)
        case Removing():
            return Step(Settled(()), ("TakenBack", "Git asks for the endpoint again"))


def give_up(phase: Moving, facts: Facts, because: Because, *, urgent: bool, guilty: Collection[str] = ()) -> Step:
    """Back to S, and remember what is refused. Urgent: at once, even if S is short of replicas for a moment.

    Where a shield keeps clients from all harm there is no hurry: S first gets the replicas for its whole load.
    """
    run = phase.run
    checks = facts.checks if _by_checks(because, facts) else ""
    refusal = Refusal(run.target, tuple(sorted(guilty or run.candidates)), *because, facts.now, run.policy, checks)
    if isinstance(phase, Warming):
        return Step(Settled(run.source), because, refusal)
    return Step(_back(run, facts, because, urgent=urgent), because, refusal)


def take_back(settled: Settled, watch: Watch, facts: Facts, because: Because, *, refuse: bool) -> Step:
    """Return to the releases that the last move replaced and that are still warm."""
    guilty = watch.candidates(settled.split)
    refusal = Refusal(settled.split, guilty, *because, facts.now, watch.policy) if refuse else None
    urgent = because[0] == "Regressed" and not _can_wait(watch.previous, watch.policy, facts)
    back = Reverting(watch.previous, facts.now, settled.split, urgent, *because, leaving=None if urgent else watch)
    return Step(back, because, refusal)


def _back(run: Run, facts: Facts, because: Because, *, urgent: bool) -> Reverting:
    """On the way back, or, with nothing to hurry, waiting until S can carry the load."""
    at_once = (urgent and not _can_wait(run.source, run.policy, facts)) or run.fraction == 0
    return Reverting(run.source, facts.now, run.split, at_once, *because, leaving=None if at_once else run)


def _can_wait(source: Split, policy: RolloutPolicy, facts: Facts) -> bool:
    """Whether S may be short of replicas, or has shrunk, and clients see nothing of what is left meanwhile."""
    return facts.shielded and (policy.surge == "proportional" or not set(dict(source)) <= set(facts.ready))


def _leave(phase: Phase, facts: Facts) -> Step:
    if not isinstance(phase, Removing):
        return Step(Removing(facts.now), ("EndpointRemoved", "Git no longer asks for the endpoint"))
    if phase.acknowledged is None and facts.acknowledged:
        return Step(replace(phase, acknowledged=facts.now), ("RouteRemoved", "Envoy acknowledged the removal"))
    if phase.acknowledged is None:
        return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the removal yet"))
    return Step(phase, ("Draining", "requests in flight end before the replicas do"))


def _settled(phase: Settled, target: Split, facts: Facts) -> Step:
    watch = phase.watch
    step = _watched(phase, watch, target, facts) if watch is not None else None
    if step is not None:
        return step
    if phase.split != target:
        run = Run(phase.split, target, facts.now, facts.now, facts.policy)
        return Step(Warming(run), ("TargetChanged", f"Git asks for {describe(target)}"))
    if watch is not None and facts.standing is None:
        until = "there are requests to judge by" if watch.unproven else f"{watch.until:%H:%M:%S} UTC"
        return Step(phase, ("Watched", f"{describe(watch.previous)} stays warm until {until}"))
    return Step(phase, facts.standing or ("AsAsked", "the split is what Git asks for"))


def _watched(phase: Settled, watch: Watch, target: Split, facts: Facts) -> Step | None:
    """The end of a watch, or the way back to what is still warm."""
    bad = _bad(facts)
    if bad is not None and (watch.unproven or facts.now < watch.watched_until):
        return take_back(phase, watch, facts, ("Regressed", f"{bad.release}: {bad.message}"), refuse=True)
    if target == watch.previous:
        because = ("RevertedInTime", f"Git asks for what is still warm: {describe(target)}")
        return take_back(phase, watch, facts, because, refuse=False)
    if watch.unproven:
        return _unproven(phase, watch, facts)
    if facts.now >= watch.until:
        return Step(replace(phase, watch=None), ("WatchEnded", "the replaced releases may go"))
    return None


def _unproven(phase: Settled, watch: Watch, facts: Facts) -> Step | None:
    """A release promoted without traffic is watched until some comes, and from then on as long as any other."""
    if watch.evidence.is_silent:
        return None
    until, watched_until = times(watch.policy, facts.now)
    watch = replace(watch, until=until, watched_until=watched_until, unproven=False)
    return Step(replace(phase, watch=watch), ("EvidenceCame", "there are requests to judge the release by"))


def _moving(phase: Moving, target: Split, facts: Facts) -> Step:
    if target != phase.run.target:
        return _superseded(phase, target, facts)
    failure = _failure(phase, facts)
    if failure is not None:
        return failure
    if facts.policy != phase.run.policy:
        return _replanned(phase, facts)
    step = _onward(phase, facts)
    return (_deadline(phase, facts) or step) if step.because[0] in WORLDLY else step


def _onward(phase: Moving, facts: Facts) -> Step:
    match phase:
        case Warming():
            return _warming(phase, facts)
        case Shifting():
            return _shifting(phase, facts)
        case Paused():
            return _paused(phase, facts)


def _superseded(phase: Moving, target: Split, facts: Facts) -> Step:
    """A commit changed T in mid-move: back to S, and from there to the new T, so that it inherits no share."""
    run = phase.run
    if not run.begun:
        if target == run.source:
            return Step(Settled(run.source), ("TargetReverted", "Git asks for what serves already"))
        again = Run(run.source, target, facts.now, facts.now, facts.policy)
        return Step(Warming(again), ("TargetChanged", f"Git now asks for {describe(target)}"))
    if not run.source:
        return _shifting(Shifting(run), facts)
    because = ("Superseded", "Git asks for something newer")
    if target == run.source:
        because = ("Reverted", "Git asks for what served before")
    return Step(_back(run, facts, because, urgent=False), because)


def _replanned(phase: Moving, facts: Facts) -> Step:
    run = ladder.replan(replace(phase.run, progressed=facts.now), facts.policy)
    because = ("Replanned", f"policy {facts.policy.name} holds from {run.fraction / 100:g}% of the move on")
    if not run.begun:
        return Step(replace(phase, run=run), because)
    held = isinstance(phase, Paused) and phase.manual
    return Step(Paused(run, manual=True) if held else Shifting(run), because)


def _failure(phase: Moving, facts: Facts) -> Step | None:
    """Whatever ends a move, from wherever it is."""
    run = phase.run
    bad = _bad(facts)
    if bad is not None and (run.fraction > 0 or ladder.measures(run.policy.gate(bad.gate))):
        because = ("GateFailed", f"gate {bad.gate}: {bad.release}: {bad.message}")
        return give_up(phase, facts, because, guilty=_guilty(facts), urgent=True)
    lost = sorted(set(run.candidates) - set(facts.live))
    if lost and run.fraction > 0 and not (run.is_whole and facts.acknowledged):
        return _lost(phase, facts, lost)
    failed = [found for found in facts.checked.values() if found.verdict is Verdict.BAD]
    if failed and not run.begun and run.source:
        because = ("ChecksFailed", f"{failed[0].release}: {failed[0].message}")
        return give_up(phase, facts, because, guilty={found.release for found in failed}, urgent=False)
    return None


def _lost(phase: Moving, facts: Facts, lost: list[str]) -> Step:
    because = ("CandidateLost", f"no replica is ready of {', '.join(lost)}")
    step = give_up(phase, facts, because, guilty=lost, urgent=True)
    return replace(step, refusal=None) if phase.run.straight else step


def _deadline(phase: Moving, facts: Facts) -> Step | None:
    run = phase.run
    limit = timedelta(seconds=run.policy.progress_deadline_s)
    began = max(run.progressed, facts.since or run.progressed)
    if not run.source or facts.now < began + limit:
        return None
    missing = sorted(set(dict(run.target)) - set(facts.ready))
    if missing and set(missing) <= set(facts.excused):
        return None
    what = f"not all replicas are ready of {', '.join(missing)}" if missing else "Envoy did not acknowledge"
    told = next((facts.troubles[name] for name in missing if name in facts.troubles), "")
    what += f" ({told})" if told else ""
    because = ("DeadlineExceeded", f"no progress for {run.policy.progress_deadline_s:g} s: {what}")
    return give_up(phase, facts, because, guilty=set(missing) & set(run.candidates), urgent=False)


def _warming(phase: Warming, facts: Facts) -> Step:
    run = phase.run
    missing = sorted(set(dict(run.target)) - set(facts.ready))
    if missing:
        return Step(phase, ("AwaitingReplicas", f"not all replicas are ready of {', '.join(missing)}"))
    if not facts.acknowledged:
        return Step(phase, ("AwaitingBase", "the present route is not acknowledged yet"))
    waiting = [found for found in facts.checked.values() if found.verdict is not Verdict.GOOD]
    if waiting and run.source:
        return Step(_excuse(phase, facts), ("AwaitingChecks", waiting[0].message))
    if not facts.opening.is_open and run.source:
        return Step(_excuse(phase, facts), ("WindowClosed", facts.opening.because))
    forward = ladder.forward(replace(run, progressed=facts.now))
    passed = next((found.message for found in facts.checked.values()), "")
    if passed and run.source:
        return Step(Shifting(forward), ("ChecksPassed", f"{passed}; moving to {describe(run.target)}"))
    return Step(Shifting(forward), ("ReplicasReady", f"moving to {describe(run.target)}"))


def _shifting(phase: Shifting, facts: Facts) -> Step:  # noqa: PLR0911 (one line for each thing that it waits for)
    run = phase.run
    if not facts.acknowledged:
        return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the new split yet"))
    if run.carried != run.fraction:
        reached = replace(run, carried=run.fraction, progressed=facts.now)
        return Step(Shifting(reached), ("Acknowledged", f"Envoy serves {describe(run.split)}"))
    if run.is_whole:
        return Step(promoted(run, facts.now), ("Acknowledged", f"Envoy serves {describe(run.target)}"))
    lost = sorted(set(dict(run.source)) & set(dict(run.split)) - set(facts.live))
    if lost and not run.straight:
        return Step(_excuse(phase, facts), ("StableLost", f"no replica is ready of {', '.join(lost)}; holding"))
    if run.sized > run.fraction:
        return _widen(phase, facts)
    if run.entered is None:
        return Step(Shifting(replace(run, entered=facts.now, progressed=facts.now)), ladder.entered(run))
    return _on_step(phase, facts)


def _widen(phase: Shifting, facts: Facts) -> Step:
    """Take the share that replicas were brought up for."""
    run = phase.run
    missing = sorted(set(run.candidates) - set(facts.ready))
    if missing:
        return Step(phase, ("AwaitingReplicas", f"not all replicas are ready of {', '.join(missing)}"))
    wider = replace(run, fraction=run.sized, entered=None)
    return Step(Shifting(wider), ("StepTaken", f"moving to {describe(wider.split)}"))


def _on_step(phase: Shifting, facts: Facts) -> Step:
    run = phase.run
    if ladder.is_pause(run):
        return Step(Paused(run), ladder.entered(run))
    hold = ladder.hold(run, facts.looks, facts.now)
    if hold.extend:
        return Step(Shifting(replace(run, extended=run.extended + 1, progressed=facts.now)), hold.because)
    if not hold.over:
        return Step(_excuse(phase, facts), hold.because)
    if because := gap.waits(run, facts.patience, facts.now):
        return Step(_excuse(phase, facts), because)
    if not facts.opening.is_open:
        return Step(_excuse(phase, facts), ("WindowClosed", facts.opening.because))
    run = replace(run, unproven=run.unproven or hold.unproven, progressed=facts.now)
    return Step(Shifting(ladder.forward(run)), hold.because)


def _paused(phase: Paused, facts: Facts) -> Step:
    if phase.manual:
        return Step(phase, ("PausedByHand", "somebody paused it: `headgate rollout resume` goes on"))
    pause = ladder.pause(phase.run, facts.now)
    if pause.expired:
        return give_up(phase, facts, pause.because, urgent=False)
    if not pause.over:
        return Step(phase, pause.because)
    if because := gap.waits(phase.run, facts.patience, facts.now):
        return Step(phase, because)
    if not facts.opening.is_open:
        return Step(phase, ("WindowClosed", facts.opening.because))
    return Step(Shifting(ladder.forward(replace(phase.run, progressed=facts.now))), pause.because)


def _reverting(phase: Reverting, facts: Facts) -> Step:
    if not phase.carried:
        return _awaiting_capacity(phase, facts)
    if facts.acknowledged:
        return Step(Settled(phase.source), ("Acknowledged", f"Envoy is back at {describe(phase.source)}"))
    return Step(phase, ("AwaitingAcknowledgement", "Envoy has not acknowledged the way back yet"))


def _awaiting_capacity(phase: Reverting, facts: Facts) -> Step:
    """Until S can carry the load, unless what serves meanwhile is bad, or waiting does not help."""
    going = replace(phase, carried=True, leaving=None)
    missing = sorted(set(dict(phase.source)) - set(facts.ready))
    if not missing:
        return Step(going, ("CapacityReady", f"going back to {describe(phase.source)}"))
    bad = _bad(facts)
    if bad is not None and phase.leaving is not None and not (facts.shielded and phase.reason in FOUND_BAD):
        because = ("GateFailed", f"gate {bad.gate}: {bad.release}: {bad.message}")
        policy = phase.leaving.policy
        left = phase.leaving.target if isinstance(phase.leaving, Run) else phase.left
        found = replace(phase, reason=because[0], message=because[1]) if facts.shielded else going
        return Step(found, because, Refusal(left, tuple(sorted(_guilty(facts))), *because, facts.now, policy))
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


def _excuse(phase: Moving, facts: Facts) -> Moving:
    """Waiting that nobody is to blame for does not count towards the deadline; noted no more than once a minute."""
    often = min(60.0, phase.run.policy.progress_deadline_s / 4)
    if facts.now < phase.run.progressed + timedelta(seconds=often):
        return phase
    return replace(phase, run=replace(phase.run, progressed=facts.now))


def _by_checks(because: Because, facts: Facts) -> bool:
    """Whether checks are what a release is refused by."""
    if because[0] == "GateFailed":
        bad = _bad(facts)
        gate = facts.policy.gate(bad.gate) if bad is not None else None
        return gate is not None and gate.metric == "checks"
    return because[0] == "ChecksFailed"


def _bad(facts: Facts) -> Said | None:
    found = (one for one in facts.looks.said if one.verdict is Verdict.BAD and not one.dry_run)
    return next(found, None)


def _guilty(facts: Facts) -> frozenset[str]:
    said = facts.looks.said
    return frozenset(one.release for one in said if one.verdict is Verdict.BAD and not one.dry_run)
