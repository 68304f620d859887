"""In which order one Envoy gets what it should have: make before break. Pure.

Clusters, then their replicas, then the scope that needs both, each confirmed before the next; a cluster goes only
when no scope on this Envoy needs it. Every step looks at what differs now, so order survives any interleaving.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from router.desired import Desired, Entry
from router.names import (
    ASSIGNMENT,
    CLUSTER,
    EXTENSION,
    JWT_FILTER,
    LISTENER,
    SCOPE,
    SECRET,
    endpoint_of,
    scope_names,
)
from router.resources import Resource
from router.subscription import Request, Subscription

LEFTOVER_S: Final = 300.0
"""How long a cluster from before this Headgate stays: Azure's longest request timeout."""
_AGAIN_S: Final = 0.2
_ATTEMPTS: Final = 3
_ORDER: Final = (CLUSTER, SECRET, EXTENSION, ASSIGNMENT, LISTENER, SCOPE)
_WILDCARD: Final = frozenset({CLUSTER, LISTENER, SCOPE})
_OF_ENDPOINTS: Final = frozenset({CLUSTER, ASSIGNMENT, SCOPE})


@dataclass(frozen=True, slots=True)
class Push:
    """One response to send."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(slots=True)
class Stream:
    """One Envoy's stream: what it has, and what there is to look at."""

    desired: Desired
    _subscriptions: dict[str, Subscription] = field(
        default_factory=lambda: {type_url: Subscription() for type_url in _ORDER}
    )
    _todo: dict[str, set[str]] = field(default_factory=lambda: {type_url: set() for type_url in _ORDER})
    _owed: set[str] = field(default_factory=set)
    """Wildcard types whose first request must be answered even if there is nothing to say."""
    _blocked: set[str] = field(default_factory=set)
    """Endpoints whose scopes wait for a cluster, its replicas or the token filter."""
    _leaving: dict[str, set[str]] = field(default_factory=dict)
    """Endpoint → clusters to be removed once its scope is settled."""
    _held: dict[str, float] = field(default_factory=dict)
    """Cluster from before this Headgate → when it may go."""
    _again: dict[str, float] = field(default_factory=dict)
    """Scope that was refused for want of a cluster → when to try again."""
    _attempts: dict[tuple[str, str | None], int] = field(default_factory=dict)
    _singly: set[tuple[str, str]] = field(default_factory=set)
    """What was refused in company, and so is pushed alone: a refusal names the response, not the resource."""
    _reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    _nonces: int = 0

    @property
    def live(self) -> bool:
        """Whether Envoy has said on this stream which routes it has."""
        return self._subscriptions[SCOPE].started

    def look_at(self, changes: Iterable[tuple[str, str]]) -> None:
        """Note resources that were added, changed or removed."""
        for type_url, name in changes:
            self._todo[type_url].add(name)

    def receive(self, request: Request, now: float) -> frozenset[str]:
        """Take in one request; return the endpoints about which something is newly known."""
        if request.type_url not in self._subscriptions:
            return frozenset()
        outcome = self._subscriptions[request.type_url].receive(request)
        todo = self._todo[request.type_url]
        todo |= outcome.subscribed
        if outcome.first:
            self._greet(request.type_url, now)
        self._refuse(request.type_url, outcome.rejected, outcome.reason, now)
        self._accept(request.type_url, outcome.accepted)
        if request.type_url not in _OF_ENDPOINTS:
            return frozenset()
        if outcome.first:
            return frozenset(self.desired.entries)
        return frozenset(endpoint_of(name) for name in outcome.accepted | outcome.rejected)

    def advance(self, now: float) -> list[Push]:
        """Return what can be sent now, in order; what must wait is looked at again when its reason may be gone."""
        self._wake(now)
        pushes = [*self._simple(CLUSTER, self._clusters(now))]
        pushes += self._simple(SECRET, self._plain(SECRET))
        pushes += self._simple(EXTENSION, self._plain(EXTENSION))
        pushes += self._simple(ASSIGNMENT, self._assignments())
        pushes += self._simple(LISTENER, self._plain(LISTENER))
        pushes += self._simple(SCOPE, self._first_scopes() if SCOPE in self._owed else self._scopes())
        return pushes

    def settled(self, endpoint: str) -> bool:
        """Whether this Envoy confirmed the endpoint's whole route, and nothing of it is on its way."""
        entry = self.desired.entries.get(endpoint, Entry(0))
        if not self._settled_scopes(endpoint):
            return False
        return entry.bundle is None or all(self._settled_cluster(name) for name in entry.bundle.clusters)

    def rejection(self, endpoint: str) -> str | None:
        """Why this Envoy refuses the endpoint's route; None: it does not."""
        entry = self.desired.entries.get(endpoint, Entry(0))
        clusters = entry.bundle.clusters if entry.bundle else ()
        scopes = ((SCOPE, name) for name in scope_names(endpoint))
        keys = [*scopes, *((kind, name) for name in clusters for kind in (CLUSTER, ASSIGNMENT))]
        for kind, name in keys:
            refused = self._subscriptions[kind].refused
            if name in refused and refused[name] == self.desired.version(kind, name) and name not in self._again:
                return self._reasons.get((kind, name), "Envoy gave no reason")
        return None

    def resend(self, type_url: str, name: str) -> None:
        """Assume that Envoy has something else under this name, and look at it again."""
        self._subscriptions[type_url].suspect(name)
        self._todo[type_url].add(name)

    def next_due(self) -> float | None:
        """When `advance` has something to do without a request; None: not before."""
        return min((*self._held.values(), *self._again.values()), default=None)

    def _greet(self, type_url: str, now: float) -> None:
        """Look at all that Envoy has or should have of a type that it asks for the first time."""
        subscription, wanted = self._subscriptions[type_url], self.desired.names_of(type_url)
        self._todo[type_url] |= wanted | subscription.known.keys() if subscription.wildcard else subscription.names
        if type_url in _WILDCARD and not subscription.known:
            self._owed.add(type_url)
        if type_url == CLUSTER:
            self._held = {name: now + LEFTOVER_S for name in subscription.known if name not in wanted}
        if type_url == SCOPE:
            self._release(self._leaving)
        # Envoy names the types in any order, and what it already has is never pushed and so never confirmed.
        self._unblock(tuple(self._blocked))

    def _accept(self, type_url: str, accepted: frozenset[str]) -> None:
        for name in accepted:
            self._reasons.pop((type_url, name), None)
            self._singly.discard((type_url, name))
        match type_url:
            case _ if type_url == CLUSTER:
                self._unblock(endpoint_of(name) for name in accepted)
            case _ if type_url == ASSIGNMENT:
                self._unblock(endpoint_of(name) for name in accepted)
            case _ if type_url == EXTENSION:
                self._unblock(tuple(self._blocked))
            case _ if type_url == SCOPE:
                self._release(endpoint_of(name) for name in accepted)

    def _refuse(self, type_url: str, rejected: frozenset[str], reason: str, now: float) -> None:
        subscription = self._subscriptions[type_url]
        if len(rejected) > 1:
            for name in rejected:
                subscription.forgive(name)
                self._singly.add((type_url, name))
            self._todo[type_url] |= rejected
            return
        for name in rejected:
            self._reasons[type_url, name] = reason
            if type_url == CLUSTER:
                self._todo[ASSIGNMENT].add(name)
            if type_url == SCOPE and "unknown cluster" in reason:
                self._try_again(name, subscription.refused[name], now)

    def _try_again(self, scope: str, version: str | None, now: float) -> None:
        attempt = self._attempts.get((scope, version), 0) + 1
        if attempt < _ATTEMPTS:
            self._attempts[scope, version] = attempt
            self._again[scope] = now + _AGAIN_S

    def _wake(self, now: float) -> None:
        for name in [name for name, due in self._again.items() if due <= now]:
            del self._again[name]
            self._subscriptions[SCOPE].forgive(name)
            self._todo[SCOPE].add(name)
        for name in [name for name, due in self._held.items() if due <= now]:
            del self._held[name]
            self._todo[CLUSTER].add(name)

    def _unblock(self, endpoints: Iterable[str]) -> None:
        for endpoint in endpoints:
            if endpoint in self._blocked:
                self._blocked.discard(endpoint)
                self._todo[SCOPE].update(scope_names(endpoint))

    def _release(self, endpoints: Iterable[str]) -> None:
        for endpoint in tuple(endpoints):
            self._todo[CLUSTER] |= self._leaving.pop(endpoint, set())

    def _take(self, type_url: str) -> list[str]:
        """Return what there is to look at, in a stable order, and forget it."""
        if not self._subscriptions[type_url].started:
            return []
        taken, self._todo[type_url] = sorted(self._todo[type_url]), set()
        return taken

    def _clusters(self, now: float) -> Iterator[tuple[str, Resource | None]]:
        for name, resource in self._different(CLUSTER):
            if resource is None and not self._may_go(name, now):
                self._leaving.setdefault(endpoint_of(name), set()).add(name)
                continue
            yield name, resource

    def _may_go(self, cluster: str, now: float) -> bool:
        return self._held.get(cluster, now) <= now and self._settled_scopes(endpoint_of(cluster))

    def _plain(self, type_url: str) -> Iterator[tuple[str, Resource | None]]:
        for name, resource in self._different(type_url):
            if resource is not None or type_url == LISTENER:
                yield name, resource

    def _assignments(self) -> Iterator[tuple[str, Resource | None]]:
        """Replicas follow their cluster at once: Envoy confirms a cluster only when it knows its replicas."""
        for name, resource in self._different(ASSIGNMENT):
            if resource is not None:
                yield name, resource

    def _scopes(self) -> Iterator[tuple[str, Resource | None]]:
        for name, resource in self._different(SCOPE):
            if resource is not None and not self._reachable(endpoint_of(name)):
                self._blocked.add(endpoint_of(name))
                continue
            yield name, resource

    def _first_scopes(self) -> Iterator[tuple[str, Resource | None]]:
        """All at once or none yet: Envoy opens its port with the first answer, and knows no other endpoints then."""
        found = list(self._scopes())
        if self._complete(SCOPE):
            yield from found
        else:
            self._todo[SCOPE].update(name for name, _ in found)

    def _complete(self, type_url: str) -> bool:
        """Whether nothing of this type waits for what Envoy has not yet confirmed or refused."""
        if type_url != SCOPE or JWT_FILTER in self._subscriptions[EXTENSION].refused:
            return True
        return all(self._gone(each) or self._reachable(each) or self.rejection(each) for each in self._blocked)

    def _gone(self, endpoint: str) -> bool:
        return self.desired.entries.get(endpoint, Entry(0)).bundle is None

    def _different(self, type_url: str) -> Iterator[tuple[str, Resource | None]]:
        subscription = self._subscriptions[type_url]
        for name in self._take(type_url):
            resource = self.desired.get(type_url, name)
            version = resource.version if resource else None
            if subscription.wants(name) and subscription.differs(name, version):
                yield name, resource

    def _reachable(self, endpoint: str) -> bool:
        """Whether this Envoy has everything that the endpoint's scopes refer to."""
        bundle = self.desired.entries[endpoint].bundle
        if bundle is None or not all(self._settled_cluster(name) for name in bundle.clusters):
            return False
        tokens = self.desired.version(EXTENSION, JWT_FILTER)
        return bundle.audience is None or self._subscriptions[EXTENSION].settled(JWT_FILTER, tokens)

    def _settled_cluster(self, name: str) -> bool:
        return all(
            self._subscriptions[kind].settled(name, self.desired.version(kind, name))
            for kind in (CLUSTER, ASSIGNMENT)
        )

    def _settled_scopes(self, endpoint: str) -> bool:
        scopes = self._subscriptions[SCOPE]
        return scopes.started and all(
            scopes.settled(name, self.desired.version(SCOPE, name)) for name in scope_names(endpoint)
        )

    def _simple(self, type_url: str, wanted: Iterable[tuple[str, Resource | None]]) -> Iterator[Push]:
        """Group resources into responses: what must be alone is, the rest of a type goes together."""
        together: dict[str, Resource | None] = {}
        alone = type_url == SCOPE and type_url not in self._owed
        for name, resource in wanted:
            if alone or (type_url, name) in self._singly:
                yield self._push(type_url, {name: resource})
            else:
                together[name] = resource
        if together or (
            type_url in self._owed and self._subscriptions[type_url].started and self._complete(type_url)
        ):
            self._owed.discard(type_url)
            yield self._push(type_url, together)

    def _push(self, type_url: str, wanted: dict[str, Resource | None]) -> Push:
        self._nonces += 1
        nonce = str(self._nonces)
        versions = {name: resource.version if resource else None for name, resource in wanted.items()}
        self._subscriptions[type_url].push(nonce, versions)
        if type_url == CLUSTER:
            self._expect_replicas(name for name, resource in wanted.items() if resource is not None)
        resources = tuple(resource for resource in wanted.values() if resource is not None)
        return Push(type_url, nonce, resources, tuple(name for name, resource in wanted.items() if resource is None))

    def _expect_replicas(self, clusters: Iterable[str]) -> None:
        """A changed cluster starts without replicas, and Envoy does not ask for them again."""
        for name in clusters:
            self._subscriptions[ASSIGNMENT].forget([name])
            self._todo[ASSIGNMENT].add(name)
