"""Orders of people to the phase of an endpoint. Pure."""

from dataclasses import replace

from reconciler import ladder
from reconciler.ladder import is_approval
from reconciler.orders import Answer, Order
from reconciler.split import describe
from reconciler.state import Moving, Paused, Phase, Reverting, Settled, Shifting, Warming
from reconciler.transition import Facts, Step
from reconciler.way_back import give_up, take_back


def obey(phase: Phase, order: Order, facts: Facts) -> tuple[Step | None, Answer]:
    """Carry out an order, or say why not and what to do instead."""
    if facts.target is None:
        return None, Answer(order.id, done=False, message="the endpoint is being removed")
    because = (_REASONS[order.kind], f"ordered by {order.by or 'an operator'}")
    match phase:
        case Settled():
            step = _settled(phase, order, facts, because)
        case Warming() | Shifting() | Paused():
            step = _moving(phase, order, facts, because)
        case Reverting(source=source, carried=False):
            step = f"traffic goes back as soon as all replicas of {describe(source)} are ready; try again then"
        case _:
            step = "traffic is on its way back already; try again when it has settled"
    if isinstance(step, str):
        return None, Answer(order.id, done=False, message=step)
    return step, Answer(order.id, done=True, message=_done(order, step, facts))


def _done(order: Order, step: Step, facts: Facts) -> str:
    if order.kind == "promote" and isinstance(step.phase, Paused):
        return f"approved; the step is taken once it may be: {facts.opening.because}"
    if order.kind == "promote-full" and not facts.opening.is_open:
        return f"{DONE[order.kind]}, once it may: {facts.opening.because}"
    return DONE[order.kind]


def _settled(phase: Settled, order: Order, facts: Facts, because: tuple[str, str]) -> Step | str:
    if order.kind != "undo":
        return "nothing moves at this endpoint; `headgate rollout status` shows what it serves"
    if phase.watch is None:
        return "nothing is kept warm to go back to: use `git revert`"
    return take_back(phase, phase.watch, facts, because, refuse=True)


def _moving(phase: Moving, order: Order, facts: Facts, because: tuple[str, str]) -> Step | str:  # noqa: PLR0911 (one for each order)
    match order.kind:
        case "abort":
            return give_up(phase, facts, because, urgent=False)
        case "undo":
            return "a rollout is under way: `headgate rollout abort` takes it back"
        case "pause":
            return Step(Paused(phase.run, manual=True), because)
        case "resume":
            return _resume(phase, facts, because)
        case "promote-full":
            return _go_on(phase, facts, because, full=True)
        case "promote":
            return _go_on(phase, facts, because, full=False)
        case "retry":
            return "nothing of this endpoint is refused, and a rollout is under way"


def _resume(phase: Moving, facts: Facts, because: tuple[str, str]) -> Step | str:
    if not isinstance(phase, Paused):
        return "it is not paused"
    if not phase.manual:
        return "the policy pauses here: `headgate rollout promote` goes on"
    run = replace(phase.run, progressed=facts.now)
    if is_approval(run):
        run = replace(run, entered=facts.now)
    return Step(Shifting(run) if run.begun else Warming(run), because)


def _go_on(phase: Moving, facts: Facts, because: tuple[str, str], *, full: bool) -> Step | str:  # noqa: PLR0911 (one for each thing in the way)
    run = replace(phase.run, progressed=facts.now)
    if not run.begun:
        if not full and not isinstance(phase, Paused):
            return _before_the_first_share(phase, facts)
        return Step(Warming(replace(run, full=run.full or full)), because)
    if run.is_whole:
        return Step(Shifting(run), because) if isinstance(phase, Paused) else "it is on its last step already"
    if not facts.opening.is_open:
        return _approve(phase, facts, because, full=full)
    if full:
        return Step(Shifting(ladder.forward(replace(run, full=True))), because)
    if not facts.acknowledged or run.sized > run.fraction:
        return "a step is on its way; try again when it has been taken"
    return Step(Shifting(ladder.forward(run)), because)


def _before_the_first_share(phase: Moving, facts: Facts) -> str:
    if not set(dict(phase.run.target)) <= set(facts.ready):
        return "its replicas are not ready yet; `promote --full` skips the steps once they are"
    if not facts.opening.is_open:
        return f"no step forward is taken now: {facts.opening.because}; edit the policy if it must be"
    return "it is about to take its first share; `promote --full` skips the steps"


def _approve(phase: Moving, facts: Facts, because: tuple[str, str], *, full: bool) -> Step | str:
    """While no step forward may be taken, an approval is kept, and nothing else is done."""
    if isinstance(phase, Paused) and not phase.manual and is_approval(phase.run) and not full:
        return Step(replace(phase, run=replace(phase.run, approved=True)), because)
    return f"no step forward is taken now: {facts.opening.because}; edit the policy if it must be"


_REASONS = {
    "promote": "Promoted",
    "promote-full": "PromotedFully",
    "pause": "PausedByHand",
    "resume": "Resumed",
    "abort": "Aborted",
    "retry": "Retried",
    "undo": "Undone",
}
DONE = {
    "promote": "going on to the next step",
    "promote-full": "going to the end without further steps",
    "pause": "paused; `headgate rollout resume` goes on",
    "resume": "going on",
    "abort": "traffic goes back, and this release is not started again (`headgate rollout retry` does)",
    "retry": "refusals are forgotten; what Git asks for is tried again",
    "undo": "traffic goes back to the previous release, and this one is not started again",
}
