"""What clients see of a shielded release that fails, by a real Envoy: nothing."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from router.table import Backend, EndpointRoute, Host
from tests.router.xds.rig import Faulty, Rig, Server, StartRig, backend, endpoint, failures, free_port, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"
SHARES = {"blue@1": 7000, "green@1": 3000}
FAULTS: dict[str, dict[str, str]] = {
    "500": {"x-status": "500"},
    "201": {"x-status": "201"},
    "422": {"x-status": "422"},
    "reset": {"x-reset": "1"},
    "hangs": {"x-delay": "3"},
}


async def faulty(rig: Rig, fault: dict[str, str]) -> Faulty:
    """A candidate's replica that does this to every request."""
    server = Faulty("green", fault)
    await server.start()
    rig.stack.push_async_callback(server.stop)
    return server


def shielded(blue: Server, green: Backend, shares: dict[str, int] | None = None) -> EndpointRoute:
    route = endpoint("iris", (backend("blue@1", blue), green), shares or SHARES)
    return replace(route, trial=("green@1",), shield="blue@1")


async def send(rig: Rig, count: int, body: bytes = b"{}") -> Counter[tuple[int, str]]:
    """Answers by status and replica, over eight connections at once."""

    async def drive() -> list[tuple[int, str]]:
        client = rig.client()
        answers = [await client.send(SCORE, body=body) for _ in range(count // 8)]
        return [(answer.status, answer.replica) for answer in answers]

    return Counter(one for some in await asyncio.gather(*(drive() for _ in range(8))) for one in some)


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_client_sees_a_failure_of_the_candidate(rig: Rig, fault: str) -> None:
    """With one request at a time for each replica, as Azure's default is."""
    blue, green = await rig.server("blue"), await faulty(rig, FAULTS[fault])
    await rig.put(shielded(blue, backend("green@1", green, timeout_ms=250, max_concurrent=1)))
    assert await send(rig, 400) == {(200, "blue"): 400}
    assert 60 <= len(green.seen) <= 180


class Breaking(Server):
    """A replica that breaks off each answer, or answers with as many bytes as `whole` says."""

    def __init__(self, name: str, whole: int = 0) -> None:
        super().__init__(name)
        self.whole = whole

    async def _say(self, writer: asyncio.StreamWriter, start: str, headers: dict[str, str], body: bytes) -> bool:
        self.seen.append((start, headers, len(body)))
        size = self.whole or 1000
        writer.write(b"HTTP/1.1 200 OK\r\nx-replica: %s\r\ncontent-length: %d\r\n\r\n" % (self.name.encode(), size))
        writer.write(b"x" * (self.whole or 500))
        await writer.drain()
        await asyncio.sleep(0.01)
        if not self.whole:
            writer.transport.abort()
        return bool(self.whole)


async def test_no_client_sees_an_answer_that_breaks_off(rig: Rig) -> None:
    blue, green = await rig.server("blue"), Breaking("green")
    await green.start()
    rig.stack.push_async_callback(green.stop)
    await rig.put(shielded(blue, backend("green@1", green)))
    assert await send(rig, 400) == {(200, "blue"): 400}
    assert len(green.seen) > 60


@pytest.mark.parametrize("size", [1_000_000, 3_000_000])
async def test_large_answers_of_a_good_candidate_come_whole(rig: Rig, size: int) -> None:
    blue, green = await rig.server("blue"), Breaking("green", size)
    await green.start()
    rig.stack.push_async_callback(green.stop)
    await rig.put(shielded(blue, backend("green@1", green), {"green@1": 10_000}))
    client = rig.client()
    for _ in range(5):
        answer = await client.send(SCORE)
        assert (answer.status, answer.replica, len(answer.body)) == (200, "green", size)


async def test_a_request_too_large_is_413_here_too(start_rig: StartRig) -> None:
    rig = await start_rig(max_request_bytes=100_000)
    blue, green = await rig.server("blue"), await rig.server("green")
    await rig.put(shielded(blue, backend("green@1", green), {"green@1": 10_000}))
    assert (await rig.client().send(SCORE, body=b"x" * 100_000)).status == 200
    assert (await rig.client().send(SCORE, body=b"x" * 100_001)).status == 413
    assert len(green.seen) == 1
    assert blue.seen == []


@pytest.mark.parametrize("hosts", [(), (Host("127.0.0.1", free_port()),)], ids=["no hosts", "refuses"])
async def test_no_client_sees_that_the_candidate_is_not_there(rig: Rig, hosts: tuple[Host, ...]) -> None:
    blue = await rig.server("blue")
    await rig.put(shielded(blue, Backend("green@1", "green", hosts)))
    assert await send(rig, 400) == {(200, "blue"): 400}


@pytest.mark.parametrize("size", [500_000, 3_000_000])
async def test_bodies_are_asked_again_whole(rig: Rig, size: int) -> None:
    blue, green = await rig.server("blue"), await faulty(rig, FAULTS["500"])
    await rig.put(shielded(blue, backend("green@1", green)))
    assert await send(rig, 80, b"x" * size) == {(200, "blue"): 80}
    assert {length for _, _, length in blue.seen} == {size}
    assert len(green.seen) > 8


async def test_a_good_candidate_keeps_its_share_and_answers_are_told_by_deployment(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await rig.server("green")
    await rig.put(shielded(blue, backend("green@1", green)))
    client = rig.client()
    answers = [await client.send(SCORE) for _ in range(600)]
    assert {answer.status for answer in answers} == {200}
    assert 120 <= sum(answer.replica == "green" for answer in answers) <= 240
    assert all(answer.headers["azureml-model-deployment"] == answer.replica for answer in answers)
    assert len(green.seen) + len(blue.seen) == 600


async def test_what_the_proven_release_fails_is_not_asked_of_the_candidate(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await rig.server("green")
    await rig.put(shielded(blue, backend("green@1", green), {"blue@1": 9999, "green@1": 1}))
    client = rig.client()
    answers = [await client.send(SCORE, x_status="500") for _ in range(50)]
    assert {answer.status for answer in answers} == {424}
    assert len(green.seen) <= 1


async def test_a_request_that_pins_the_candidate_sees_its_own_failure(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await faulty(rig, FAULTS["500"])
    await rig.put(shielded(blue, backend("green@1", green)))
    client = rig.client()
    for pin in ({"azureml_model_deployment": "green"}, {"headgate_release": "green@1"}):
        answer = await client.send(SCORE, **pin)
        assert (answer.status, answer.replica) == (424, "green")
        assert answer.headers["ms-azureml-model-error-statuscode"] == "500"


async def test_moving_shares_under_load_to_and_from_a_failing_candidate_fails_nothing(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await faulty(rig, FAULTS["500"])
    candidate = backend("green@1", green)
    plain = endpoint("iris", (backend("blue@1", blue), candidate), {"blue@1": 10_000})
    await rig.put(plain)
    async with rig.load(SCORE) as counts:
        for step in range(40):
            share = (500, 3000, 6000, 0)[step % 4]
            split = {"blue@1": 10_000 - share} | ({"green@1": share} if share else {})
            await rig.put(shielded(blue, candidate, split) if share else plain)
            await asyncio.sleep(0.05)
    assert failures(counts) == {}
    assert counts.total() > 500
    assert len(green.seen) > 50


async def test_killing_the_candidate_and_losing_headgate_under_load_fails_nothing(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await rig.server("green")
    await rig.put(shielded(blue, backend("green@1", green)))
    async with rig.load(SCORE) as counts:
        await until(lambda: counts[200, "green"] > 50)
        await rig.router.close()
        await green.stop()
        before = counts[200, "green"]
        await asyncio.sleep(1)
        assert counts[200, "green"] <= before + 8
        await rig.replace_router()
    assert failures(counts) == {}


async def test_a_candidate_with_paths_of_its_own_has_no_shield(rig: Rig) -> None:
    blue, green = await rig.server("blue"), await faulty(rig, FAULTS["500"])
    other = backend("green@1", green, paths=("/v1/predict", "/openapi", "/v1"))
    await rig.put(shielded(blue, other, {"green@1": 10_000}))
    assert (await rig.client().send(SCORE)).status == 424
