"""Changes under load, every answer counted."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from router.table import KeyAuth
from tests.router.xds.rig import KEYS, Rig, backend, endpoint, failures, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"
HOSTS = ("one.test", "two.test")


async def test_a_hundred_changes_of_the_split_fail_nothing(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await rig.server("green")
    backends = (backend("blue@1", blue), backend("green@1", green))
    await rig.put(endpoint("iris", backends, {"blue@1": 10_000}))
    async with rig.load(SCORE) as counts:
        for step in range(1, 101):
            await rig.put(endpoint("iris", backends, {"blue@1": 10_000 - 100 * step, "green@1": 100 * step}))
            await asyncio.sleep(0.02)
    assert failures(counts) == {}
    assert counts[200, "blue"] > 100
    assert counts[200, "green"] > 100


async def test_replacing_a_release_fails_nothing_and_its_cluster_goes_after_its_longest_request(rig: Rig) -> None:
    # Long enough that no answer of this busy process takes longer.
    limits = {"timeout_ms": 2000, "max_queue_wait_ms": 0}
    old = await rig.server("old")
    await rig.put(endpoint("iris", (backend("blue@0", old, **limits),)))
    async with rig.load(SCORE) as counts:
        for number in range(1, 5):
            new = await rig.server(f"new-{number}")
            await rig.put(endpoint("iris", (backend(f"blue@{number}", new, **limits),)))
            # As the reconciler does: Envoy's workers take the new route over first, and then requests are counted.
            await asyncio.sleep(0.25)
            await rig.router.refresh()
            before = (rig.router.seen().in_flight).get(("127.0.0.1", old.port))
            assert before is not None, "the old release's replica must still be known while its requests may last"
            if before == 0:
                await old.stop()
            old = new
    assert failures(counts) == {}
    async with asyncio.timeout(20):
        while set((await rig.router.admin.shown()).clusters) != {"iris/blue@4"}:  # noqa: ASYNC110 - Envoy tells nobody
            await asyncio.sleep(0.1)


async def test_endpoints_that_come_and_go_disturb_no_other(rig: Rig) -> None:
    server = await rig.server("blue")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    async with rig.load(SCORE, clients=4) as counts:
        for number in range(40):
            name = f"guest-{number}"
            await rig.put(endpoint(name, (backend("blue@1", server, timeout_ms=100, max_queue_wait_ms=0),)))
            assert (await rig.client().send(f"/endpoints/{name}/score")).status == 200
            await rig.acknowledged(name, rig.router.drop(name))
            assert (await rig.client().send(f"/endpoints/{name}/score")).status == 404
    assert failures(counts) == {}
    assert sum(counts.values()) > 100


async def test_scaling_out_and_in_under_load_fails_nothing(rig: Rig) -> None:
    servers = [await rig.server(f"r{number}") for number in range(4)]
    route = endpoint("iris", (backend("blue@1", servers[0], max_concurrent=8),))
    await rig.put(route)
    async with rig.load(SCORE) as counts:
        for count in (1, 2, 3, 4, 3, 2, 4, 1, 4) * 2:
            await rig.put(endpoint("iris", (backend("blue@1", *servers[:count], max_concurrent=8),)))
            await asyncio.sleep(0.05)
    assert failures(counts) == {}
    assert {replica for _, replica in counts} == {"r0", "r1", "r2", "r3"}


async def test_replicas_that_close_every_connection_cause_no_failure(rig: Rig) -> None:
    servers = [await rig.server(f"r{number}", sync=True) for number in range(2)]
    await rig.put(endpoint("iris", (backend("blue@1", *servers, max_concurrent=1),)))
    async with rig.load(SCORE, clients=4) as counts:
        await asyncio.sleep(2)
    assert failures(counts) == {}
    assert sum(counts.values()) > 200


async def test_new_keys_under_load_fail_nothing(rig: Rig) -> None:
    server = await rig.server("blue")
    route = endpoint("iris", (backend("blue@1", server),))
    await rig.put(route)
    async with rig.load(SCORE) as counts:
        for number in range(20):
            await rig.put(replace(route, auth=KeyAuth(KEYS.primary, f"secondary-{number}")))
    assert failures(counts) == {}


async def test_a_new_control_plane_changes_nothing_and_fails_nothing(rig: Rig) -> None:
    server = await rig.server("blue")
    for name in ("iris", "moons", "digits"):
        await rig.put(endpoint(name, (backend("blue@1", server),)))
    before = await rig.dump(resource="dynamic_active_clusters")
    pid = rig.router.process.seen.pid
    async with rig.load(SCORE) as counts:
        for _ in range(3):
            await rig.replace_router()
            await asyncio.sleep(0.2)
        assert rig.router.sent.responses == 0
    after = await rig.dump(resource="dynamic_active_clusters")
    assert after == before
    assert rig.router.process.seen.pid == pid
    assert failures(counts) == {}


async def test_another_domain_is_taken_by_a_running_envoy_and_fails_nothing(rig: Rig) -> None:
    server = await rig.server("blue")
    for name in ("iris", "moons"):
        await rig.put(endpoint(name, (backend("blue@1", server),)))
    pid = rig.router.process.seen.pid
    async with rig.load(SCORE) as counts:
        for domain in ("one.test", "two.test", "", "one.test", ""):
            await rig.replace_router(domain=domain)
            await asyncio.sleep(0.3)
            client = rig.client()
            by_host = {host: (await client.send("/score", host=f"moons.{host}")).status for host in HOSTS}
            assert by_host == {host: 200 if host == domain else 404 for host in HOSTS}
            assert (await client.send("/endpoints/moons/score")).status == 200
    assert failures(counts) == {}
    assert sum(counts.values()) > 100
    assert rig.router.process.seen.pid == pid


async def test_a_control_plane_killed_during_a_hot_restart_is_replaced_by_one_that_settles(rig: Rig) -> None:
    server = await rig.server("blue")
    for name in ("iris", "moons", "digits"):
        await rig.put(endpoint(name, (backend("blue@1", server),)))
    former = rig.router.process.seen.pid
    async with rig.load(SCORE, clients=4) as counts:
        await rig.start_router(workers=3)
        for pause in (0.0, 0.2, 1.0):
            await asyncio.sleep(pause)
            await rig.start_router()
            await rig.router.open()
        await until(rig.settled)
        await until(lambda: len(rig.router._plane.live) == 2)  # noqa: SLF001 - the former Envoy drains for minutes
        for name in ("iris", "moons", "digits"):
            await rig.put(endpoint(name, (backend("blue@2", server),)))
            assert (await rig.client().send(f"/endpoints/{name}/score")).status == 200
    assert failures(counts) == {}
    assert rig.router.process.seen.pid != former


async def test_nothing_is_taken_out_while_no_control_plane_answers(rig: Rig) -> None:
    server = await rig.server("blue")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    async with rig.load(SCORE, clients=2) as counts:
        await rig.router.close()
        assert rig.router.seen() is None
        await asyncio.sleep(1)
    assert failures(counts) == {}


async def test_a_killed_envoy_comes_back_with_everything(rig: Rig) -> None:
    server = await rig.server("blue")
    for name in ("iris", "moons"):
        await rig.put(endpoint(name, (backend("blue@1", server),)))
    os.kill(rig.router.process.seen.pid, signal.SIGKILL)
    await until(lambda: rig.router.seen() is None)
    await until(rig.settled)
    for name in ("iris", "moons"):
        assert (await rig.client().send(f"/endpoints/{name}/score")).status == 200
