"""What would change and why, computed by the same `decide` that changes it. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from console import plans
from console.differences import tell
from console.ladders import ladder
from console.shapes import ProblemShape
from console.views import live_split, percent
from reconciler import wants
from reconciler.conditions import assess
from reconciler.decide import decide
from reconciler.facts import removal
from reconciler.keeping import keep, remembered
from reconciler.plan import Plan, Seen, Want
from reconciler.refusals import active, against, shunned
from reconciler.removal import held
from reconciler.run import Refusal
from reconciler.split import Split
from reconciler.state import Known, Memory, Removing, Settled
from reconciler.target import target_split
from router.table import KeyAuth, TokenAuth
from spec.catalog import Catalog, DeploymentSpec, EndpointSpec, ScaleSettings
from spec.policy import RolloutPolicy

MOST_FORESEEN = 50
"""A ladder takes some milliseconds to foresee: it is told of so many endpoints that change, and not of more."""
MOST_EDITED = 100
"""More edited files than these are counted and not named."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a plan is of."""

    catalog: Catalog
    subject: plans.PlanSubject = field(default_factory=plans.PlanSubject)
    message: str = ""
    confirmed: frozenset[str] = frozenset()
    """Removals that need no further word."""


@dataclass(frozen=True, slots=True)
class Present:
    """One endpoint as it is: what is remembered, what is seen, and how its callers prove themselves."""

    memory: Memory
    seen: Seen
    auth: KeyAuth | TokenAuth


def names(catalog: Catalog, remembered: Collection[str]) -> list[str]:
    """Every endpoint that a plan speaks of, in order."""
    return sorted({*catalog.endpoints, *catalog.broken, *remembered})


def outline(
    desired: Desired, present: Mapping[str, Present], now: datetime, against: plans.Against = "live"
) -> plans.PlanShape:
    """The plan of everything in `desired`; `present` has each of `names`."""
    catalog = keep(desired.catalog, remembered({name: one.memory for name, one in present.items()}, {}))
    desired = replace(desired, catalog=catalog)
    waiting = held(
        [name for name, one in present.items() if _exists(one.memory)],
        catalog.endpoints.keys() | catalog.broken.keys(),
        catalog.max_removed_share,
        desired.confirmed,
        unreadable=bool(catalog.unattributed),
    )
    return plans.PlanShape(
        commit=catalog.commit,
        endpoints=tuple(_entries(desired, present, waiting, now)),
        problems=tuple(ProblemShape.of(problem) for problem in catalog.problems),
        subject=desired.subject,
        against=against,
    )


def _entries(
    desired: Desired, present: Mapping[str, Present], waiting: Mapping[str, str], now: datetime
) -> Iterator[plans.PlanEntry]:
    foreseen = 0
    for _, one in sorted(present.items()):
        want = wants.want(one.memory, desired.catalog, waiting, one.auth, desired.message)
        found = entry(want, one.seen, one.memory, now)
        if found.action in ("create", "update") and foreseen < MOST_FORESEEN:
            foreseen += 1
            found = found.model_copy(update={"rollout": ladder(want, one.seen, one.memory, now)})
        yield found


def _exists(memory: Memory) -> bool:
    return memory.spec is not None and not isinstance(memory.phase, Removing)


def entry(want: Want, seen: Seen, memory: Memory, now: datetime) -> plans.PlanEntry:
    """One endpoint's part of the plan: what is live against what `want` asks for."""
    plan = decide(want, seen, memory, now)
    target = None if removal(want) else (plan.memory.spec if plan.memory else None)
    going = _leaving(memory)
    present = {
        name: release.wanted
        for name, release in (seen.releases or {}).items()
        if release.wanted and name not in going
    }
    asked = _asked(memory, target)
    changes = tuple(_changes(memory, seen, target))
    return plans.PlanEntry(
        endpoint=memory.endpoint,
        action=_action(want, memory, changes, settled=present.keys() == asked.keys()),
        changes=changes,
        releases=plans.Releases(
            started=tuple(sorted(asked.keys() - present.keys())), stopped=tuple(sorted(present.keys() - asked.keys()))
        ),
        traffic=plans.TrafficMove.model_validate(
            {"from": percent(live_split(memory, seen)), "to": percent(target_split(target))}
        ),
        replicas=() if want.held or _refused(want, memory) else tuple(_replicas(present, asked)),
        failed=tuple(_failures(plan.memory or memory, seen, target)),
        problems=tuple(ProblemShape.of(problem) for problem in want.problems),
        waits=_waits(want, memory, plan),
    )


def _leaving(memory: Memory) -> frozenset[str]:
    """Releases that go by themselves: those that are draining, and those that a promotion keeps warm for a while."""
    watch = memory.phase.watch if isinstance(memory.phase, Settled) else None
    kept = (
        dict(watch.previous).keys() - dict(memory.phase.split).keys()
        if watch and isinstance(memory.phase, Settled)
        else set[str]()
    )
    return frozenset(kept) | {known.ref.name for known in memory.releases if known.retiring is not None}


def _asked(memory: Memory, target: EndpointSpec | None) -> dict[str, int]:
    """Replicas by release, without releases that were refused: those are not started."""
    if target is None:
        return {}
    shun = shunned(memory, target.policy)
    return {
        found.release.name: found.instance_count for found in target.deployments if found.release.name not in shun
    }


def _replicas(present: Mapping[str, int], asked: Mapping[str, int]) -> Iterator[plans.ReplicaMove]:
    for name in sorted(present.keys() | asked.keys()):
        was, to = present.get(name, 0), asked.get(name, 0)
        if was != to:
            yield plans.ReplicaMove.model_validate({"release": name, "from": was, "to": to})


def _waits(want: Want, memory: Memory, plan: Plan) -> str:
    """What a held change waits for, or a move that is under way already."""
    if want.held:
        return want.held
    if refused := _refused(want, memory):
        said = f"refused ({refused.reason}: {refused.message})"
        again = f"`headgate rollout retry {memory.endpoint}`"
        return f"{said}; not started again until another release or policy is asked for, or {again}"
    if isinstance(memory.phase, Settled) or not plan.because:
        return ""
    return f"a move is under way: {plan.because[-1][1]}"


def _refused(want: Want, memory: Memory) -> Refusal | None:
    """Why exactly what is asked for would not be started, if it was refused before."""
    if want.spec is None:
        return None
    wanted = target_split(want.spec)
    if isinstance(memory.phase, Settled) and memory.phase.split == wanted:
        return None
    return against(wanted, active(memory, want.spec.policy))


def _failures(memory: Memory, seen: Seen, target: EndpointSpec | None) -> Iterator[plans.Failure]:
    for deployment in target.deployments if target else ():
        health = assess(deployment, memory, seen)
        if health.failed:
            yield plans.Failure(release=deployment.release.name, reason=health.reason, message=health.message)


def _action(want: Want, memory: Memory, changes: tuple[plans.Change, ...], *, settled: bool) -> plans.Action:
    if want.problems:
        return "broken"
    if want.held or _refused(want, memory):
        return "held"
    if removal(want):
        return "delete"
    if memory.spec is None or (memory.phase == Settled(()) and not memory.applied):
        return "create"
    return "none" if settled and not changes else "update"


def _changes(memory: Memory, seen: Seen, target: EndpointSpec | None) -> Iterator[plans.Change]:
    if target is None:
        if memory.spec is not None:
            yield _change("endpoint", memory.endpoint, None, "Git no longer asks for it")
        return
    yield from _endpoint_changes(memory.spec, target)
    split, wanted = live_split(memory, seen), target_split(target)
    if split != wanted:
        yield _change("traffic", percent(split), percent(wanted), _why_moved(split, wanted))
    for deployment in target.deployments:
        yield from _deployment_changes(memory, seen, deployment)
    for name in sorted({name for name, _ in memory.promoted} - {found.name for found in target.deployments}):
        yield _change(f"deployment {name}", memory.promoted_release(name), None, "Git no longer asks for it")


def _why_moved(split: Split, wanted: Split) -> str:
    """The traffic map moves shares between deployments; a new release takes over its own deployment's."""
    same = _by_deployment(split) == _by_deployment(wanted)
    return "a new release takes its deployment's share" if same else "the traffic map of the endpoint"


def _by_deployment(split: Split) -> Counter[str]:
    shares = Counter[str]()
    for release, share in split:
        shares[release.partition("@")[0]] += share
    return shares


def _endpoint_changes(live: EndpointSpec | None, target: EndpointSpec) -> Iterator[plans.Change]:
    if live is None:
        return
    for name in ("auth_mode", "mirror_traffic", "public_network_access", "tags", "description"):
        was, to = getattr(live, name), getattr(target, name)
        if was != to:
            yield _change(name, _plain(was), _plain(to), "live at once")
    if live.policy != target.policy:
        differs = [one.name for one in fields(RolloutPolicy) if one.compare and _differs(live, target, one.name)]
        why = f"changed: {', '.join(differs)}; a move under way goes on under it, without a jump"
        yield _change("rollout policy", live.policy.name, target.policy.name, why)


def _differs(live: EndpointSpec, target: EndpointSpec, name: str) -> bool:
    return bool(getattr(live.policy, name) != getattr(target.policy, name))


def _deployment_changes(memory: Memory, seen: Seen, deployment: DeploymentSpec) -> Iterator[plans.Change]:
    name, release = deployment.name, deployment.release.name
    live = memory.promoted_release(name)
    if live != release:
        yield _release_change(memory, live, deployment)
    running = (seen.releases or {}).get(release)
    shun = shunned(memory, memory.spec.policy) if memory.spec else frozenset()
    if running is not None and running.wanted != deployment.instance_count and release not in shun:
        yield _change(f"{name} instance_count", running.wanted, deployment.instance_count, "live at once")
    before = memory.spec.deployment(name) if memory.spec else None
    for field_name in ("max_queue_wait_ms", "scale_settings", "tags", "description") if before else ():
        was, to = getattr(before, field_name), getattr(deployment, field_name)
        if was != to:
            yield _change(f"{name} {field_name}", _plain(was), _plain(to), "live at once")
    was_asked = before.checks.digest if before and before.checks else None
    is_asked = deployment.checks.digest if deployment.checks else None
    if before and was_asked != is_asked:
        yield _change(f"{name} checks", was_asked, is_asked, "asked of the next release")


def _release_change(memory: Memory, live: str | None, deployment: DeploymentSpec) -> plans.Change:
    known = memory.known(live) if live else None
    fields = tuple(_fields(known, deployment)) if known else ()
    changed = list(dict.fromkeys(found.field.partition(".")[0] for found in fields))
    why = f"changed: {', '.join(changed)}" if changed else "new release" if known else "new deployment"
    change = _change(f"deployment {deployment.name}", live, deployment.release.name, why)
    return change.model_copy(update={"fields": fields})


def _fields(known: Known, deployment: DeploymentSpec) -> Iterator[plans.FieldChange]:
    for name, was, to in tell(known.recipe, deployment.recipe):
        yield plans.FieldChange.model_validate({"field": name, "from": was, "to": to})


def _plain(value: object) -> object:
    match value:
        case tuple():
            return dict(value)
        case None | str() | bool() | int():
            return value
        case ScaleSettings():
            return f"{value.type}, {value.min_instances} to {value.max_instances}"
        case _:
            return str(value)


def _change(what: str, was: object, to: object, why: str) -> plans.Change:
    return plans.Change.model_validate({"what": what, "from": was, "to": to, "why": why})
