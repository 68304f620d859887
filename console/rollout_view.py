"""Where an endpoint's move is, as the shape that people and scripts get. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from console import checked, rollouts
from console.views import Subject, live_split, percent
from reconciler import ladder
from reconciler.calendar import opening
from reconciler.refusals import active
from reconciler.run import Refusal, Run, Said, Watch
from reconciler.split import Split, split_at
from reconciler.state import Memory, Removing, Reverting, Settled, run_of, trial_of
from spec.policy import BUILT_IN, WHOLE, AwaitGate, Mirror, Pause, Preview, RolloutPolicy, Step, WarmUp, Weight

Because = tuple[tuple[str, str], ...]


def rollout(subject: Subject, because: Because, now: datetime) -> rollouts.RolloutShape:
    """The rollout of one endpoint, as its memory and what is seen tell."""
    memory, seen = subject.memory, subject.seen
    run = run_of(memory.phase)
    live = live_split(memory, seen)
    source, target = _ends(memory, live)
    policy = run.policy if run else _asked(memory)
    finish = earliest_finish(run, policy, now) if run else None
    return rollouts.RolloutShape.model_validate(
        {
            "endpoint": memory.endpoint,
            "state": memory.phase.kind,
            "from": percent(source),
            "to": percent(target),
            "split": percent(live),
            "step": _number(run) if run else 0,
            "steps": tuple(_steps(run)) if run else (),
            "gates": (
                *(checked.verdicts(memory, seen, run) if run else ()),
                *(_gate(said) for said in _said(memory)),
            ),
            "refused": tuple(_refusal(refusal) for refusal in active(memory, _asked(memory))),
            "because": tuple(rollouts.Reason(reason=reason, message=message) for reason, message in because),
            "policy": policy.name,
            "policy_file": policy.file,
            "strategy": policy.strategy,
            "moved": run.fraction / 100 if run else 0,
            "started": run.started if run else None,
            "step_ends": ladder.deadline_of(run) if run else None,
            "earliest_finish": finish,
            "approvals": _approvals(run) if run else 0,
            "unproven": run.unproven if run else _is_unproven(memory),
            "watch": _watch(memory),
            "replicas": tuple(_replicas(subject)),
            "at": now,
        }
    )


def _asked(memory: Memory) -> RolloutPolicy:
    return memory.spec.policy if memory.spec else BUILT_IN


def earliest_finish(run: Run, policy: RolloutPolicy, now: datetime) -> datetime | None:
    """When a move can be over; None: somebody has to approve, or no window is to come, so nobody knows."""
    left, calendar = remaining(run, now), opening(policy, now)
    if left is None or calendar.is_open:
        return None if left is None else now + left
    if calendar.until is None:
        return None
    here = max(timedelta(), (ladder.deadline_of(run) or now) - now)
    return now + max(here, calendar.until - now) + left - here


def _is_unproven(memory: Memory) -> bool:
    watch = memory.phase.watch if isinstance(memory.phase, Settled) else None
    return watch is not None and watch.unproven


def remaining(run: Run, now: datetime) -> timedelta | None:
    """How long the rest of a move takes at least; None: somebody has to approve, so nobody knows."""
    if _approvals(run):
        return None
    later = sum(length for step in run.steps[run.step + 1 :] if (length := _seconds(step)) is not None)
    due = ladder.deadline_of(run)
    here = _seconds(run.rung) or 0.0 if run.rung is not None else 0.0
    left = max(0.0, (due - now).total_seconds()) if due is not None else here
    return timedelta(seconds=later + left)


def _approvals(run: Run) -> int:
    """The pauses still to come, the present one too, that only a person ends."""
    return sum(isinstance(step, Pause) and step.for_s is None for step in run.steps[max(run.step, 0) :])


def _ends(memory: Memory, live: Split) -> tuple[Split, Split]:
    match memory.phase:
        case Settled(split):
            return split, split
        case Reverting(source=source):
            return live, source
        case Removing():
            return live, ()
        case _:
            run = run_of(memory.phase)
            return (run.source, run.target) if run else (live, live)


def _number(run: Run) -> int:
    """The present step's number, from 1; the rest of the move is the last."""
    if not run.begun:
        return 0
    return min(run.step + 1, len(run.steps) + 1) if not run.straight else 1


def _steps(run: Run) -> Iterator[rollouts.StepShape]:
    here, reached = _number(run), 0
    for number, step in enumerate((*run.steps, None), 1):
        reached = WHOLE if step is None else step.weight if isinstance(step, Weight) else reached
        yield rollouts.StepShape(
            kind=step.kind if step else "rest",
            state="done" if number < here else "now" if number == here else "planned",
            text=tell(step),
            weight=reached / 100,
            split=percent(split_at(run.source, run.target, reached)),
            seconds=_seconds(step) if step else 0,
        )


def tell(step: Step | None) -> str:  # noqa: PLR0911 (one for each kind of step)
    """One step in words; None is the rest of the move."""
    match step:
        case Weight(weight, for_s):
            return f"{weight / 100:g}% for {duration(for_s)}" if for_s else f"{weight / 100:g}%"
        case Pause(None, expires):
            return f"approval{f', within {duration(expires)}' if expires else ''}"
        case Pause(for_s):
            return f"pause for {duration(for_s or 0)}"
        case AwaitGate(gate):
            return f"until gate {gate} is good"
        case Mirror(share, for_s):
            return f"mirror {share}% for {duration(for_s)}"
        case WarmUp(requests, for_s):
            return f"warm up, {requests} requests or {duration(for_s)} at most"
        case Preview(headers, for_s):
            shown = ", ".join(f"{name}: {value}" for name, value in headers)
            return f"only requests with {shown} for {duration(for_s)}"
        case None:
            return "100%"


def duration(seconds: float) -> str:
    """`90` → `1m30s`; parts of a second are kept below a minute."""
    if round(seconds, 1) < 60:  # noqa: PLR2004
        return f"{round(seconds, 1):g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _seconds(step: Step | None) -> float | None:
    match step:
        case Pause(for_s):
            return for_s
        case WarmUp():
            return 0.0
        case None:
            return 0.0
        case _:
            return step.for_s


def _said(memory: Memory) -> tuple[Said, ...]:
    trial = trial_of(memory.phase)
    return trial.said if trial is not None else ()


def _gate(said: Said) -> rollouts.GateShape:
    return rollouts.GateShape(
        gate=said.gate,
        release=said.release,
        verdict=said.verdict.value,
        reason=said.reason,
        message=said.message,
        samples=said.samples,
        value=said.value,
        reference=said.reference,
        dry_run=said.dry_run,
    )


def _refusal(refusal: Refusal) -> rollouts.RefusalShape:
    return rollouts.RefusalShape(
        to=percent(refusal.target),
        releases=refusal.guilty,
        reason=refusal.reason,
        message=refusal.message,
        at=refusal.at,
    )


def _watch(memory: Memory) -> rollouts.WatchShape | None:
    watch: Watch | None = memory.phase.watch if isinstance(memory.phase, Settled) else None
    if watch is None:
        return None
    return rollouts.WatchShape(
        previous=percent(watch.previous),
        until=watch.until,
        watched_until=watch.watched_until,
        unproven=watch.unproven,
    )


def _replicas(subject: Subject) -> Iterator[rollouts.ReplicasShape]:
    releases = subject.seen.releases or {}
    for known in subject.memory.releases:
        seen = releases.get(known.ref.name)
        ready = len(seen.ready) if seen else 0
        if ready or known.retiring is None:
            wanted = known.count if known.retiring is None else 0
            yield rollouts.ReplicasShape(release=known.ref.name, ready=ready, wanted=wanted)
