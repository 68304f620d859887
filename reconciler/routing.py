"""What the router should show of an endpoint now: memory and observation to a route."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler import ladder
from reconciler.plan import Seen
from reconciler.refusals import against
from reconciler.run import Run, Watch
from reconciler.split import Split, scale_to_total
from reconciler.state import Known, Memory, Paused, Reverting, Settled, Shifting, run_of, split_of, trial_of
from reconciler.target import mirror_target, target_split
from router.table import Backend, EndpointRoute, Host, KeyAuth, Stickiness, TokenAuth
from runtime.replica import ReleaseSeen, ReplicaSeen, ReplicaState
from spec.policy import Mirror, Preview, RolloutPolicy
from spec.release import Recipe, Server

ROUTABLE = frozenset({ReplicaState.READY, ReplicaState.STOPPING})
CONTAINER_PATHS = ("/score", "/swagger.json", "/")


def project(memory: Memory, seen: Seen, auth: KeyAuth | TokenAuth) -> EndpointRoute:
    """The route that the present phase asks for, with the replicas that are ready."""
    releases = seen.releases or {}
    backends = tuple(
        backend
        for known in memory.releases
        if (backend := _backend(known, releases.get(known.ref.name), memory)) is not None
    )
    live = frozenset(backend.release for backend in backends if any(not host.draining for host in backend.hosts))
    named = frozenset(backend.release for backend in backends)
    split = serve(split_of(memory.phase), live)
    trial = tuple(release for release in _trial(memory) if release in named)
    return EndpointRoute(
        endpoint=memory.endpoint,
        auth=auth,
        backends=backends,
        split=tuple((release, share) for release, share in split if release in named),
        pinned=tuple((deployment, release) for deployment, release in _pins(memory) if release in named),
        mirror=_mirror(memory, split, live),
        trial=trial,
        shield=_shield(memory, trial, live),
        sticky=_sticky(memory),
        preview=_preview(memory, live),
    )


def serves_alike(one: EndpointRoute, other: EndpointRoute) -> bool:
    """Whether two routes answer new requests alike: they may differ in replicas that only drain."""
    return _reached(one) == _reached(other)


def _reached(route: EndpointRoute) -> EndpointRoute:
    """The route without draining replicas and without releases that no request is sent to."""
    others = (*((route.mirror[0],) if route.mirror else ()), *((route.preview[0],) if route.preview else ()))
    names = {*dict(route.split), *dict(route.pinned).values(), *others, *((route.shield,) if route.shield else ())}
    backends = (
        replace(backend, hosts=tuple(host for host in backend.hosts if not host.draining))
        for backend in route.backends
        if backend.release in names
    )
    return replace(route, backends=tuple(backends))


def _pins(memory: Memory) -> tuple[tuple[str, str], ...]:
    """A release that takes over its deployment's share takes over its header in the same push."""
    match memory.phase:
        case Shifting(run) | Paused(run) if run.is_whole:
            served = run.target
        case Reverting(source=source, carried=True):
            served = source
        case _:
            return memory.promoted
    taken = {release.split("@", 1)[0]: release for release, _ in served}
    return tuple(sorted((dict(memory.promoted) | taken).items()))


def serve(split: Split, live: frozenset[str]) -> Split:
    """The split while some of its releases have no replica: their share goes to those that have.

    With none left the split stays as it is, and the router answers that nobody is there. Shares of the
    releases that remain keep their proportion and total 10 000.
    """
    kept = {release: share for release, share in split if release in live}
    if not kept or len(kept) == len(split):
        return split
    return scale_to_total(kept)


def _trial(memory: Memory) -> tuple[str, ...]:
    """The releases that live requests are evidence on: those of a move under way, and those still watched."""
    trial = trial_of(memory.phase)
    match trial:
        case Run(source=source, policy=policy):
            tried = policy.strategy == "stepwise" and (policy.gates or policy.shield) and source
            return trial.candidates if tried else ()
        case Watch() if trial.policy.gates or trial.policy.shield:
            return trial.candidates(split_of(memory.phase))
        case _:
            return ()


def _policy(memory: Memory) -> RolloutPolicy | None:
    run = run_of(memory.phase) or _left(memory)
    if run is not None:
        return run.policy
    return memory.spec.policy if memory.spec else None


def _left(memory: Memory) -> Run | None:
    """The move that is left and still serves, while S is not ready to."""
    trial = trial_of(memory.phase)
    return trial if isinstance(trial, Run) else None


def _shield(memory: Memory, trial: tuple[str, ...], live: frozenset[str]) -> str:
    """The release that answers what one on trial fails: the largest of the former split that has replicas."""
    judged = trial_of(memory.phase)
    if judged is None:
        return ""
    former = judged.source if isinstance(judged, Run) else judged.previous
    proven = [(share, release) for release, share in former if release in live and release not in trial]
    return max(proven)[1] if proven and judged.policy.shield and trial else ""


def _sticky(memory: Memory) -> Stickiness | None:
    """Who stays where, also while nothing moves, so that a client's cookie is there before the next move."""
    policy, run = _policy(memory), run_of(memory.phase) or _left(memory)
    if policy is None or policy.sticky is None:
        return None
    sticky = policy.sticky
    source = run.source if run is not None else split_of(memory.phase)
    return Stickiness(sticky.cookie, sticky.header, sticky.ttl_s, source)


def _shown(memory: Memory) -> tuple[Run, Mirror | None, Preview | None] | None:
    """The mirror and preview of the present step, with its run."""
    if not isinstance(memory.phase, Shifting | Paused):
        return None
    return (memory.phase.run, *ladder.shown(memory.phase.run))


def _preview(memory: Memory, live: frozenset[str]) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    shown = _shown(memory)
    if shown is None or shown[2] is None:
        return None
    release = _largest(shown[0])
    return (release, shown[2].headers) if release in live else None


def _largest(run: Run) -> str:
    """The candidate that gains most."""
    before = dict(run.source)
    return max(run.candidates, key=lambda name: (dict(run.target)[name] - before.get(name, 0), name), default="")


def _backend(known: Known, release: ReleaseSeen | None, memory: Memory) -> Backend | None:
    retiring = dict(memory.retiring)
    hosts = tuple(
        sorted(
            Host(replica.address, replica.port, draining=known.retiring is not None or _leaving(replica, retiring))
            for replica in (release.replicas if release else ())
            if replica.state in ROUTABLE and replica.port
        )
    )
    if known.retiring is not None and not hosts:
        return None
    recipe = known.recipe
    return Backend(
        release=known.ref.name,
        deployment=known.ref.deployment,
        hosts=hosts,
        timeout_ms=recipe.request_timeout_ms,
        max_concurrent=recipe.max_concurrent_requests_per_instance,
        max_queue_wait_ms=known.max_queue_wait_ms,
        paths=_paths(recipe),
    )


def _leaving(replica: ReplicaSeen, retiring: Mapping[str, object]) -> bool:
    return replica.id in retiring or replica.state is ReplicaState.STOPPING


def _paths(recipe: Recipe) -> tuple[str, str, str]:
    config = recipe.environment.inference_config
    if recipe.server is Server.CONTAINER and config is not None:
        return (config.scoring_route.path, "/swagger.json", "/")
    return CONTAINER_PATHS


def _mirror(memory: Memory, split: Split, live: frozenset[str]) -> tuple[str, int] | None:
    shown = _shown(memory)
    if shown is not None and shown[1] is not None:
        release, percent = _largest(shown[0]), shown[1].percent
        return (release, percent) if release in live and release not in dict(split) else None
    mirror = mirrored(memory)
    if mirror is None or not split:
        return None
    promoted = memory.promoted_release(mirror[0])
    if promoted is None or promoted not in live or promoted in dict(split):
        return None
    return (promoted, mirror[1])


def mirrored(memory: Memory) -> tuple[str, int] | None:
    """Deployment and percent: as Git asks, or as before where the split that Git asks for is refused."""
    if isinstance(memory.phase, Settled) and against(target_split(memory.spec), memory.refused):
        return memory.mirror
    return mirror_target(memory.spec)
