"""One type of resources as one Envoy knows it."""

import pytest

from router.names import ASSIGNMENT, CLUSTER
from router.subscription import Request, Subscription


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
