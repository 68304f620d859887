"""The one place where an endpoint changes phase: every transition, and why it does not happen yet."""

from dataclasses import replace
from datetime import timedelta

from observability.verdict import Verdict
from reconciler import gap, ladder
from reconciler.promotion import promoted, times
from reconciler.run import Run, Watch
from reconciler.split import Split, describe
from reconciler.state import Moving, Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from reconciler.transition import Facts, Step
from reconciler.way_back import back, bad_of, give_up, guilty_of, reverting, take_back

WORLDLY = frozenset({"AwaitingReplicas", "AwaitingAcknowledgement", "AwaitingBase"})
"""Waiting for what should have come by itself: only this counts towards the deadline."""


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
            return reverting(phase, facts)
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
    watch = phase.watch
    step = _watched(phase, watch, target, facts) if watch is not None else None
    if step is not None:
        return step
    if phase.split != target:
        run = Run(phase.split, target, facts.now, facts.now, facts.policy, watch=watch)
        return Step(Warming(run), ("TargetChanged", f"Git asks for {describe(target)}"))
    if watch is not None and facts.standing is None:
        until = "there are requests to judge by" if watch.unproven else f"{watch.until:%H:%M:%S} UTC"
        return Step(phase, ("Watched", f"{describe(watch.previous)} stays warm until {until}"))
    return Step(phase, facts.standing or ("AsAsked", "the split is what Git asks for"))


def _watched(phase: Settled, watch: Watch, target: Split, facts: Facts) -> Step | None:
    """The end of a watch, or the way back to what is still warm."""
    bad = bad_of(facts)
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
            return Step(Settled(run.source, run.watch), ("TargetReverted", "Git asks for what serves already"))
        again = Run(run.source, target, facts.now, facts.now, facts.policy, watch=run.watch)
        return Step(Warming(again), ("TargetChanged", f"Git now asks for {describe(target)}"))
    if not run.source:
        return _shifting(Shifting(run), facts)
    because = ("Superseded", "Git asks for something newer")
    if target == run.source:
        because = ("Reverted", "Git asks for what served before")
    return Step(back(run, facts, because, urgent=False), because)


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
    bad = bad_of(facts)
    if bad is not None and (run.fraction > 0 or ladder.measures(run.policy.gate(bad.gate))):
        because = ("GateFailed", f"gate {bad.gate}: {bad.release}: {bad.message}")
        return give_up(phase, facts, because, guilty=guilty_of(facts), urgent=True)
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


def _excuse(phase: Moving, facts: Facts) -> Moving:
    """Waiting that nobody is to blame for does not count towards the deadline; noted no more than once a minute."""
    often = min(60.0, phase.run.policy.progress_deadline_s / 4)
    if facts.now < phase.run.progressed + timedelta(seconds=often):
        return phase
    return replace(phase, run=replace(phase.run, progressed=facts.now))
