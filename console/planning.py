"""What would change and why, computed by the same `decide` that changes it. Pure."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime

from console import shapes
from console.views import live_split, percent
from reconciler.conditions import assess
from reconciler.decide import decide, removal
from reconciler.plan import Plan, Seen, Want
from reconciler.state import Memory, Settled
from reconciler.target import target_split
from spec.catalog import DeploymentSpec, EndpointSpec
from spec.digest import digest
from spec.release import Recipe


def entry(want: Want, seen: Seen, memory: Memory, now: datetime) -> shapes.PlanEntry:
    """One endpoint's part of the plan: what is live against what `want` asks for."""
    plan = decide(want, seen, memory, now)
    target = None if removal(want) else (plan.memory.spec if plan.memory else None)
    present = {name for name, release in (seen.releases or {}).items() if release.wanted}
    asked = {found.release.name for found in target.deployments} if target else set[str]()
    changes = tuple(_changes(memory, seen, target))
    return shapes.PlanEntry(
        endpoint=memory.endpoint,
        action=_action(want, memory, plan, changes, settled=present == asked),
        changes=changes,
        releases=shapes.Releases(started=tuple(sorted(asked - present)), stopped=tuple(sorted(present - asked))),
        traffic=shapes.TrafficMove.model_validate(
            {"from": percent(live_split(memory, seen)), "to": percent(target_split(target))}
        ),
        failed=tuple(_failures(plan.memory or memory, seen, target)),
    )


def _failures(memory: Memory, seen: Seen, target: EndpointSpec | None) -> Iterator[shapes.Failure]:
    for deployment in target.deployments if target else ():
        health = assess(deployment, memory, seen)
        if health.failed:
            yield shapes.Failure(release=deployment.release.name, reason=health.reason, message=health.message)


def _action(
    want: Want, memory: Memory, plan: Plan, changes: tuple[shapes.Change, ...], *, settled: bool
) -> shapes.Action:
    if want.held:
        return "held"
    if removal(want):
        return "delete"
    if memory.spec is None or (memory.phase == Settled(()) and not memory.applied):
        return "create"
    return "none" if settled and not changes and not plan.actions else "update"


def _changes(memory: Memory, seen: Seen, target: EndpointSpec | None) -> Iterator[shapes.Change]:
    if target is None:
        if memory.spec is not None:
            yield _change("endpoint", memory.endpoint, None, "Git no longer asks for it")
        return
    yield from _endpoint_changes(memory.spec, target)
    split, wanted = live_split(memory, seen), target_split(target)
    if split != wanted:
        yield _change("traffic", percent(split), percent(wanted), "the traffic map of the endpoint")
    for deployment in target.deployments:
        yield from _deployment_changes(memory, seen, deployment)
    for name in sorted({name for name, _ in memory.promoted} - {found.name for found in target.deployments}):
        yield _change(f"deployment {name}", memory.promoted_release(name), None, "Git no longer asks for it")


def _endpoint_changes(live: EndpointSpec | None, target: EndpointSpec) -> Iterator[shapes.Change]:
    if live is None:
        return
    for name in ("auth_mode", "mirror_traffic", "public_network_access", "tags", "description"):
        was, to = getattr(live, name), getattr(target, name)
        if was != to:
            yield _change(name, _plain(was), _plain(to), "live at once")


def _deployment_changes(memory: Memory, seen: Seen, deployment: DeploymentSpec) -> Iterator[shapes.Change]:
    name, release = deployment.name, deployment.release.name
    live = memory.promoted_release(name)
    if live != release:
        yield _change(f"deployment {name}", live, release, _why(memory, live, deployment))
    running = (seen.releases or {}).get(release)
    if running is not None and running.wanted != deployment.instance_count:
        yield _change(f"{name} instance_count", running.wanted, deployment.instance_count, "live at once")


def _why(memory: Memory, live: str | None, deployment: DeploymentSpec) -> str:
    known = memory.known(live) if live else None
    if known is None:
        return "new deployment"
    changed = list(differences(known.recipe, deployment.recipe))
    return f"changed: {', '.join(changed)}" if changed else "new release"


def differences(was: Recipe, to: Recipe) -> Iterator[str]:
    """Names of the recipe's fields whose change makes another release."""
    for field in fields(Recipe):
        swapped = replace(was, **{field.name: getattr(to, field.name)})
        if digest(swapped) != digest(was):
            yield field.name


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, tuple) else value


def _change(what: str, was: object, to: object, why: str) -> shapes.Change:
    return shapes.Change.model_validate({"what": what, "from": was, "to": to, "why": why})
