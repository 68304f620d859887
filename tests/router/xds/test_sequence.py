"""The order in which one Envoy is told, against a model of Envoy that refuses what comes too early."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.desired import Desired
from router.messages import message
from router.names import ASSIGNMENT, CLUSTER, EXTENSION, JWT_FILTER, LISTENER, SCOPE, endpoint_of
from router.resources import Resource
from router.sequence import LEFTOVER_S, Stream
from router.subscription import Request, Subscription
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth, TokenAuth

Added = dict[str, Resource]
Action = tuple[object, ...]


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


@pytest.fixture
def envoy() -> Envoy:
    envoy = Envoy(Stream(Desired())).connect()
    envoy.settle()
    envoy.pushes.clear()
    return envoy


def kinds(envoy: Envoy) -> list[str]:
    return [type_url.rpartition(".")[2] for type_url, _, _ in envoy.pushes]


def test_a_new_endpoint_is_cluster_replicas_scope(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    assert kinds(envoy) == ["Cluster", "ClusterLoadAssignment", "ScopedRouteConfiguration"]
    assert envoy.stream.settled("iris")


def test_other_hosts_are_only_an_assignment(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("iris", "blue@1", ports=(1,)))
    envoy.settle()
    envoy.pushes.clear()
    envoy.stream.desired.put(route("iris", "blue@1", ports=(2,)))
    assert not envoy.stream.settled("iris")
    envoy.settle()
    assert kinds(envoy) == ["ClusterLoadAssignment"]
    assert envoy.stream.settled("iris")


def test_another_limit_pushes_the_replicas_again(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    envoy.pushes.clear()
    envoy.stream.desired.put(route("iris", "blue@1", timeout_ms=1))
    envoy.settle()
    assert kinds(envoy)[:2] == ["Cluster", "ClusterLoadAssignment"]
    assert envoy.assignments.keys() == {"iris/blue@1"}
    assert envoy.stream.settled("iris")


def test_a_release_goes_after_its_longest_request(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    desired.put(route("iris", "blue@1", timeout_ms=3000, max_queue_wait_ms=500))
    envoy.settle()
    desired.put(route("iris", "blue@2"))
    envoy.flush()
    assert desired.next_due() is None
    envoy.settle()
    assert desired.next_due() == pytest.approx(3.5)
    desired.expire(3.4)
    envoy.settle()
    assert set(envoy.clusters) == {"iris/blue@1", "iris/blue@2"}
    desired.expire(3.5)
    envoy.settle()
    assert set(envoy.clusters) == {"iris/blue@2"}


def test_a_release_taken_back_stays(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    for release in ("blue@1", "blue@2", "blue@1"):
        desired.put(route("iris", release))
        envoy.settle()
    desired.expire(1000)
    envoy.settle()
    assert set(envoy.clusters) == {"iris/blue@1"}
    assert envoy.stream.settled("iris")


def test_dropping_takes_the_scope_out_first(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    desired.put(route("iris", "blue@1"))
    envoy.settle()
    envoy.pushes.clear()
    desired.drop("iris")
    assert not envoy.stream.settled("iris")
    envoy.settle()
    assert envoy.pushes == [(SCOPE, (), ("iris",))]
    assert envoy.stream.settled("iris")
    desired.expire(1000)
    envoy.settle()
    assert envoy.pushes[1:] == [(CLUSTER, (), ("iris/blue@1",))]


def test_back_to_an_older_value_is_settled_only_by_its_own_answer(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    for release in ("blue@1", "blue@2"):
        desired.put(route("iris", release, "blue@3"))
        envoy.settle()
    first, second = (replace(desired.entries["iris"].route, split=((name, TOTAL),)) for name in ("blue@2", "blue@3"))
    desired.put(second)
    envoy.flush()
    desired.put(first)
    envoy.flush()
    assert len(envoy.replies) == 2
    assert not envoy.stream.settled("iris")
    envoy.step()
    assert not envoy.stream.settled("iris")
    envoy.step()
    assert envoy.stream.settled("iris")


def test_a_refusal_names_its_endpoint_and_leaves_the_others_alone(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    envoy.refuse["iris"] = "no good"
    for name in ("digits", "iris", "moons"):
        desired.put(route(name, "blue@1"))
    envoy.settle()
    assert envoy.stream.rejection("iris") == "no good"
    assert not envoy.stream.settled("iris")
    assert envoy.stream.settled("moons")
    assert envoy.stream.rejection("moons") is None
    envoy.refuse.clear()
    desired.put(route("iris", "blue@1", timeout_ms=7))
    envoy.settle()
    assert envoy.stream.rejection("iris") is None
    assert envoy.stream.settled("iris")


def test_clusters_refused_together_are_sent_again_one_by_one() -> None:
    desired = Desired()
    for name in ("digits", "iris", "moons"):
        desired.put(route(name, "blue@1"))
    envoy = Envoy(Stream(desired), refuse={"iris/blue@1": "no good"}).connect()
    envoy.settle()
    assert envoy.stream.rejection("iris") == "no good"
    assert envoy.stream.settled("digits")
    assert envoy.stream.settled("moons")
    assert set(envoy.scopes) == {"digits", "moons"}


def test_a_scope_refused_for_want_of_a_cluster_is_sent_again(envoy: Envoy) -> None:
    envoy.refuse["iris"] = "route: unknown cluster 'iris/blue@1'"
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    assert envoy.stream.rejection("iris") is None
    assert envoy.stream.next_due() == pytest.approx(0.2)
    envoy.refuse.clear()
    envoy.now = 0.2
    envoy.settle()
    assert envoy.stream.settled("iris")


def test_want_of_a_cluster_is_not_forgiven_for_ever(envoy: Envoy) -> None:
    envoy.refuse["iris"] = "route: unknown cluster 'iris/blue@1'"
    envoy.stream.desired.put(route("iris", "blue@1"))
    for _ in range(5):
        envoy.now += 1
        envoy.settle()
    assert envoy.stream.rejection("iris") == "route: unknown cluster 'iris/blue@1'"
    assert envoy.stream.next_due() is None


def test_a_token_endpoint_waits_for_the_token_filter(envoy: Envoy) -> None:
    desired = envoy.stream.desired
    desired.set_keys("{}", "headgate")
    desired.put(route("iris", "blue@1", auth=TokenAuth("iris")))
    envoy.settle()
    assert kinds(envoy)[-1] == "ScopedRouteConfiguration"
    assert kinds(envoy).index("TypedExtensionConfig") < kinds(envoy).index("ScopedRouteConfiguration")


def test_an_envoy_that_has_everything_is_told_nothing(envoy: Envoy) -> None:
    for name in ("iris", "moons"):
        envoy.stream.desired.put(route(name, "blue@1", "green@1"))
    envoy.settle()
    again = replace(envoy, stream=Stream(envoy.stream.desired), pushes=[]).connect()
    again.settle()
    assert [kind for kind in kinds(again) if kind not in ("Listener", "TypedExtensionConfig")] == []
    assert all(again.stream.settled(name) for name in ("iris", "moons"))


def test_what_an_envoy_has_from_before_goes_scope_first_and_clusters_much_later(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("gone", "blue@1"))
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    fresh = Desired()
    fresh.put(route("iris", "blue@2"))
    fresh.changed.clear()
    again = replace(envoy, stream=Stream(fresh), pushes=[]).connect()
    again.settle()
    assert set(again.scopes) == {"iris"}
    assert set(again.clusters) == {"gone/blue@1", "iris/blue@1", "iris/blue@2"}
    again.now = again.stream.next_due()
    assert again.now == LEFTOVER_S
    again.settle()
    assert set(again.clusters) == {"iris/blue@2"}


def test_a_new_envoy_gets_everything_of_a_type_at_once() -> None:
    desired = Desired()
    for number in range(50):
        desired.put(route(f"e{number}", "blue@1"))
    envoy = Envoy(Stream(desired)).connect()
    envoy.settle()
    assert len(envoy.scopes) == 50
    assert len([kind for kind in kinds(envoy) if kind == "Cluster"]) == 1


def test_an_envoy_that_names_its_scopes_first_gets_what_differs(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    desired = Desired(by_host=True)
    desired.put(route("iris", "blue@1"))
    stream = Stream(desired)
    stream.receive(Request(SCOPE, initial=dict(envoy.scopes)), 0)
    assert stream.advance(0) == []
    stream.receive(Request(CLUSTER, initial=dict(envoy.clusters)), 0)
    assert stream.advance(0) == []
    stream.receive(Request(ASSIGNMENT, tuple(envoy.clusters), initial=dict(envoy.assignments)), 0)
    assert [push.resources[0].name for push in stream.advance(0)] == ["iris/host"]


def test_a_new_envoy_gets_no_scopes_before_it_can_get_all() -> None:
    desired = Desired()
    for name in ("a", "b", "gone", "sick"):
        desired.put(route(name, "blue@1"))
    envoy = Envoy(Stream(desired), refuse={"sick/blue@1": "no"}).connect()
    assert SCOPE not in kinds(envoy)
    desired.drop("gone")
    envoy.settle()
    scopes = [added for type_url, added, _ in envoy.pushes if type_url == SCOPE]
    assert scopes[0] == ("a", "b")
    assert set(envoy.scopes) == {"a", "b"}
    assert envoy.stream.settled("a")


def test_what_differs_from_envoys_own_word_is_sent_again(envoy: Envoy) -> None:
    envoy.stream.desired.put(route("iris", "blue@1"))
    envoy.settle()
    envoy.pushes.clear()
    envoy.stream.resend(SCOPE, "iris")
    envoy.stream.resend(SCOPE, "stray")
    envoy.scopes["stray"], envoy.uses["stray"] = "x", set()
    envoy.settle()
    assert envoy.pushes == [(SCOPE, ("iris",), ()), (SCOPE, (), ("stray",))]


RELEASES = st.lists(st.sampled_from(["blue@1", "blue@2", "green@1"]), unique=True, max_size=3)
PUT = st.tuples(
    st.just("put"), st.sampled_from(["a", "b"]), RELEASES, st.integers(1, 3), st.booleans(), st.booleans()
)
OTHER = st.tuples(st.sampled_from(["drop a", "drop b", "step", "step", "step", "wait", "reconnect", "refuse"]))


@settings(max_examples=300, deadline=None)
@given(actions=st.lists(PUT | OTHER, max_size=25), by_host=st.booleans())
def test_any_interleaving_keeps_the_order_and_ends_settled(actions: list[Action], *, by_host: bool) -> None:
    envoy = Envoy(Stream(Desired(by_host=by_host))).connect()
    for action in actions:
        envoy = act(envoy, action)
        envoy.flush()
    envoy.refuse.clear()
    envoy = act(envoy, ("reconnect",))
    for _ in range(4):
        envoy.settle()
        envoy.now += LEFTOVER_S
        envoy.stream.desired.expire(envoy.now)
    envoy.settle()
    desired = envoy.stream.desired
    assert all(envoy.stream.settled(name) for name in desired.entries)
    assert envoy.scopes.keys() == desired.names_of(SCOPE)
    assert envoy.clusters.keys() == desired.names_of(CLUSTER) == envoy.assignments.keys()
    assert {endpoint_of(name) for name in envoy.clusters} <= {
        n for n, entry in desired.entries.items() if entry.route
    }


def act(envoy: Envoy, action: Action) -> Envoy:
    desired = envoy.stream.desired
    match action:
        case ("put", name, releases, hosts, token, mirrored):
            auth = TokenAuth(name) if token else None
            wanted = route(name, *releases, ports=tuple(range(1, hosts + 1)), auth=auth)
            mirror = (wanted.backends[-1].release, 10) if mirrored and releases else None
            desired.put(replace(wanted, mirror=mirror))
        case (("drop a" | "drop b") as what,):
            desired.drop(what[-1])
        case ("step",):
            envoy.step()
        case ("wait",):
            envoy.now += 3.0
            desired.expire(envoy.now)
        case ("refuse",):
            envoy.refuse["a"] = "no good"
        case ("reconnect",):
            for request in envoy.replies:
                envoy.subscribed -= set(request.unsubscribe)
            return replace(envoy, stream=Stream(desired), replies=[]).connect()
    return envoy


class TestSubscription:
    def test_names_asked_for_again_are_sent_again(self) -> None:
        subscription = Subscription()
        subscription.receive(Request(ASSIGNMENT, ("a",)))
        subscription.push("1", {"a": "v"})
        subscription.receive(Request(ASSIGNMENT, nonce="1"))
        assert not subscription.differs("a", "v")
        subscription.receive(Request(ASSIGNMENT, unsubscribe=("a",)))
        assert not subscription.wants("a")
        subscription.receive(Request(ASSIGNMENT, ("a",)))
        assert subscription.differs("a", "v")

    def test_an_unknown_nonce_confirms_nothing(self) -> None:
        subscription = Subscription()
        subscription.push("1", {"a": "v"})
        assert subscription.receive(Request(CLUSTER, nonce="9")).accepted == frozenset()
        assert not subscription.settled("a", "v")

    def test_a_refused_version_is_known_by_its_predecessor(self) -> None:
        subscription = Subscription()
        subscription.push("1", {"a": "v1"})
        subscription.push("2", {"a": "v2"})
        subscription.push("3", {"a": "v3"})
        subscription.receive(Request(CLUSTER, nonce="1"))
        subscription.receive(Request(CLUSTER, nonce="2"))
        outcome = subscription.receive(Request(CLUSTER, nonce="3", error="no"))
        assert outcome.rejected == {"a"}
        assert subscription.known == {"a": "v2"}
        assert not subscription.differs("a", "v3")
        assert subscription.differs("a", "v1")

    @pytest.mark.parametrize(
        ("subscribe", "wildcard"), [((), True), (("*",), True), (("a",), False), (("*", "a"), True)]
    )
    def test_wildcards(self, subscribe: tuple[str, ...], wildcard: object) -> None:
        subscription = Subscription()
        subscription.receive(Request(CLUSTER, subscribe))
        assert subscription.wildcard is wildcard
        assert subscription.wants("other") is wildcard
