"""The order in which one Envoy is told, against a model of Envoy that refuses what comes too early."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.desired import Desired
from router.names import ASSIGNMENT, CLUSTER, SCOPE, endpoint_of
from router.sequence import LEFTOVER_S, Stream
from router.subscription import Request
from router.table import TOTAL, TokenAuth
from tests.router.xds.model import Envoy, kinds, route

Action = tuple[object, ...]


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
