"""The decision: want, observation and memory to a plan. Pure; everything that decides calls this."""

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler import conditions as words
from reconciler import scale
from reconciler.command import DONE, obey
from reconciler.facts import asked, facts
from reconciler.narration import narrate
from reconciler.orders import Answer
from reconciler.plan import Action, ApplyRelease, DropRoute, ForgetRelease, Plan, PutRoute, Seen, Want
from reconciler.refusals import add
from reconciler.rollout import advance
from reconciler.routing import project
from reconciler.sight import examinations, look, wake
from reconciler.state import Known, Memory, Removing, Settled, releases_of, served_of
from reconciler.target import mirror_target, target_split
from reconciler.transition import Step
from router.table import TokenAuth
from spec.catalog import EndpointSpec

MOST_STEPS = 16
"""No endpoint changes phase more often than this in one pass; more would be a loop in the machine."""
DRAIN_LOOK = timedelta(milliseconds=200)
"""How often in-flight counts are looked at while something drains."""
UNKNOWN_LOOK = timedelta(seconds=1)
"""How often to look while the router or the runtime is unknown, in case nobody tells that it answered."""
NO_AUTH = TokenAuth("")
"""Stands in for credentials in remembered routes."""

Because = tuple[tuple[str, str], ...]


def decide(want: Want, seen: Seen, memory: Memory, now: datetime) -> Plan:
    """Return what to remember, what to do, what to say, and when to look again.

    Repeating it on what its actions bring about yields no further action. While the router or the runtime is
    unknown it removes and shifts nothing.
    """
    heard = hear(memory, want)
    spec = asked(want, heard)
    after = scale.enlist(heard, spec)
    if seen.route is None or seen.releases is None:
        return _wait(want, seen, memory, after, now)
    after = look(after, seen, now)
    after, answer, ordered = give(want, seen, after, now)
    after, because = _advance(want, seen, scale.retire_replicas(after, seen, now), now)
    after = scale.retire(after, spec, now)
    after = scale.acknowledge(scale.retire_replicas(after, seen, now), seen, now)
    after = replace(after, releases=tuple(known for known in after.releases if not _gone(known, seen)))
    plan = _plan(want, seen, (memory, after), (*ordered, *because), now)
    return replace(plan, answer=answer)


def hear(memory: Memory, want: Want) -> Memory:
    """Take over a good spec; a broken or held one leaves the last good spec as it is."""
    if want.problems or want.held or want.spec is None:
        return memory
    return replace(memory, spec=want.spec, commit=want.commit)


def give(want: Want, seen: Seen, memory: Memory, now: datetime) -> tuple[Memory, Answer | None, Because]:
    """Carry out an order, or answer why not."""
    order = want.order
    if order is None:
        return memory, None, ()
    if order.kind == "retry" and memory.refused:
        because = (("Retried", f"ordered by {order.by or 'an operator'}"),)
        return replace(memory, refused=()), Answer(order.id, done=True, message=DONE["retry"]), because
    step, answer = obey(memory.phase, order, facts(want, seen, memory, now))
    if step is None:
        return memory, answer, ()
    return look(scale.enlist(_take(memory, step), asked(want, memory)), seen, now), answer, (step.because,)


def _take(memory: Memory, step: Step) -> Memory:
    refused = add(memory.refused, step.refusal) if step.refusal else memory.refused
    return replace(memory, phase=step.phase, refused=refused)


def _advance(want: Want, seen: Seen, memory: Memory, now: datetime) -> tuple[Memory, Because]:
    spec = asked(want, memory)
    because: list[tuple[str, str]] = []
    for _ in range(MOST_STEPS):
        memory = _promote(memory, spec, seen)
        step = advance(memory.phase, facts(want, seen, memory, now))
        because.append(step.because)
        if step.phase == memory.phase:
            return memory, tuple(because)
        memory = look(scale.enlist(_take(memory, step), spec), seen, now)
    return memory, tuple(because)


def _promote(memory: Memory, spec: EndpointSpec | None, seen: Seen) -> Memory:
    """Record promotions: what a settled split serves, and ready releases of deployments without live traffic."""
    promoted = dict(memory.promoted)
    if isinstance(memory.phase, Settled):
        promoted |= {release.split("@", 1)[0]: release for release, _ in memory.phase.split}
    target = set(dict(target_split(spec)))
    known = {release.split("@", 1)[0] for release in releases_of(memory.phase) | target}
    live = {release.split("@", 1)[0] for release in served_of(memory.phase) | target}
    ready = scale.ready(memory, seen)
    for deployment in spec.deployments if spec else ():
        if deployment.name not in live and deployment.release.name in ready:
            promoted[deployment.name] = deployment.release.name
    names = {deployment.name for deployment in spec.deployments} if spec else set[str]()
    if isinstance(memory.phase, Settled) and memory.phase.split == target_split(spec):
        memory = replace(memory, mirror=mirror_target(spec))
    kept = {name: release for name, release in promoted.items() if name in names | known}
    return replace(memory, promoted=tuple(sorted(kept.items())))


def _gone(known: Known, seen: Seen) -> bool:
    return known.retiring is not None and known.ref.name not in (seen.releases or {})


def _wait(want: Want, seen: Seen, before: Memory, after: Memory, now: datetime) -> Plan:
    """Unknown is not empty: start what is missing, remove and shift nothing."""
    because = (("Unobserved", "the router or the runtime has not answered yet"),)
    starts = tuple(
        replace(action, want=replace(action.want, stop=frozenset()))
        for action in scale.size(after, seen, now)
        if isinstance(action, ApplyRelease)
    )
    found = words.conditions(want, after, seen, because, now)
    after = replace(after, conditions=found)
    return Plan(after, starts, found, now + UNKNOWN_LOOK, narrate(before, after, want, now), because=because)


def _plan(want: Want, seen: Seen, memories: tuple[Memory, Memory], because: Because, now: datetime) -> Plan:
    before, after = memories
    found = words.conditions(want, after, seen, because, now)
    after = _remember(want, seen, replace(after, conditions=found))
    actions = _actions(want, seen, after, now)
    events = narrate(before, after, want, now, because)
    if isinstance(after.phase, Removing) and not actions and not after.releases and after.phase.acknowledged:
        return Plan(None, (), found, events=events, because=because)
    soon = min((time for time in (_wake(after, now), wake(after, seen, now)) if time is not None), default=None)
    return Plan(after, actions, found, soon, events, examinations(after, seen, now), because=because)


def _remember(want: Want, seen: Seen, memory: Memory) -> Memory:
    """Keep the route about to be pushed, and the newest commit that was Ready."""
    ready = any(condition.type == "Ready" and condition.status == "True" for condition in memory.conditions)
    if ready:
        memory = replace(memory, applied=want.commit)
    if not _routed(want, memory):
        return replace(memory, route=None)
    return replace(memory, route=replace(project(memory, seen, want.auth), auth=NO_AUTH))


def _routed(want: Want, memory: Memory) -> bool:
    return asked(want, memory) is not None and not isinstance(memory.phase, Removing)


def _actions(want: Want, seen: Seen, memory: Memory, now: datetime) -> tuple[Action, ...]:
    """Replicas first, then the route, then what is left over: the order that drops no request."""
    sized = scale.size(memory, seen, now)
    applies = tuple(action for action in sized if isinstance(action, ApplyRelease))
    forgets = tuple(action for action in sized if isinstance(action, ForgetRelease))
    return (*applies, *_route(want, seen, memory), *forgets, *scale.strays(memory, seen))


def _route(want: Want, seen: Seen, memory: Memory) -> tuple[Action, ...]:
    present = seen.route.route if seen.route else None
    if not _routed(want, memory):
        return (DropRoute(memory.endpoint),) if present is not None else ()
    route = project(memory, seen, want.auth)
    return (PutRoute(route),) if present != route else ()


def _wake(memory: Memory, now: datetime) -> datetime | None:
    """While something that Envoy has let go of drains, look again soon."""
    leaving = [retiring for _, retiring in memory.retiring]
    leaving += [known.retiring for known in memory.releases if known.retiring]
    times = [
        max(now + DRAIN_LOOK, retiring.acknowledged + scale.QUIET) for retiring in leaving if retiring.acknowledged
    ]
    return min(times, default=None)
