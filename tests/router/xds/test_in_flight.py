"""Counts of requests in progress, and when Envoy's own are not enough."""

from dataclasses import replace

import pytest

from router.desired import Desired
from router.in_flight import InFlight
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth

ONE, TWO = Host("127.0.0.1", 1), Host("127.0.0.1", 2)
COUNTS = {("127.0.0.1", 1): 0, ("127.0.0.1", 2): 0}


def route(*hosts: Host) -> EndpointRoute:
    backend = Backend("blue@1", "blue", hosts, timeout_ms=3000, max_queue_wait_ms=500)
    return EndpointRoute("iris", KeyAuth("a", "b"), (backend,), (("blue@1", TOTAL),))


def after(*routes: EndpointRoute) -> tuple[InFlight, Desired]:
    """Push one route after the other at time 10."""
    desired, in_flight = Desired(), InFlight()
    for each in routes:
        before = desired.entries.get("iris")
        desired.put(each)
        in_flight.note(before.bundle if before else None, desired.entries["iris"], 10.0)
    return in_flight, desired


def test_nothing_is_known_before_the_first_look() -> None:
    in_flight, desired = after(route(ONE))
    assert in_flight.counts(desired.entries, 10.0) is None


@pytest.mark.parametrize(("now", "count"), [(10.0, 1), (13.4, 1), (13.6, 0)])
def test_a_draining_replica_of_a_replaced_cluster_counts_until_its_requests_must_have_ended(
    now: float, count: int
) -> None:
    in_flight, desired = after(route(ONE), route(ONE, TWO), route(replace(ONE, draining=True), TWO))
    in_flight.update(COUNTS)
    assert in_flight.counts(desired.entries, now) == COUNTS | {("127.0.0.1", 1): count}


def test_a_draining_replica_of_an_unchanged_cluster_is_taken_at_envoys_word() -> None:
    in_flight, desired = after(route(ONE, TWO), route(replace(ONE, draining=True), TWO))
    in_flight.update(COUNTS)
    assert in_flight.counts(desired.entries, 10.0) == COUNTS


def test_a_host_that_envoy_does_not_know_stays_absent() -> None:
    in_flight, desired = after(route(ONE), route(ONE, TWO), route(replace(ONE, draining=True), TWO))
    in_flight.update({("127.0.0.1", 2): 0})
    assert in_flight.counts(desired.entries, 10.0) == {("127.0.0.1", 2): 0}
    desired.drop("iris")
    assert in_flight.counts(desired.entries, 10.0) == {("127.0.0.1", 2): 0}
