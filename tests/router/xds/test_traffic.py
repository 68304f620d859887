"""Who gets which request, by a real Envoy."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from router.table import Backend, KeyAuth
from tests.router.xds.rig import Answer, Client, Faulty, Rig, Server, StartRig, backend, endpoint, until

Pair = tuple[dict[str, Server], tuple[Backend, ...], Callable[[int, int], Awaitable[None]]]
pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"


@pytest.fixture
async def pair(rig: Rig) -> Pair:
    """Servers of two releases, and a function that pushes a split over them."""
    servers = {name: await rig.server(name) for name in ("blue", "green")}
    backends = tuple(backend(f"{name}@1", server) for name, server in servers.items())

    async def split(blue: int, green: int) -> None:
        await rig.put(endpoint("iris", backends, {"blue@1": blue, "green@1": green}))

    return servers, backends, split


async def shares(rig: Rig, count: int = 2000, **headers: str) -> Counter[str]:
    """Replicas by number of answers, all of them 200."""
    clients = [rig.client() for _ in range(8)]

    async def drive(client: Client) -> list[Answer]:
        return [await client.send(SCORE, **headers) for _ in range(count // len(clients))]

    answers = [answer for some in await asyncio.gather(*map(drive, clients)) for answer in some]
    assert {answer.status for answer in answers} == {200}
    return Counter(answer.replica for answer in answers)


@pytest.mark.parametrize(("green", "low", "high"), [(1000, 140, 265), (100, 5, 45), (5000, 890, 1110), (37, 1, 25)])
async def test_shares_follow_the_split(rig: Rig, pair: Pair, green: int, low: int, high: int) -> None:
    _, _, split = pair
    await split(10_000 - green, green)
    found = await shares(rig)
    assert low <= found["green"] <= high
    assert found["blue"] + found["green"] == 2000


async def test_a_share_of_nothing_gets_nothing_and_of_everything_all(rig: Rig, pair: Pair) -> None:
    _, _, split = pair
    await split(0, 10_000)
    assert await shares(rig, 400) == {"green": 400}


async def test_a_header_pins_a_deployment_or_a_release(rig: Rig, pair: Pair) -> None:
    _, _, split = pair
    await split(10_000, 0)
    client = rig.client()
    for pin in ({"azureml_model_deployment": "green"}, {"headgate_release": "green@1"}):
        answer = await client.send(SCORE, **pin)
        assert (answer.replica, answer.headers["azureml-model-deployment"]) == ("green", "green")


async def test_a_deployment_is_known_in_any_case_and_a_release_as_it_is_written(rig: Rig, pair: Pair) -> None:
    _, _, split = pair
    await split(10_000, 0)
    client = rig.client()
    assert (await client.send(SCORE, azureml_model_deployment="Green")).replica == "green"
    assert (await client.send(SCORE, azureml_model_deployment="Greener")).status == 404
    assert (await client.send(SCORE, headgate_release="Green@1")).status == 404


@pytest.mark.parametrize(
    ("pin", "exist"),
    [
        ({"azureml_model_deployment": "pink"}, "blue, green"),
        ({"headgate_release": "green@2"}, "blue@1, green@1"),
        ({"headgate_release": "green"}, "blue@1, green@1"),
    ],
)
async def test_an_unknown_pin_is_404_and_says_which_exist(
    rig: Rig, pair: Pair, pin: dict[str, str], exist: str
) -> None:
    _, _, split = pair
    await split(10_000, 0)
    answer = await rig.client().send(SCORE, **pin)
    assert answer.status == 404
    assert answer.json["error"]["message"].endswith(f"{exist}.")


async def test_each_release_has_its_own_timeout_and_paths(rig: Rig) -> None:
    fast, slow = await rig.server("fast"), await rig.server("slow")
    backends = (
        backend("fast@1", fast, timeout_ms=200, max_queue_wait_ms=0),
        backend("slow@1", slow, timeout_ms=5000, paths=("/v1/predict", "/openapi", "/v1")),
    )
    await rig.put(endpoint("iris", backends, {"fast@1": 5000, "slow@1": 5000}))
    client = rig.client()
    assert (await client.send(SCORE, x_delay="0.5", azureml_model_deployment="fast")).status == 408
    answer = await client.send(SCORE, x_delay="0.5", azureml_model_deployment="slow")
    assert (answer.status, answer.json["start"]) == (200, "POST /v1/predict HTTP/1.1")
    answers = [await client.send(SCORE) for _ in range(40)]
    assert {answer.json["start"].split()[1] for answer in answers} == {"/score", "/v1/predict"}
    for path, reached in (("swagger.json", "/openapi"), ("x/y", "/v1/x/y"), ("", "/v1/")):
        answer = await client.send(f"/endpoints/iris/{path}", azureml_model_deployment="slow")
        assert answer.json["start"] == f"POST {reached} HTTP/1.1"


async def test_mirrored_requests_change_nothing_for_the_client_and_pinned_ones_are_not_mirrored(rig: Rig) -> None:
    live, shadow = await rig.server("live"), await rig.server("shadow")
    backends = (backend("live@1", live), backend("shadow@1", shadow))
    await rig.put(replace(endpoint("iris", backends, {"live@1": 10_000}), mirror=("shadow@1", 50)))
    found = await shares(rig, 800, x_status="200")
    assert found == {"live": 800}
    await until(lambda: len(shadow.seen) >= 300)
    await asyncio.sleep(0.2)
    assert 300 <= len(shadow.seen) <= 500
    assert {start for start, _, _ in shadow.seen} == {"POST /score HTTP/1.1"}
    before = len(shadow.seen)
    assert await shares(rig, 200, azureml_model_deployment="live") == {"live": 200}
    await asyncio.sleep(0.2)
    assert len(shadow.seen) == before


async def test_a_slow_or_broken_mirror_harms_nobody(rig: Rig) -> None:
    live, shadow = await rig.server("live"), await rig.server("shadow")
    backends = (backend("live@1", live), backend("shadow@1", shadow, max_concurrent=1))
    await rig.put(replace(endpoint("iris", backends, {"live@1": 10_000}), mirror=("shadow@1", 50)))
    await shadow.stop()
    assert await shares(rig, 400) == {"live": 400}


async def test_both_forms_of_address_work_at_once(start_rig: StartRig) -> None:
    rig = await start_rig(domain="models.test")
    server, other = await rig.server("blue"), await rig.server("other")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    await rig.put(replace(endpoint("moons", (backend("blue@1", other),)), auth=KeyAuth("m1", "m2")))
    client = rig.client()
    host = "iris.models.test"
    for path, reached in (("/score", "/score"), ("/", "/"), ("/v2/x?y=1", "/v2/x?y=1"), (SCORE, SCORE)):
        for name in (host, f"{host}:{rig.settings.port}"):
            answer = await client.send(path, host=name)
            assert (answer.status, answer.json["start"]) == (200, f"POST {reached} HTTP/1.1")
    assert (await client.send(SCORE)).json["start"] == "POST /score HTTP/1.1"
    answer = await client.send(SCORE, host="models.test")
    assert (answer.status, answer.replica) == (200, "blue")
    assert not [name for name in answer.json["headers"] if name.startswith("x-headgate")]


async def test_the_domain_may_be_written_in_any_case(start_rig: StartRig) -> None:
    rig = await start_rig(domain="models.test")
    server, other = await rig.server("blue"), await rig.server("other")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    await rig.put(endpoint("moons", (backend("blue@1", other),)))
    client = rig.client()
    for host in ("iris.Models.TEST", "iris.MODELS.test:8443"):
        answer = await client.send("/endpoints/moons/score", host=host)
        assert (answer.replica, answer.json["start"]) == ("blue", "POST /endpoints/moons/score HTTP/1.1")
    # Envoy's expressions lower no letters: docs/operations.md says so.
    assert (await client.send("/score", host="Iris.models.test")).status == 404
    assert (await client.send("/endpoints/moons/score", host="iris-modelsxtest")).replica == "other"


@pytest.mark.parametrize(
    "spoofed", [{}, {"x_headgate_path": "/endpoints/iris/x", "x_headgate_host": "iris.models.test"}]
)
async def test_the_host_form_asks_for_the_key_of_its_endpoint(start_rig: StartRig, spoofed: dict[str, str]) -> None:
    rig = await start_rig(domain="models.test")
    server, other = await rig.server("blue"), await rig.server("other")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    await rig.put(replace(endpoint("moons", (backend("blue@1", other),)), auth=KeyAuth("m1", "m2")))
    client = rig.client()
    assert (await client.send("/score", host="moons.models.test", **spoofed)).status == 401
    assert (await client.send("/score", host="moons.models.test", authorization="", **spoofed)).status == 401
    assert (await client.send("/score", host="moons.models.test", authorization="Bearer m2", **spoofed)).status == 200
    assert (await client.send("/score", host="nobody.models.test", **spoofed)).status == 404
    assert (await client.send("/endpoints/moons/score", **spoofed)).status == 401
    assert server.seen == []


async def test_a_path_cannot_leave_its_endpoint(rig: Rig) -> None:
    server, other = await rig.server("blue"), await rig.server("other")
    await rig.put(endpoint("iris", (backend("blue@1", server),)))
    await rig.put(replace(endpoint("moons", (backend("blue@1", other),)), auth=KeyAuth("m1", "m2")))
    client = rig.client()
    assert (await client.send("/endpoints/iris//../moons/score")).json["start"] == "POST /moons/score HTTP/1.1"
    for path in ("/endpoints/iris/../moons/score", "/endpoints/iris/%2e%2e/moons/score"):
        assert (await client.send(path)).replica != "other"
        assert (await client.send(path, authorization="Bearer m1")).replica != "blue"


async def test_least_loaded_replicas_are_preferred(rig: Rig) -> None:
    servers = [await rig.server(f"r{number}") for number in range(4)]
    await rig.put(endpoint("iris", (backend("blue@1", *servers, max_concurrent=1),)))
    for _ in range(5):
        answers = await asyncio.gather(*(rig.client().send(SCORE, x_delay="0.15") for _ in range(4)))
        assert [answer.status for answer in answers] == [200] * 4
    # With one worker thread it would be exactly one each; two threads may choose at the same instant.
    assert max(server.most for server in servers) <= 2
    assert min(len(server.seen) for server in servers) >= 2


async def test_a_draining_replica_gets_no_new_requests_and_keeps_those_in_flight(rig: Rig) -> None:
    stays, leaves = await rig.server("stays"), await rig.server("leaves")
    route = endpoint("iris", (backend("blue@1", stays, leaves),))
    await rig.put(route)
    slow = [asyncio.create_task(rig.client().send(SCORE, x_delay="1.0")) for _ in range(6)]
    await until(lambda: bool(leaves.seen))
    (only,) = route.backends
    hosts = tuple(replace(host, draining=host.port == leaves.port) for host in only.hosts)
    sent = rig.router.sent.responses
    await rig.put(replace(route, backends=(replace(only, hosts=hosts),)))
    assert rig.router.sent.responses == sent + 1
    before = len(leaves.seen)
    await rig.router.refresh()
    assert rig.router.seen().in_flight["127.0.0.1", leaves.port] == before
    assert await shares(rig, 200) == {"stays": 200}
    assert len(leaves.seen) == before
    assert {answer.status for answer in await asyncio.gather(*slow)} == {200}
    await rig.router.refresh()
    assert rig.router.seen().in_flight["127.0.0.1", leaves.port] == 0
    await rig.put(replace(route, backends=(replace(only, hosts=tuple(h for h in hosts if not h.draining)),)))
    await rig.router.refresh()
    assert ("127.0.0.1", leaves.port) not in rig.router.seen().in_flight


async def test_answers_to_mirrored_requests_are_counted_apart(rig: Rig) -> None:
    blue = await rig.server("blue")
    green = await Faulty("green", {"x-status": "500"}).start()
    rig.stack.push_async_callback(green.stop)
    plain = endpoint("iris", (backend("blue@1", blue), backend("green@1", green)))
    await rig.put(replace(plain, mirror=("green@1", 5000)))
    client = rig.client()
    for _ in range(40):
        assert (await client.send(SCORE)).status == 200
    pinned = await client.send(SCORE, azureml_model_deployment="green")
    assert pinned.status == 424
    await until(lambda: len(green.seen) > 1 and not green.active)
    await asyncio.sleep(0.2)
    assert await rig.router.mirrored("iris") == {"green@1": {"424": len(green.seen) - 1}}
    assert await rig.router.mirrored("moons") == {}
