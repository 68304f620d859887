"""How many replicas each release should have, and which ones leave."""

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler import ladder
from reconciler.plan import ApplyRelease, ForgetRelease, Seen
from reconciler.refusals import shunned
from reconciler.split import split_at
from reconciler.state import Known, Memory, Retiring, Reverting, Settled, releases_of, run_of
from router.table import EndpointRoute
from runtime.replica import ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from spec.catalog import DeploymentSpec, EndpointSpec
from spec.release import ReleaseRef

QUIET = timedelta(milliseconds=250)
"""From Envoy's acknowledgement until its workers have certainly stopped choosing a draining replica."""


def enlist(memory: Memory, spec: EndpointSpec | None) -> Memory:
    """Know every release that Git asks for, with its size; releases nobody needs begin to retire."""
    known = {release.ref.name: release for release in memory.releases}
    shun = shunned(memory, spec.policy) if spec else frozenset()
    for deployment in spec.deployments if spec else ():
        if deployment.release.name not in shun or deployment.release.name in known:
            known[deployment.release.name] = _asked(known.get(deployment.release.name), deployment, memory)
    resized = (_resize(release, memory, spec) for release in known.values())
    return replace(memory, releases=tuple(sorted(resized, key=lambda release: release.ref.name)))


def _asked(known: Known | None, deployment: DeploymentSpec, memory: Memory) -> Known:
    count = deployment.instance_count if known is None or _grows(known, memory) else known.count
    return Known(
        ref=deployment.release,
        recipe=known.recipe if known else deployment.recipe,
        count=count,
        max_queue_wait_ms=deployment.max_queue_wait_ms,
        retiring=known.retiring if known else None,
    )


def _resize(known: Known, memory: Memory, spec: EndpointSpec | None) -> Known:
    """A release's size; an older one of its deployment grows with it at once, and shrinks only by leaving."""
    deployment = spec.deployment(known.ref.deployment) if spec else None
    if deployment is None:
        return known
    count = surge(known.ref.name, deployment.instance_count, memory)
    if deployment.release == known.ref:
        return known if count is None else replace(known, count=count)
    kept = max(known.count, deployment.instance_count) if _grows(known, memory) else known.count
    return replace(known, count=kept if count is None else count, max_queue_wait_ms=deployment.max_queue_wait_ms)


def surge(release: str, count: int, memory: Memory) -> int | None:
    """How many replicas a release of a proportional move has; None: as many as always.

    The candidate is sized for the share that comes next, and what it replaces only for the share that Envoy has
    acknowledged, so that neither is ever short. Only two releases of one deployment trade replicas.
    """
    run = run_of(memory.phase)
    if run is None or run.policy.surge != "proportional" or run.straight:
        return None
    source, target = dict(run.source), dict(run.target)
    deployment = release.split("@", 1)[0]
    if release in target and release not in source and _has_other(source, deployment):
        ahead = ladder.next_weight(run) if not run.begun else run.sized
        share = dict(split_at(run.source, run.target, ahead)).get(release, 0)
        return max(1, -(-count * share // target[release]))
    if release in source and release not in target and _has_other(target, deployment):
        behind = min(run.carried, run.fraction)
        share = dict(split_at(run.source, run.target, behind)).get(release, 0)
        return max(1, -(-count * share // source[release]))
    return None


def _has_other(split: dict[str, int], deployment: str) -> bool:
    return any(name.split("@", 1)[0] == deployment for name in split)


def _grows(known: Known, memory: Memory) -> bool:
    """Whether an older release grows with its deployment: one that is left, or small and only warm, does not."""
    name = known.ref.name
    run = run_of(memory.phase)
    match memory.phase:
        case _ if run is not None and run.watch is not None and run.watch.policy.surge == "proportional":
            return name not in dict(run.watch.previous)
        case Reverting(source=source):
            return name in dict(source) or name in dict(memory.promoted).values()
        case Settled(watch=watch) if watch is not None and watch.policy.surge == "proportional":
            return name not in dict(watch.previous)
        case _:
            return True


def needed(memory: Memory, spec: EndpointSpec | None) -> frozenset[str]:
    """Releases that must have replicas: asked for, moving, or the last promoted of a deployment that Git has."""
    asked = {deployment.release.name for deployment in spec.deployments} if spec else set[str]()
    names = {deployment.name for deployment in spec.deployments} if spec else set[str]()
    promoted = {release for deployment, release in memory.promoted if deployment in names}
    shun = shunned(memory, spec.policy) if spec else frozenset()
    return frozenset((asked - shun) | promoted) | releases_of(memory.phase)


def retire(memory: Memory, spec: EndpointSpec | None, now: datetime) -> Memory:
    """Mark releases that nobody needs as leaving, and take back those that are needed again."""
    wanted = needed(memory, spec)

    def mark(known: Known) -> Known:
        if known.ref.name in wanted:
            return replace(known, retiring=None)
        return known if known.retiring else replace(known, retiring=Retiring(now))

    return replace(memory, releases=tuple(mark(known) for known in memory.releases))


def retire_replicas(memory: Memory, seen: Seen, now: datetime) -> Memory:
    """Choose surplus replicas of each release to leave; forget those that are gone or needed after all."""
    if seen.releases is None:
        return memory
    before = dict(memory.retiring)
    chosen: dict[str, Retiring] = {}
    for known in memory.releases:
        release = seen.releases.get(known.ref.name)
        if release is None or known.retiring is not None:
            continue
        surplus = len(release.replicas) - known.count
        order = sorted(release.replicas, key=lambda replica: (replica.id not in before, _worth(replica), replica.id))
        for replica in order[: max(0, surplus)]:
            chosen[replica.id] = before.get(replica.id, Retiring(now))
    return replace(memory, retiring=tuple(sorted(chosen.items())))


def _worth(replica: ReplicaSeen) -> int:
    """Replicas that serve nobody leave first."""
    return 1 if replica.state is ReplicaState.READY else 0


def acknowledge(memory: Memory, seen: Seen, now: datetime) -> Memory:
    """Note which leaving releases and replicas Envoy has confirmed to send nothing new to."""
    route = seen.route.route if seen.route and seen.route.settled else None
    confirmed = seen.route is not None and seen.route.settled
    if not confirmed:
        return memory
    replicas = {replica.id: replica for release in (seen.releases or {}).values() for replica in release.replicas}

    def single(replica_id: str, retiring: Retiring) -> Retiring:
        replica = replicas.get(replica_id)
        if retiring.acknowledged or (replica and _receives(replica, route)):
            return retiring
        return replace(retiring, acknowledged=now)

    def whole(known: Known) -> Known:
        if known.retiring is None or known.retiring.acknowledged or _named(known, route):
            return known
        return replace(known, retiring=replace(known.retiring, acknowledged=now))

    return replace(
        memory,
        retiring=tuple((name, single(name, retiring)) for name, retiring in memory.retiring),
        releases=tuple(whole(known) for known in memory.releases),
    )


def _receives(replica: ReplicaSeen, route: EndpointRoute | None) -> bool:
    hosts = (host for backend in (route.backends if route else ()) for host in backend.hosts)
    return any((host.address, host.port) == (replica.address, replica.port) and not host.draining for host in hosts)


def _named(known: Known, route: EndpointRoute | None) -> bool:
    """Whether any request can still reach the release: by split, header, mirror, or a host that is not draining."""
    if route is None:
        return False
    name = known.ref.name
    in_use = name in dict(route.split) or name in dict(route.pinned).values()
    mirrored = route.mirror is not None and route.mirror[0] == name
    open_hosts = any(
        not host.draining for backend in route.backends if backend.release == name for host in backend.hosts
    )
    return in_use or mirrored or open_hosts


def size(memory: Memory, seen: Seen, now: datetime) -> tuple[ApplyRelease | ForgetRelease, ...]:
    """The runtime's actions: the difference between what each release should have and what is seen."""
    if seen.releases is None:
        return ()
    actions: list[ApplyRelease | ForgetRelease] = []
    for known in memory.releases:
        release = seen.releases.get(known.ref.name)
        if known.retiring is None:
            actions += _apply(known, release, memory, seen, now)
        elif release is not None and _drained(known, release, seen, now):
            actions.append(ForgetRelease(known.ref))
    return tuple(actions)


def strays(memory: Memory, seen: Seen) -> tuple[ForgetRelease, ...]:
    """Releases that run and that nobody remembers, unless a route still reaches them."""
    if seen.releases is None or seen.route is None:
        return ()
    known = {release.ref.name for release in memory.releases}
    routed = {backend.release for backend in seen.route.route.backends} if seen.route.route else set[str]()
    lost = sorted(set(seen.releases) - known - routed)
    return tuple(ForgetRelease(ReleaseRef(memory.endpoint, *name.split("@", 1))) for name in lost)


def _apply(
    known: Known, release: ReleaseSeen | None, memory: Memory, seen: Seen, now: datetime
) -> list[ApplyRelease | ForgetRelease]:
    stop = frozenset(
        replica.id
        for replica in (release.replicas if release else ())
        if replica.state is not ReplicaState.STOPPING and _quiet(replica, dict(memory.retiring), known, seen, now)
    )
    if release is not None and release.wanted == known.count and not stop:
        return []
    return [ApplyRelease(ReleaseWant(known.ref, known.recipe, known.count, stop))]


def _quiet(replica: ReplicaSeen, retiring: dict[str, Retiring], known: Known, seen: Seen, now: datetime) -> bool:
    leaving = retiring.get(replica.id)
    return leaving is not None and _ended(leaving, (replica,), known, seen, now)


def _drained(known: Known, release: ReleaseSeen, seen: Seen, now: datetime) -> bool:
    return known.retiring is not None and _ended(known.retiring, release.replicas, known, seen, now)


def _ended(retiring: Retiring, replicas: tuple[ReplicaSeen, ...], known: Known, seen: Seen, now: datetime) -> bool:
    """Whether no request is in flight, or the longest one that may be is over."""
    if retiring.acknowledged is None or now < retiring.acknowledged + QUIET:
        return False
    if now >= retiring.acknowledged + longest(known):
        return True
    return not any(seen.in_flight.get((replica.address, replica.port), 0) for replica in replicas)


def longest(known: Known) -> timedelta:
    """How long a request to this release may be in progress: its queueing, its scoring, and a little more."""
    return timedelta(milliseconds=known.recipe.request_timeout_ms + known.max_queue_wait_ms) + QUIET


def ready(memory: Memory, seen: Seen) -> frozenset[str]:
    """Releases that are prepared and have all their replicas ready."""
    releases = seen.releases or {}
    return frozenset(
        known.ref.name
        for known in memory.releases
        if (release := releases.get(known.ref.name)) is not None
        and release.preparation.stage is Stage.PREPARED
        and len(release.ready) >= max(1, known.count)
    )
