"""A model of Envoy that refuses what Envoy would, and routes for it."""

from dataclasses import dataclass, field

from router.messages import message
from router.names import ASSIGNMENT, CLUSTER, EXTENSION, JWT_FILTER, LISTENER, SCOPE
from router.resources import Resource
from router.sequence import Stream
from router.subscription import Request
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth, TokenAuth

Added = dict[str, Resource]


def backend(release: str, *ports: int, **fields: int) -> Backend:
    return Backend(release, release.partition("@")[0], tuple(Host("127.0.0.1", port) for port in ports), **fields)


def route(
    name: str,
    *releases: str,
    auth: TokenAuth | None = None,
    ports: tuple[int, ...] = (1,),
    **fields: int,
) -> EndpointRoute:
    backends = tuple(backend(release, *ports, **fields) for release in sorted(releases))
    split = ((backends[0].release, TOTAL),) if backends else ()
    return EndpointRoute(name, auth or KeyAuth("a", "b"), backends, split)


@dataclass
class Envoy:
    """Applies pushes in order, answers each, and asserts what the real one punishes."""

    stream: Stream
    now: float = 0.0
    clusters: dict[str, str] = field(default_factory=dict)
    assignments: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    subscribed: set[str] = field(default_factory=set)
    uses: dict[str, set[str]] = field(default_factory=dict)
    replies: list[Request] = field(default_factory=list)
    pushes: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)

    def connect(self) -> "Envoy":
        self._send(Request(CLUSTER, initial=dict(self.clusters)))
        if self.subscribed:
            self._send(Request(ASSIGNMENT, tuple(self.subscribed), initial=dict(self.assignments)))
        self._send(Request(LISTENER))
        self._send(Request(EXTENSION, (JWT_FILTER,)))
        self._send(Request(SCOPE, initial=dict(self.scopes)))
        return self

    def step(self, count: int = 1) -> None:
        """Answer the oldest pushes."""
        for _ in range(min(count, len(self.replies))):
            self._send(self.replies.pop(0))

    def flush(self) -> None:
        changes, self.stream.desired.changed = self.stream.desired.changed, set()
        self.stream.look_at(changes)
        self._apply()

    def settle(self) -> None:
        self.flush()
        while self.replies:
            self.step()
            self.flush()

    def _send(self, request: Request) -> None:
        for endpoint in self.stream.receive(request, self.now):
            if self.stream.settled(endpoint):
                self.stream.desired.confirmed(endpoint, self.now)
        self._apply()

    def _apply(self) -> None:
        for push in self.stream.advance(self.now):
            added = {resource.name: resource for resource in push.resources}
            assert not added.keys() & set(push.removed)
            self.pushes.append((push.type_url, tuple(added), push.removed))
            error = next((self.refuse[name] for name in added if name in self.refuse), None)
            self.replies.append(Request(push.type_url, nonce=push.nonce, error=error))
            if error is None:
                self._take(push.type_url, added, push.removed)

    def _take(self, type_url: str, added: Added, removed: tuple[str, ...]) -> None:
        match type_url:
            case _ if type_url == CLUSTER:
                self._take_clusters(added, removed)
            case _ if type_url == ASSIGNMENT:
                self.assignments |= {name: resource.version for name, resource in added.items()}
            case _ if type_url == SCOPE:
                self._take_scopes(added, removed)

    def _take_clusters(self, added: Added, removed: tuple[str, ...]) -> None:
        used = set().union(*self.uses.values()) if self.uses else set()
        assert not used & set(removed), "a cluster that a scope needs was removed"
        for name in removed:
            self.clusters.pop(name, None)
            self.assignments.pop(name, None)
            self.subscribed.discard(name)
            self.replies.append(Request(ASSIGNMENT, unsubscribe=(name,)))
        for name, resource in added.items():
            self.assignments.pop(name, None)
            self.clusters[name] = resource.version
            if name not in self.subscribed:
                self.subscribed.add(name)
                self.replies.append(Request(ASSIGNMENT, (name,)))

    def _take_scopes(self, added: Added, removed: tuple[str, ...]) -> None:
        for name, resource in added.items():
            uses = clusters_of(resource)
            assert uses <= self.clusters.keys(), "a scope came before its cluster"
            assert uses <= self.assignments.keys(), "a scope came before its cluster's replicas"
            self.scopes[name], self.uses[name] = resource.version, uses
        for name in removed:
            # One that was refused was never there.
            self.scopes.pop(name, None)
            self.uses.pop(name, None)


def clusters_of(resource: Resource) -> set[str]:
    wrapped = message("envoy.service.discovery.v3.Resource").FromString(resource.body)
    scope = message(wrapped.resource.type_url).FromString(wrapped.resource.value)
    routes = [rule for host in scope.route_configuration.virtual_hosts for rule in host.routes]
    mirrors = {policy.cluster for rule in routes for policy in rule.route.request_mirror_policies}
    return {rule.route.cluster for rule in routes if rule.route.cluster} | mirrors


def kinds(envoy: Envoy) -> list[str]:
    return [type_url.rpartition(".")[2] for type_url, _, _ in envoy.pushes]
