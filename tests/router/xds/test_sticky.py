"""Which clients keep their release while shares move, and who is shown a preview, by a real Envoy."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from router.table import EndpointRoute, Stickiness
from tests.router.xds.rig import Rig, backend, endpoint

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"
SETTLED = (("blue@1", 10_000),)
BY_COOKIE = Stickiness("hg-iris", settled=SETTLED)
BY_HEADER = Stickiness(header="x-user", settled=SETTLED)


async def two(rig: Rig, sticky: Stickiness | None, *, shield: bool = False) -> EndpointRoute:
    servers = [await rig.server(name) for name in ("blue", "green")]
    backends = tuple(backend(f"{server.name}@1", server) for server in servers)
    route = replace(endpoint("iris", backends, dict(SETTLED)), sticky=sticky)
    return replace(route, trial=("green@1",), shield="blue@1") if shield else route


def at(route: EndpointRoute, green: int) -> EndpointRoute:
    shares = (("blue@1", 10_000 - green), ("green@1", green))
    return replace(route, split=tuple(pair for pair in shares if pair[1]))


async def cookies(rig: Rig, count: int) -> list[str]:
    """What new clients are given."""
    client, found = rig.client(), []
    for _ in range(count):
        answer = await client.send(SCORE)
        assert answer.status == 200
        match = re.fullmatch(
            r"hg-iris=([0-9a-f-]{36}); Max-Age=86400; Path=/endpoints/iris; HttpOnly", answer.headers["set-cookie"]
        )
        assert match is not None
        found.append(match[1])
    return found


async def who(rig: Rig, kind: str, clients: Iterable[str]) -> dict[str, str]:
    """The replica of each client."""
    client, found = rig.client(), {}
    for name in clients:
        given = {"cookie": f"a=b; hg-iris={name}"} if kind == "cookie" else {"x_user": name}
        answer = await client.send(SCORE, **given)
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
        assert answer.headers["azureml-model-deployment"] == answer.replica
        found[name] = answer.replica
    return found


@pytest.mark.parametrize("kind", ["cookie", "header"])
@pytest.mark.parametrize("shield", [False, True])
async def test_only_the_share_that_moves_changes_its_release(rig: Rig, kind: str, *, shield: bool) -> None:
    route = await two(rig, BY_COOKIE if kind == "cookie" else BY_HEADER, shield=shield)
    await rig.put(route)
    clients = await cookies(rig, 200) if kind == "cookie" else [f"user-{number}" for number in range(200)]
    last = await who(rig, kind, clients)
    assert set(last.values()) == {"blue"}
    for green in (500, 2500, 5000, 10_000):
        await rig.put(at(route, green))
        now = await who(rig, kind, clients)
        assert now == await who(rig, kind, clients)
        assert {(last[name], now[name]) for name in clients} <= {
            ("blue", "blue"),
            ("green", "green"),
            ("blue", "green"),
        }
        expected = 200 * green / 10_000
        assert abs(Counter(now.values())["green"] - expected) <= 4 * (expected * (1 - green / 10_000)) ** 0.5 + 1
        last = now
    settled = replace(BY_COOKIE if kind == "cookie" else BY_HEADER, settled=(("green@1", 10_000),))
    await rig.put(replace(at(route, 10_000), sticky=settled, trial=(), shield=""))
    assert await who(rig, kind, clients) == last


async def test_the_first_answer_comes_from_the_release_that_the_cookie_keeps(rig: Rig) -> None:
    await rig.put(at(await two(rig, BY_COOKIE), 5000))
    client, first = rig.client(), {}
    for _ in range(200):
        answer = await client.send(SCORE)
        first[answer.headers["set-cookie"].partition("=")[2].partition(";")[0]] = answer.replica
    assert len(first) == 200
    assert 60 <= Counter(first.values())["green"] <= 140
    assert await who(rig, "cookie", first) == first


async def test_a_return_gives_each_client_its_former_release(rig: Rig) -> None:
    route = await two(rig, BY_HEADER)
    clients = [f"user-{number}" for number in range(100)]
    await rig.put(at(route, 2500))
    quarter = await who(rig, "header", clients)
    await rig.put(at(route, 6000))
    await who(rig, "header", clients)
    await rig.put(at(route, 2500))
    assert await who(rig, "header", clients) == quarter


async def test_without_the_header_requests_follow_the_shares_and_pins_go_where_they_say(rig: Rig) -> None:
    await rig.put(at(await two(rig, BY_HEADER), 5000))
    client = rig.client()
    found = Counter([(await client.send(SCORE)).replica for _ in range(200)])
    assert 60 <= found["green"] <= 140
    for name in ("blue", "green"):
        answers = [await client.send(SCORE, x_user="one", azureml_model_deployment=name) for _ in range(5)]
        assert {answer.replica for answer in answers} == {name}


async def test_sticky_clients_under_load_lose_nothing_while_shares_move(rig: Rig) -> None:
    route = await two(rig, BY_HEADER)
    await rig.put(route)
    async with rig.load(SCORE, x_user="someone") as counts:
        for percent in range(0, 101, 5):
            await rig.put(at(route, percent * 100))
            await asyncio.sleep(0.05)
    assert {status for status, _ in counts} == {200}


async def test_a_preview_is_for_requests_that_carry_all_its_headers(rig: Rig) -> None:
    route = await two(rig, None)
    await rig.put(replace(route, preview=("green@1", (("x-tester", "yes"), ("x-site", "b")))))
    client = rig.client()

    async def replica(**headers: str) -> str:
        answer = await client.send(SCORE, **headers)
        assert answer.headers["azureml-model-deployment"] == answer.replica
        return answer.replica

    assert await replica(x_tester="yes", x_site="b") == "green"
    for few in ({}, {"x_tester": "yes"}, {"x_tester": "yes", "x_site": "bb"}, {"x_tester": "no", "x_site": "b"}):
        assert await replica(**few) == "blue"
    assert await replica(x_tester="yes", x_site="b", azureml_model_deployment="blue") == "blue"
    assert (await client.send("/endpoints/iris/v2/x?y=1", x_tester="yes", x_site="b")).json["start"] == (
        "POST /v2/x?y=1 HTTP/1.1"
    )


async def test_a_preview_has_the_candidates_shield(rig: Rig) -> None:
    route = await two(rig, None, shield=True)
    broken = replace(route.backends[1], hosts=())
    await rig.put(replace(route, backends=(route.backends[0], broken), preview=("green@1", (("x-tester", "yes"),))))
    answer = await rig.client().send(SCORE, x_tester="yes")
    assert (answer.status, answer.replica) == (200, "blue")
