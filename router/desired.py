"""What every Envoy should have: all resources, the generation of each endpoint's route, and what is to go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from router import names
from router.filters import tokens
from router.resources import Bundle, Resource, bundle, encode
from router.settings import MAX_REQUEST_BYTES
from router.table import EndpointRoute

Change = tuple[str, str]
"""Type URL and name of a resource that was added, changed or removed."""

_TOKENS: Final = (names.EXTENSION, names.JWT_FILTER)


@dataclass(frozen=True, slots=True)
class Entry:
    """One endpoint: its route as last pushed (None: dropped), encoded."""

    generation: int
    route: EndpointRoute | None = None
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True)
class _Retiring:
    """A cluster that no route needs any more."""

    linger_s: float
    due: float | None = None
    """When it may go; None: Envoy has not yet confirmed that its route is out."""


@dataclass(slots=True)
class Desired:
    """The whole table. `changed` collects what streams have not looked at yet."""

    by_host: bool = False
    """Whether endpoints are reached by host name too."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    entries: dict[str, Entry] = field(default_factory=dict)
    changed: set[Change] = field(default_factory=set)
    _resources: dict[Change, Resource] = field(default_factory=dict)
    _by_type: dict[str, set[str]] = field(default_factory=dict)
    _retiring: dict[str, _Retiring] = field(default_factory=dict)
    _audiences: set[str] = field(default_factory=set)
    _jwks: tuple[str, str] = ("", "")
    _tokens_stale: bool = True

    def put(self, route: EndpointRoute) -> bool:
        """Make this the endpoint's route as a new generation; return False, and do nothing, if it is already."""
        entry = self.entries.get(route.endpoint, Entry(0))
        if entry.route == route:
            return False
        before = (entry.route, entry.bundle) if entry.route and entry.bundle else None
        after = bundle(route, before, by_host=self.by_host, max_request_bytes=self.max_request_bytes)
        self.entries[route.endpoint] = Entry(entry.generation + 1, route, after)
        self._retire(entry.bundle, keep=after.clusters)
        for resource in (*after.scopes.values(), *after.clusters.values(), *after.assignments.values()):
            self.set(resource)
        self._require(after.audience)
        return True

    def drop(self, endpoint: str) -> bool:
        """Take the endpoint's route out as a new generation; return False, and do nothing, if it is out already."""
        entry = self.entries.get(endpoint)
        if entry is None or entry.route is None:
            return False
        self.entries[endpoint] = Entry(entry.generation + 1)
        for scope in names.scope_names(endpoint):
            self._remove(names.SCOPE, scope)
        self._retire(entry.bundle, keep={})
        return True

    def set(self, resource: Resource) -> None:
        """Want this resource, whatever was wanted under its name before."""
        key = (resource.type_url, resource.name)
        if resource.type_url == names.CLUSTER:
            self._retiring.pop(resource.name, None)
        if key in self._resources and self._resources[key].version == resource.version:
            return
        self._resources[key] = resource
        self._by_type.setdefault(resource.type_url, set()).add(resource.name)
        self.changed.add(key)

    def set_keys(self, jwks: str, issuer: str) -> None:
        """Check tokens against these public keys (a JWKS as JSON)."""
        if (jwks, issuer) != self._jwks:
            self._jwks = (jwks, issuer)
            self._stale_tokens()

    def get(self, type_url: str, name: str) -> Resource | None:
        """The resource that Envoy should have under this name, or None."""
        if self._tokens_stale and (type_url, name) == _TOKENS:
            self._tokens_stale = False
            jwks, issuer = self._jwks
            self.set(encode(*_TOKENS, tokens(jwks, issuer, sorted(self._audiences))))
        return self._resources.get((type_url, name))

    def version(self, type_url: str, name: str) -> str | None:
        """The version that Envoy should have, or None."""
        resource = self.get(type_url, name)
        return resource.version if resource else None

    def names_of(self, type_url: str) -> frozenset[str]:
        """All names wanted of one type."""
        return frozenset(self._by_type.get(type_url, ()))

    def confirmed(self, endpoint: str, now: float) -> None:
        """Start the clock of clusters that the endpoint's route, as every Envoy now has it, no longer needs."""
        for name, leaving in self._retiring.items():
            if leaving.due is None and names.endpoint_of(name) == endpoint:
                self._retiring[name] = replace(leaving, due=now + leaving.linger_s)

    def expire(self, now: float) -> None:
        """Remove the clusters whose time has come, and token requirements that no route refers to."""
        gone = [name for name, leaving in self._retiring.items() if leaving.due is not None and leaving.due <= now]
        for name in gone:
            del self._retiring[name]
            self._remove(names.CLUSTER, name)
            self._remove(names.ASSIGNMENT, name)
        if gone:
            self._release_tokens()

    def next_due(self) -> float | None:
        """When `expire` has something to do; None: not before the next change."""
        return min((leaving.due for leaving in self._retiring.values() if leaving.due is not None), default=None)

    def _retire(self, old: Bundle | None, keep: Mapping[str, object]) -> None:
        if old is None:
            return
        for name, linger_ms in old.linger_ms.items():
            if name not in keep:
                self._retiring[name] = _Retiring(linger_ms / 1000)

    def _remove(self, type_url: str, name: str) -> None:
        if self._resources.pop((type_url, name), None) is not None:
            self._by_type[type_url].discard(name)
            self.changed.add((type_url, name))

    def _require(self, audience: str | None) -> None:
        if audience is not None and audience not in self._audiences:
            self._audiences.add(audience)
            self._stale_tokens()

    def _release_tokens(self) -> None:
        used = {entry.bundle.audience for entry in self.entries.values() if entry.bundle}
        kept = {audience for audience in self._audiences if audience in used}
        if kept != self._audiences:
            self._audiences = kept
            self._stale_tokens()

    def _stale_tokens(self) -> None:
        self._tokens_stale = True
        self.changed.add(_TOKENS)
