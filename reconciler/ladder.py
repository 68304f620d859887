"""A policy's steps: which comes next, when one is over, and what keeps it. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from observability.evidence import NOTHING, Tally
from observability.verdict import Verdict
from reconciler.run import Run, Said
from spec.policy import WHOLE, AwaitGate, Gate, Mirror, Pause, Preview, RolloutPolicy, WarmUp, Weight

EXTENSIONS = 3
"""How often a step is extended for want of traffic."""

Because = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether a step is over, and why or why not."""

    because: Because
    over: bool = False
    extend: bool = False
    unproven: bool = False


@dataclass(frozen=True, slots=True)
class PauseState:
    """Whether a pause is over."""

    because: Because
    over: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Looks:
    """What a step's end may depend on."""

    said: tuple[Said, ...] = ()
    counting: bool = True
    """Live requests are being counted."""
    silent: bool = False
    """No request at all was seen in the move, although they are counted."""
    warmed: bool = True
    warmth: str = ""
    """What warming up came to."""


UNSEEN = Looks()


def forward(run: Run) -> Run:
    """The run on its next step: its share is asked for once there are replicas for it."""
    step = len(run.steps) if run.straight else run.step + 1
    rung = run.steps[step] if step < len(run.steps) else None
    sized = WHOLE if step >= len(run.steps) else rung.weight if isinstance(rung, Weight) else run.fraction
    return replace(run, step=step, sized=max(sized, run.fraction), entered=None, extended=0, marks=(), approved=False)


def replan(run: Run, policy: RolloutPolicy) -> Run:
    """The run under another policy, from where it is: on the same step where all steps so far are the same."""
    done = run.policy.steps[: run.step + 1]
    if not run.straight and policy.strategy == "stepwise" and policy.steps[: run.step + 1] == done:
        return replace(run, policy=policy)
    reached = [
        index for index, step in enumerate(policy.steps) if isinstance(step, Weight) and step.weight <= run.fraction
    ]
    step = max(reached, default=-1)
    return replace(run, policy=policy, step=step, sized=run.fraction, extended=0, marks=())


def is_pause(run: Run) -> bool:
    """Whether the present step is a pause."""
    return isinstance(run.rung, Pause)


def is_approval(run: Run) -> bool:
    """Whether the present step is a pause that somebody has to end."""
    return isinstance(run.rung, Pause) and run.rung.for_s is None


def entered(run: Run) -> Because:  # noqa: PLR0911 (one for each kind of step)
    """What the present step, just begun, is."""
    match run.rung:
        case Weight(weight, for_s):
            return ("StepEntered", f"{weight / 100:g}% of the move, for {for_s:g} s at least")
        case Pause(None):
            return ("AwaitingApproval", "`headgate rollout promote` approves")
        case Pause(for_s):
            return ("Paused", f"for {for_s:g} s")
        case AwaitGate(gate):
            return ("StepEntered", f"until gate {gate} is good")
        case Mirror(percent, for_s):
            return ("StepEntered", f"{percent}% of requests are mirrored for {for_s:g} s")
        case WarmUp(requests):
            return ("StepEntered", f"warming up with up to {requests} requests")
        case Preview(headers, for_s):
            shown = ", ".join(f"{name}: {value}" for name, value in headers)
            return ("StepEntered", f"requests with {shown} reach the candidate for {for_s:g} s")
        case None:
            return ("StepEntered", "on the way")


def deadline_of(run: Run) -> datetime | None:
    """When the present step can end at the earliest, or its approval expires; None: at no set time."""
    if run.entered is None or run.rung is None:
        return None
    rung = run.rung
    if isinstance(rung, Pause):
        seconds = rung.for_s if rung.for_s is not None else rung.expires_s
        return None if seconds is None else run.entered + timedelta(seconds=seconds)
    return run.entered + timedelta(seconds=rung.for_s * (1 + run.extended))


def pause(run: Run, now: datetime) -> PauseState:
    """How the present pause stands."""
    rung = run.rung
    if not isinstance(rung, Pause) or run.entered is None:
        return PauseState(("PauseOver", "there is no pause any more"), over=True)
    due = deadline_of(run)
    if rung.for_s is not None:
        if due is not None and now >= due:
            return PauseState(("PauseOver", f"{rung.for_s:g} s are over"), over=True)
        return PauseState(("Paused", f"until {due:%H:%M:%S} UTC"))
    if run.approved:
        return PauseState(("Promoted", "it is approved"), over=True)
    if due is not None and now >= due:
        return PauseState(("ApprovalExpired", f"nobody approved within {rung.expires_s:g} s"), expired=True)
    left = f"; it expires at {due:%Y-%m-%d %H:%M:%S} UTC" if due else ""
    return PauseState(("AwaitingApproval", f"`headgate rollout promote` approves{left}"))


def hold(run: Run, looks: Looks, now: datetime) -> Hold:
    """Whether the present step is over."""
    rung = run.rung
    due = deadline_of(run)
    if isinstance(rung, WarmUp):
        return _warm_up(now, due, looks)
    if due is not None and now < due:
        return Hold(("StepRunning", f"until {due:%H:%M:%S} UTC at least"))
    match rung:
        case AwaitGate(gate):
            return _gate(run, gate, looks)
        case Weight() | None if run.fraction > 0:
            return _gates(run, looks)
        case _:
            return Hold(("StepOver", "its time is over"), over=True)


def stable_tally(run: Run) -> Tally:
    """What the releases that are not on trial showed in the whole move."""
    names = {name for episode in run.evidence.episodes for name, _ in episode.tallies} - set(run.candidates)
    return sum((run.evidence.tally(name) for name in sorted(names)), NOTHING)


def next_weight(run: Run) -> int:
    """The f of the next step that moves traffic."""
    later = (step.weight for step in run.steps[run.step + 1 :] if isinstance(step, Weight))
    return next(later, WHOLE)


def shown(run: Run) -> tuple[Mirror | None, Preview | None]:
    """The mirror and the preview that hold at the present step: the last of each since traffic last moved."""
    mirror, preview = None, None
    for step in run.steps[: run.step + 1]:
        match step:
            case Weight():
                mirror, preview = None, None
            case Mirror():
                mirror = step
            case Preview():
                preview = step
            case _:
                pass
    return mirror, preview


def _warm_up(now: datetime, due: datetime | None, looks: Looks) -> Hold:
    if looks.warmed:
        return Hold(("WarmedUp", looks.warmth or "latency is steady"), over=True)
    if due is not None and now >= due:
        return Hold(("WarmUpOver", "its time is over"), over=True)
    return Hold(("WarmingUp", "requests are sent until latency is steady"))


def _gate(run: Run, name: str, looks: Looks) -> Hold:
    found = [one for one in looks.said if one.gate == name]
    if found and all(one.verdict is Verdict.GOOD for one in found):
        return Hold(("GateGood", f"gate {name}: {found[0].message}"), over=True)
    if looks.silent and not measures(run.policy.gate(name)):
        return Hold(("Unproven", "the endpoint got no request at all"), over=True, unproven=True)
    return Hold(("AwaitingGate", f"gate {name}: {found[0].message if found else 'no verdict yet'}"))


def _gates(run: Run, looks: Looks) -> Hold:
    """Every gate that decides must not be against it; too little traffic goes by the gate's own rule."""
    unproven = False
    for gate in run.policy.gates:
        if gate.dry_run:
            continue
        if looks.silent and not measures(gate):
            unproven = True
            continue
        if not looks.counting and not measures(gate):
            return Hold(("MetricsUnavailable", f"gate {gate.name}: nothing is counted at the moment; holding"))
        found = _one(run, gate, [one for one in looks.said if one.gate == gate.name])
        if not found.over:
            return found
        unproven |= found.unproven
    if unproven:
        return Hold(("Unproven", "there was no traffic to judge by"), over=True, unproven=True)
    return Hold(("GatesPassed", "its time is over and no gate is against it"), over=True)


def measures(gate: Gate | None) -> bool:
    """Whether a gate measures by itself, without live requests."""
    return gate is not None and gate.metric in ("http", "checks")


def _one(run: Run, gate: Gate, said: list[Said]) -> Hold:
    if not said:
        return Hold(("AwaitingGate", f"gate {gate.name} has no verdict yet"))
    worst = min(said, key=_rank)
    if worst.verdict is Verdict.GOOD or worst.reason == "Undecided":
        return Hold(("GatePassed", worst.message), over=True)
    if worst.reason in ("NotEnoughTraffic", "NoStableEvidence"):
        return _starved(run, gate, worst)
    reason = "MetricsUnavailable" if worst.verdict is Verdict.ERROR else worst.reason
    return Hold((reason, f"gate {gate.name}: {worst.message}"))


def _starved(run: Run, gate: Gate, worst: Said) -> Hold:
    rung = run.rung
    length = rung.for_s if isinstance(rung, Weight) else 0
    if gate.starved == "proceed":
        return Hold(("Unproven", worst.message), over=True, unproven=True)
    if gate.starved == "extend" and run.extended < EXTENSIONS and length:
        because = ("StepExtended", f"gate {gate.name}: {worst.message} ({run.extended + 1} of {EXTENSIONS})")
        return Hold(because, extend=True)
    return Hold((worst.reason, f"gate {gate.name}: {worst.message}; holding"))


def _rank(said: Said) -> int:
    if said.verdict is Verdict.ERROR:
        return 0
    if said.verdict is Verdict.INCONCLUSIVE:
        return 2 if said.reason == "Undecided" else 1
    return 3
