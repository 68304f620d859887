"""What the router should show of an endpoint now: memory and observation to a route."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.plan import Seen
from reconciler.state import Known, Memory, Shifting, Split, split_of
from reconciler.target import mirror_target
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth, TokenAuth
from runtime.replica import ReleaseSeen, ReplicaSeen, ReplicaState
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
    return EndpointRoute(
        endpoint=memory.endpoint,
        auth=auth,
        backends=backends,
        split=tuple((release, share) for release, share in split if release in named),
        pinned=tuple((deployment, release) for deployment, release in _pins(memory) if release in named),
        mirror=_mirror(memory, split, live),
    )


def serves_alike(one: EndpointRoute, other: EndpointRoute) -> bool:
    """Whether two routes answer new requests alike: they may differ in replicas that only drain."""
    return _reached(one) == _reached(other)


def _reached(route: EndpointRoute) -> EndpointRoute:
    """The route without draining replicas and without releases that no request is sent to."""
    names = {*dict(route.split), *dict(route.pinned).values(), *((route.mirror[0],) if route.mirror else ())}
    backends = (
        replace(backend, hosts=tuple(host for host in backend.hosts if not host.draining))
        for backend in route.backends
        if backend.release in names
    )
    return replace(route, backends=tuple(backends))


def _pins(memory: Memory) -> tuple[tuple[str, str], ...]:
    """A release that takes over its deployment's share takes over its header in the same push."""
    if not isinstance(memory.phase, Shifting):
        return memory.promoted
    taken = {release.split("@", 1)[0]: release for release, _ in memory.phase.target}
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


def scale_to_total(shares: Mapping[str, int]) -> Split:
    """Scale positive shares to total 10 000 by largest remainder; ties go to the first name."""
    whole = sum(shares.values())
    floors = {release: share * TOTAL // whole for release, share in shares.items()}
    remainders = sorted(shares, key=lambda release: (-(shares[release] * TOTAL % whole), release))
    for release in remainders[: TOTAL - sum(floors.values())]:
        floors[release] += 1
    return tuple(sorted(floors.items()))


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
    mirror = mirror_target(memory.spec)
    if mirror is None or not split:
        return None
    release = memory.promoted_release(mirror[0])
    if release is None or release not in live or release in dict(split):
        return None
    return (release, mirror[1])
