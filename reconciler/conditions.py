"""What is true of an endpoint and its deployments, in Flux' and Azure's words."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from reconciler.plan import Seen, Want
from reconciler.refusals import active, against, shunned
from reconciler.routing import project, serves_alike
from reconciler.run import Refusal
from reconciler.split import describe
from reconciler.state import Condition, Memory, Removing, Reverting, Settled, split_of
from reconciler.target import target_split
from runtime.replica import Blame, ReleaseSeen, ReplicaState, Stage
from spec.catalog import DeploymentSpec

ProvisioningState = Literal["Creating", "Updating", "Succeeded", "Failed", "Deleting"]
FAILING = frozenset({"InitFailed", "CrashLoopBackOff", "OOMKilled", "ReadinessProbeFailed", "LivenessProbeFailed"})


@dataclass(frozen=True, slots=True)
class Health:
    """How one deployment does: `failed` means that waiting alone is not expected to help."""

    deployment: str
    ready: bool
    failed: bool
    reason: str
    message: str


def assess(deployment: DeploymentSpec, memory: Memory, seen: Seen) -> Health:
    """The state of the release that Git asks for in this deployment."""
    refusal = _refusal_of(deployment.release.name, memory)
    if refusal is not None:
        whom = deployment.release.name
        message = f"{whom} was refused: {refusal.told_of(whom)}"
        return Health(deployment.name, ready=False, failed=True, reason=refusal.reason, message=message)
    release = (seen.releases or {}).get(deployment.release.name)
    if release is None or release.preparation.stage is not Stage.PREPARED:
        return _unprepared(deployment, release)
    name = deployment.name
    failing = trouble(release)
    if failing:
        return Health(name, ready=False, failed=True, reason=failing[0], message=failing[1])
    if len(release.ready) < deployment.instance_count:
        message = f"{len(release.ready)} of {deployment.instance_count} replicas are ready"
        return Health(name, ready=False, failed=False, reason="ReplicasNotReady", message=message)
    if memory.promoted_release(name) != deployment.release.name:
        message = f"{deployment.release.name} is ready and not serving yet"
        return Health(name, ready=False, failed=False, reason="AwaitingPromotion", message=message)
    count = deployment.instance_count
    message = f"{count} replica{'s are' if count != 1 else ' is'} ready"
    return Health(name, ready=True, failed=False, reason="Serving", message=message)


def _refusal_of(release: str, memory: Memory) -> Refusal | None:
    """What keeps a release from being started, if it was refused, and traffic is not on its way back from it."""
    if memory.spec is None or isinstance(memory.phase, Reverting):
        return None
    if release not in shunned(memory, memory.spec.policy):
        return None
    found = (refusal for refusal in active(memory, memory.spec.policy) if release in refusal.guilty)
    return next(found, None)


def _unprepared(deployment: DeploymentSpec, release: ReleaseSeen | None) -> Health:
    name = deployment.name
    if release is None:
        message = f"{deployment.release.name} has not been started yet"
        return Health(name, ready=False, failed=False, reason="Pending", message=message)
    preparation = release.preparation
    if preparation.stage is Stage.FAILED:
        failed = preparation.blame is Blame.RELEASE
        return Health(name, ready=False, failed=failed, reason=preparation.reason, message=preparation.message)
    message = preparation.message or "artifacts and environment are being prepared"
    return Health(name, ready=False, failed=False, reason="Preparing", message=message)


def trouble(release: ReleaseSeen) -> tuple[str, str] | None:
    """Reason and message of a replica that ended at least twice for its own reasons, while too few are ready."""
    if len(release.ready) >= release.wanted:
        return None
    for replica in release.replicas:
        ended = replica.state is not ReplicaState.READY and replica.restarts >= 1
        if ended and replica.reason in FAILING:
            return replica.reason, f"replica {replica.id}: {replica.message or replica.reason}"
    return None


def conditions(
    want: Want, memory: Memory, seen: Seen, because: tuple[tuple[str, str], ...], now: datetime
) -> tuple[Condition, ...]:
    """Ready always; Reconciling, Stalled, ReplicaFailure and notes while they hold. `since` survives repetition."""
    ready = _ready(want, memory, seen, because)
    found = [_condition(*ready, want.commit)]
    if ready[1] == "Unknown":
        found.append(_condition("Reconciling", "True", "Progressing", ready[3], want.commit))
    if ready[1] == "False":
        found.append(_condition("Stalled", "True", ready[2], ready[3], want.commit))
    found += _replica_failures(memory, seen, want.commit)
    found += _notes(memory, seen, want.commit)
    return tuple(_since(condition, memory, now) for condition in found)


def _routed(want: Want, memory: Memory, seen: Seen) -> bool:
    """Whether Envoy confirmed a route that answers new requests as it should.

    What was confirmed for this commit stays so while only draining replicas or keys change.
    """
    if seen.route is None or seen.route.route is None:
        return False
    confirmed = any(
        (found.type, found.status, found.observed_commit) == ("Ready", "True", want.commit)
        for found in memory.conditions
    )
    shown = replace(seen.route.route, auth=want.auth) if confirmed else seen.route.route
    return serves_alike(shown, project(memory, seen, want.auth)) and (seen.route.settled or confirmed)


Verdict = tuple[str, Literal["True", "False", "Unknown"], str, str]


def _ready(want: Want, memory: Memory, seen: Seen, because: tuple[tuple[str, str], ...]) -> Verdict:
    if want.problems:
        more = f" (and {len(want.problems) - 1} more)" if len(want.problems) > 1 else ""
        meanwhile = "the last good spec goes on" if memory.spec else "nothing is served yet"
        return "Ready", "False", "InvalidSpec", f"{want.problems[0]}{more}; {meanwhile}"
    if want.held:
        return "Ready", "False", "RemovalHeld", want.held
    if isinstance(memory.phase, Removing):
        return "Ready", "Unknown", "Deleting", because[-1][1] if because else "the endpoint is being removed"
    if seen.route is None or seen.releases is None:
        return "Ready", "Unknown", "Unobserved", "the router or the runtime has not answered yet"
    if seen.route.rejected:
        return "Ready", "False", "RouteRejected", f"Envoy refused the route: {seen.route.rejected}"
    return _serving(memory, seen, because, routed=_routed(want, memory, seen))


def _serving(memory: Memory, seen: Seen, because: tuple[tuple[str, str], ...], *, routed: bool) -> Verdict:
    refusal = _refusal(memory)
    if refusal is not None:
        guilty = ", ".join(refusal.guilty) or "what Git asks for"
        message = (
            f"{guilty} was refused: {refusal.told_of(guilty)}; {describe(split_of(memory.phase))} goes on. {_REMEDY}"
        )
        return "Ready", "False", refusal.reason, message
    healths = [assess(deployment, memory, seen) for deployment in memory.spec.deployments] if memory.spec else []
    for health in healths:
        if health.failed:
            return "Ready", "False", health.reason, f"deployment {health.deployment}: {health.message}"
    for health in healths:
        if not health.ready and not (health.reason == "AwaitingPromotion" and because):
            return "Ready", "Unknown", health.reason, f"deployment {health.deployment}: {health.message}"
    if not isinstance(memory.phase, Settled) or memory.phase.split != target_split(memory.spec):
        reason, message = because[-1] if because else ("Progressing", "traffic is on its way")
        return "Ready", "Unknown", reason, message
    if not routed:
        return "Ready", "Unknown", "RouteChanging", "Envoy has not acknowledged the newest route yet"
    return "Ready", "True", "Serving", _summary(memory)


_REMEDY = "Commit a fix or `git revert`; `headgate rollout retry` tries it again"


def _refusal(memory: Memory) -> Refusal | None:
    """What stands against what Git asks for, once traffic has settled without it."""
    if memory.spec is None or not isinstance(memory.phase, Settled):
        return None
    asked = target_split(memory.spec)
    return against(asked, active(memory, memory.spec.policy)) if memory.phase.split != asked else None


def _summary(memory: Memory) -> str:
    spec = memory.spec
    if spec is None or not spec.deployments:
        return "the endpoint has no deployment yet"
    return ", ".join(f"{name} {percent}%" for name, percent in spec.traffic) or "no traffic is assigned"


def _replica_failures(memory: Memory, seen: Seen, commit: str) -> list[Condition]:
    found = []
    for known in memory.releases:
        release = (seen.releases or {}).get(known.ref.name)
        failing = trouble(release) if release else None
        if failing:
            message = f"{known.ref.name}: {failing[1]}"
            found.append(_condition("ReplicaFailure", "True", failing[0], message, commit))
    return found


def _notes(memory: Memory, seen: Seen, commit: str) -> list[Condition]:
    if memory.spec is None:
        return []
    notes: list[Condition] = []
    for deployment in memory.spec.deployments:
        release = (seen.releases or {}).get(deployment.release.name)
        written = [(note.reason, note.message) for note in deployment.notes]
        for reason, message in [*written, *(release.preparation.notes if release else ())]:
            notes.append(_condition(reason, "True", reason, f"deployment {deployment.name}: {message}", commit))
    return notes


def _condition(kind: str, status: Literal["True", "False", "Unknown"], *rest: str) -> Condition:
    reason, message, commit = rest
    return Condition(kind, status, reason, message, commit)


def _since(condition: Condition, memory: Memory, now: datetime) -> Condition:
    same = (
        before.since
        for before in memory.conditions
        if (before.type, before.status, before.reason) == (condition.type, condition.status, condition.reason)
    )
    return replace(condition, since=next(same, None) or now)


def provisioning_state(memory: Memory, found: tuple[Condition, ...]) -> ProvisioningState:
    """Azure's word for the endpoint as a whole."""
    if isinstance(memory.phase, Removing):
        return "Deleting"
    ready = next((condition.status for condition in found if condition.type == "Ready"), "Unknown")
    match ready:
        case "True":
            return "Succeeded"
        case "False":
            return "Failed"
        case _:
            return "Updating" if memory.applied else "Creating"


def deployment_state(health: Health, memory: Memory) -> ProvisioningState:
    """Azure's word for one deployment."""
    if health.failed:
        return "Failed"
    if health.ready:
        return "Succeeded"
    return "Updating" if memory.promoted_release(health.deployment) else "Creating"
