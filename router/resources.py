"""Route tables and settings as encoded xDS resources: content, and a version that is its hash. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from router import names
from router.clusters import assignment, cluster
from router.messages import TYPE_PREFIX, build, message
from router.routes import scopes
from router.settings import MAX_REQUEST_BYTES
from router.shield import shield_cluster, shielded, shields
from router.table import Backend, EndpointRoute, TokenAuth


@dataclass(frozen=True, slots=True)
class Resource:
    """One named resource as Envoy gets it."""

    type_url: str
    name: str
    version: str
    """The first 16 hex digits of the content's SHA-256."""
    body: bytes = field(repr=False)
    """The serialised `envoy.service.discovery.v3.Resource`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All resources of one endpoint."""

    scopes: Mapping[str, Resource]
    clusters: Mapping[str, Resource]
    assignments: Mapping[str, Resource]
    """By cluster name; a cluster that is made of others has none."""
    audience: str | None
    """The token requirement that the scope refers to."""
    linger_ms: Mapping[str, int]
    """How long a cluster's requests may last, by cluster name."""


def encode(type_url: str, name: str, fields: Mapping[str, Any]) -> Resource:
    """Serialise one resource. Raises `ValueError` for a field that its message lacks."""
    content = build(type_url.removeprefix(TYPE_PREFIX), fields).SerializeToString(deterministic=True)
    version = hashlib.sha256(content).hexdigest()[:16]
    wrapped = message("envoy.service.discovery.v3.Resource")(
        name=name, version=version, resource={"type_url": type_url, "value": content}
    )
    return Resource(type_url, name, version, wrapped.SerializeToString())


def bundle(
    route: EndpointRoute,
    before: tuple[EndpointRoute, Bundle] | None = None,
    *,
    by_host: bool = False,
    max_request_bytes: int = MAX_REQUEST_BYTES,
) -> Bundle:
    """Encode an endpoint's route; what equals the route `before` is taken from there."""
    old = _Known.of(before)
    backends, covers = _clusters_of(route), dict(shields(route))
    linger_ms = {name: backend.timeout_ms + backend.max_queue_wait_ms for name, backend in backends.items()}
    linger_ms |= {name: sum(linger_ms[member] for member in members) for name, members in covers.items()}
    described = {name: shield_cluster(name, members, max_request_bytes) for name, members in covers.items()}
    return Bundle(
        scopes={
            name: encode(names.SCOPE, name, fields)
            for name, fields in scopes(route, by_host=by_host, max_request_bytes=max_request_bytes).items()
        },
        clusters={name: old.cluster(name, backend) for name, backend in backends.items()}
        | {name: encode(names.CLUSTER, name, fields) for name, fields in described.items()},
        assignments={name: old.assignment(name, backend) for name, backend in backends.items()},
        audience=route.auth.audience if isinstance(route.auth, TokenAuth) else None,
        linger_ms=linger_ms,
    )


def _clusters_of(route: EndpointRoute) -> dict[str, Backend]:
    """Every cluster that has replicas: one for each release, a further one for mirrored or shielded requests."""
    releases = {backend.release: backend for backend in route.backends}
    found = {names.cluster_name(route.endpoint, release): backend for release, backend in releases.items()}
    if route.mirror is not None:
        found[names.mirror_name(route.endpoint, route.mirror[0])] = releases[route.mirror[0]]
    return found | {names.trial_name(route.endpoint, release): releases[release] for release in shielded(route)}


@dataclass(frozen=True, slots=True)
class _Known:
    """What need not be encoded again."""

    backends: Mapping[str, Backend]
    bundle: Bundle | None

    @classmethod
    def of(cls, before: tuple[EndpointRoute, Bundle] | None) -> "_Known":
        if before is None:
            return cls({}, None)
        route, encoded = before
        return cls({backend.release: backend for backend in route.backends}, encoded)

    def cluster(self, name: str, backend: Backend) -> Resource:
        old = self.backends.get(backend.release)
        if self.bundle is not None and name in self.bundle.clusters and _same_limits(old, backend):
            return self.bundle.clusters[name]
        fields = cluster(name, backend, unlimited=name.endswith(names.TRIAL))
        return encode(names.CLUSTER, name, fields)

    def assignment(self, name: str, backend: Backend) -> Resource:
        old = self.backends.get(backend.release)
        if self.bundle is not None and name in self.bundle.assignments and old and old.hosts == backend.hosts:
            return self.bundle.assignments[name]
        return encode(names.ASSIGNMENT, name, assignment(name, backend))


def _same_limits(old: Backend | None, new: Backend) -> bool:
    """Whether both make the same cluster: its limits depend on how many replicas there are, not on which."""
    if old is None:
        return False
    before = (old.timeout_ms, old.max_concurrent, len(old.hosts))
    return before == (new.timeout_ms, new.max_concurrent, len(new.hosts))
