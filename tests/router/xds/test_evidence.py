"""What live requests showed of each release, by a real Envoy, against what its clients counted themselves."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from console.metrics import LiveMetrics
from observability.evidence import BOUNDS_MS, NOTHING, OUTCOMES, Tally
from reconciler.clock import SystemClock
from router.table import Backend, EndpointRoute, Host
from tests.router.xds.rig import Client, Faulty, Rig, StartRig, backend, endpoint, free_port, until

pytestmark = pytest.mark.real

SCORE = "/endpoints/iris/score"
SHARES = {"blue@1": 9000, "green@1": 1000}
Counts = dict[str, dict[str, int]]


class Trial:
    """A router whose evidence is counted."""

    def __init__(self) -> None:
        self.rig: Rig
        self.metrics = LiveMetrics("e", SystemClock(), lambda: self.rig.router.connected)

    def tallies(self) -> Mapping[str, Tally]:
        reading = self.metrics.reading("iris")
        return {} if reading is None else reading.tallies

    def counts(self) -> Counts:
        """Outcomes that happened, by release."""
        found = {
            release: {name: count for name, count in zip(OUTCOMES, tally.outcomes, strict=True) if count}
            for release, tally in self.tallies().items()
        }
        return {release: counts for release, counts in found.items() if counts}

    async def settle(self, total: int) -> None:
        """Return once this many attempts were counted and no further one comes."""
        await until(lambda: sum(sum(tally.outcomes) for tally in self.tallies().values()) >= total, 5)
        await asyncio.sleep(0.25)


@pytest.fixture
async def trial(start_rig: StartRig) -> Trial:
    """With one worker, so that limits are exact."""
    made = Trial()
    made.rig = await start_rig(heard=made.metrics.heard, workers=1)
    return made


def on_trial(route: EndpointRoute, *releases: str) -> EndpointRoute:
    return replace(route, trial=releases or ("green@1",))


async def two_releases(trial: Trial, shares: Mapping[str, int] = SHARES, **fields: Any) -> EndpointRoute:  # noqa: ANN401
    servers = [await trial.rig.server(name) for name in ("blue", "green")]
    backends = tuple(backend(f"{server.name}@1", server, **fields) for server in servers)
    route = on_trial(endpoint("iris", backends, shares))
    await trial.rig.put(route)
    return route


BEHAVIOURS: dict[str, dict[str, str]] = {
    "ok": {},
    "5xx": {"x_status": "500"},
    "4xx": {"x_status": "422"},
    "429": {"x_status": "429"},
    "reset": {"x_reset": "1"},
    "408": {"x_delay": "0.6"},
}


async def test_tallies_are_what_the_clients_counted(trial: Trial) -> None:
    """The shares are told by the answers, which name the deployment whatever happened to the request."""
    await two_releases(trial, {"blue@1": 6000, "green@1": 4000}, timeout_ms=300)
    sent: Counter[tuple[str, str]] = Counter()

    async def drive(client: Client, seed: int) -> None:
        chooses = random.Random(seed)
        for _ in range(60):
            outcome = chooses.choice(list(BEHAVIOURS))
            answer = await client.send(SCORE, **BEHAVIOURS[outcome])
            sent[answer.headers["azureml-model-deployment"], outcome] += 1

    await asyncio.gather(*(drive(trial.rig.client(), seed) for seed in range(8)))
    await trial.settle(480)
    expected: Counts = {}
    for (deployment, outcome), count in sent.items():
        expected.setdefault(f"{deployment}@1", {})[outcome] = count
    assert trial.counts() == expected


async def test_evidence_comes_within_half_a_second(trial: Trial) -> None:
    await two_releases(trial)
    client, delays = trial.rig.client(), []
    for number in range(1, 101):
        await client.send(SCORE)
        answered = time.monotonic()
        await until(lambda number=number: sum(tally.total for tally in trial.tallies().values()) == number, 2)  # type: ignore[misc]
        delays.append(time.monotonic() - answered)
    assert sorted(delays)[98] < 0.5


async def test_pinned_and_mirrored_requests_do_not_count_nor_any_without_a_trial(trial: Trial) -> None:
    route = await two_releases(trial, {"blue@1": 10_000})
    await trial.rig.put(replace(route, mirror=("green@1", 50)))
    client = trial.rig.client()
    for pin in ({"headgate_release": "green@1"}, {"azureml_model_deployment": "blue"}):
        for _ in range(20):
            await client.send(SCORE, x_status="500", **pin)
    for _ in range(50):
        assert (await client.send(SCORE)).status == 200
    await trial.settle(50)
    assert trial.counts() == {"blue@1": {"ok": 50}}
    await trial.rig.put(replace(route, trial=()))
    for _ in range(20):
        await client.send(SCORE)
    await trial.rig.put(route)
    await client.send(SCORE)
    await trial.settle(51)
    assert trial.counts() == {"blue@1": {"ok": 51}}


async def test_answers_of_envoy_itself_and_clients_that_leave_are_no_evidence(trial: Trial) -> None:
    await two_releases(trial)
    stranger, client, leaving = trial.rig.client("wrong"), trial.rig.client(), trial.rig.client()
    assert (await stranger.send(SCORE)).status == 401
    assert (await trial.rig.client().send(SCORE, body=b"x" * 10_500_000)).status == 413
    request = asyncio.create_task(leaving.send(SCORE, x_delay="0.3"))
    await asyncio.sleep(0.1)
    leaving.close()
    await request
    await client.send(SCORE)
    await trial.settle(1)
    assert sum((tally for tally in trial.tallies().values()), NOTHING).outcomes == (1, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("hosts", "status"), [((), 503), ((Host("127.0.0.1", free_port()),), 503)])
async def test_nobody_there_and_refused_are_resets(trial: Trial, hosts: tuple[Host, ...], status: int) -> None:
    gone = Backend("gone@1", "gone", hosts)
    await trial.rig.put(on_trial(endpoint("iris", (gone,)), "gone@1"))
    client = trial.rig.client()
    for _ in range(5):
        assert (await client.send(SCORE)).status == status
    await trial.settle(5)
    assert trial.counts() == {"gone@1": {"reset": 5}}


async def test_what_finds_no_capacity_is_429_and_what_waits_too_long_408(trial: Trial) -> None:
    server = await trial.rig.server("blue")
    narrow = backend("blue@1", server, max_concurrent=1, timeout_ms=400, max_queue_wait_ms=200)
    await trial.rig.put(on_trial(endpoint("iris", (narrow,)), "blue@1"))
    first = asyncio.create_task(trial.rig.client().send(SCORE, x_delay="0.38"))
    await until(lambda: server.active == 1)
    others = (trial.rig.client().send(SCORE, x_delay="0.38") for _ in range(5))
    answers = await asyncio.gather(first, *others)
    names = {200: "ok", 408: "408", 429: "429"}
    await trial.settle(6)
    assert trial.counts() == {"blue@1": dict(Counter(names[answer.status] for answer in answers))}
    assert {answer.status for answer in answers} == {200, 408, 429}


async def test_latency_is_the_replicas_own(trial: Trial) -> None:
    """Two requests at once to a replica that takes one at a time: the second one's wait is not the model's."""
    server = await trial.rig.server("blue")
    narrow = backend("blue@1", server, max_concurrent=1)
    await trial.rig.put(on_trial(endpoint("iris", (narrow,)), "blue@1"))
    await asyncio.gather(*(trial.rig.client().send(SCORE, x_delay="0.2") for _ in range(2)))
    await trial.settle(2)
    latency = trial.tallies()["blue@1"].latency
    assert sum(latency) == 2
    assert [
        bound for bound, count in zip((*BOUNDS_MS, 1e9), latency, strict=True) if count and not 200 <= bound < 300
    ] == []


async def test_headgate_gone_for_three_seconds_harms_no_request_and_its_return_brings_evidence(trial: Trial) -> None:
    await two_releases(trial)
    async with trial.rig.load(SCORE) as counts:
        await until(lambda: bool(trial.counts()))
        await trial.rig.router.close()
        assert trial.metrics.reading("iris") is None
        before = trial.metrics.tallies.reading("iris", SystemClock().now()).tallies
        answered = counts.total()
        await asyncio.sleep(3)
        assert counts.total() > answered + 50
        await trial.rig.replace_router()
        await until(lambda: trial.tallies()["blue@1"].total > before["blue@1"].total + 50)
    assert {status for status, _ in counts} == {200}
    assert len(trial.counts()["blue@1"]) == 1


async def test_nothing_is_lost_under_load_and_what_headgate_does_not_take_in_time_waits(trial: Trial) -> None:
    """Envoy's own count of entries against those that came, and the clients' count of requests."""
    await two_releases(trial)
    async with trial.rig.load(SCORE, clients=16) as counts:
        await until(lambda: counts.total() > 500)
        time.sleep(1)  # noqa: ASYNC251 - an event loop that hangs is what is shown
        await until(lambda: counts.total() > 1500)
    await trial.settle(counts.total())
    assert sum(tally.total for tally in trial.tallies().values()) == counts.total()
    assert await trial.rig.router.evidence_sent() == trial.rig.router.evidence.records == counts.total()
    assert trial.rig.router.on_trial


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"x-status": "500"}, "5xx"),
        ({"x-status": "422"}, "4xx"),
        ({"x-reset": "1"}, "reset"),
        ({"x-delay": "0.5"}, "408"),
        ({}, "ok"),
    ],
)
async def test_a_shielded_release_is_judged_by_its_own_attempts(
    trial: Trial, fault: dict[str, str], outcome: str
) -> None:
    """Each request that reached the candidate is in its tally, and each that the stable release answered in that."""
    blue, green = await trial.rig.server("blue"), await Faulty("green", fault).start()
    trial.rig.stack.push_async_callback(green.stop)
    backends = (backend("blue@1", blue), backend("green@1", green, timeout_ms=250))
    route = on_trial(endpoint("iris", backends, {"blue@1": 5000, "green@1": 5000}))
    await trial.rig.put(replace(route, shield="blue@1"))
    clients = [trial.rig.client() for _ in range(4)]
    answers = [
        answer for _ in range(15) for answer in await asyncio.gather(*(client.send(SCORE) for client in clients))
    ]
    by_blue = sum(answer.replica == "blue" for answer in answers)
    await trial.settle(len(green.seen) + by_blue)
    assert len(green.seen) > 10
    assert trial.counts() == {"blue@1": {"ok": by_blue}, "green@1": {outcome: len(green.seen)}}
