"""The process runtime with Microsoft's own inference server."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import httpx
import psutil
import pytest

from runtime import system
from runtime.layout import Layout
from runtime.prepared import Prepared
from runtime.process import ProcessRuntime, stop_installation
from runtime.replica import Preparation, ReleaseWant, ReplicaSeen, ReplicaState
from runtime.site import Pace
from spec.release import Artifact, Code, Environment, InstanceType, Probe, Recipe, ReleaseRef, Server

pytestmark = pytest.mark.real

BLUE = ReleaseRef("wine", "blue", "3f2a9c41d0e7")
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("test"),
    instance_type=InstanceType("small", 1, 2**30),
    code=Code(Artifact("0" * 40, "directory", "src"), "score.py"),
    liveness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=2),
    readiness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=1),
    request_timeout_ms=8000,
)
PATIENT = replace(RECIPE, liveness=Probe(), readiness=Probe())

OK = "import os\ndef init(): pass\ndef run(data): return os.getpid()\n"
RAISES = "def init(): raise ValueError('no model at all')\ndef run(data): return 1\n"
NO_RUN = "def init(): pass\n"
HANGS = "import time\ndef init(): time.sleep(600)\ndef run(data): return 1\n"
SLOW = """
import json, os, signal, time
def init(): pass
def run(data):
    seconds = json.loads(data)["seconds"]
    if seconds > 60:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    if seconds < 0:
        os._exit(1)
    time.sleep(seconds)
    return seconds
"""


@dataclass
class Bench:
    """One installation whose release runs the given score.py."""

    root: Path
    python: Path
    installation: str = field(default_factory=lambda: secrets.token_hex(8))
    busy: int = 0

    async def open(self, score: str) -> ProcessRuntime:
        self.layout().app_root.joinpath("score.py").write_text(score)
        self.runtime = ProcessRuntime(
            self.root / "state", self.installation, self, in_flight=self.in_flight, pace=Pace(first=0.2)
        )
        await self.runtime.start()
        return self.runtime

    async def in_flight(self, _address: str, _port: int) -> int:
        return self.busy

    async def prepare(self, release: ReleaseRef, recipe: Recipe, _report: Callable[[Preparation], None]) -> Prepared:
        return Prepared(release, recipe, self.layout(), self.python, "test")

    async def check(self, prepared: Prepared) -> bool:
        return prepared.python.exists()

    async def missing(self, prepared: Prepared) -> str:
        return "" if await self.check(prepared) else str(prepared.python)

    async def forget(self, _release: ReleaseRef, _recipe: Recipe) -> None: ...

    def layout(self) -> Layout:
        where = {name: self.root / name for name in ("model_dir", "app_root", "server", "home", "temp")}
        for path in where.values():
            path.mkdir(exist_ok=True)
        conf = resources.files("runtime.servers").joinpath("gunicorn_conf.py").read_text()
        (self.root / "server" / "gunicorn_conf.py").write_text(conf)
        return Layout(release=BLUE, root=self.root, **where)

    async def want(self, count: int, *stop: str, recipe: Recipe = RECIPE) -> None:
        await self.runtime.apply(ReleaseWant(BLUE, recipe, count, frozenset(stop)))

    def replicas(self) -> tuple[ReplicaSeen, ...]:
        return (self.runtime.seen() or {})[BLUE].replicas

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                log = "\n".join(str(line) for line in self.runtime.logs.read("wine", "blue", 100))
                raise AssertionError(f"not within {seconds} s: {self.runtime.seen()}\n{log}")
            await asyncio.sleep(0.05)

    async def in_state(self, state: ReplicaState, reason: str = "") -> ReplicaSeen:
        def found() -> list[ReplicaSeen]:
            return [one for one in self.replicas() if (one.state, one.reason) == (state, reason)]

        await self.until(found)
        return found()[0]

    async def score(self, replica: ReplicaSeen, body: object = None, timeout: float = 30) -> httpx.Response:  # noqa: ASYNC109
        async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
            return await client.post(f"http://{replica.address}:{replica.port}/score", json=body)


@pytest.fixture
async def bench(tmp_path: Path, server_python: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, server_python)
    try:
        yield bench
    finally:
        await bench.runtime.close()
        await stop_installation(tmp_path / "state", bench.installation)
    assert system.carriers(bench.installation) == []


async def test_ready_means_that_a_worker_serves(bench: Bench) -> None:
    await bench.open(OK)
    await bench.want(2, recipe=PATIENT)
    await bench.until(lambda: len((bench.runtime.seen() or {})[BLUE].ready) == 2)
    answers = [await bench.score(one) for one in bench.replicas()]
    assert [answer.status_code for answer in answers] == [200, 200]
    workers = {int(answer.text) for answer in answers}
    assert len({os.getsid(pid) for pid in workers}) == 2
    lines = bench.runtime.logs.read("wine", "blue")
    assert any("ready for serving traffic" in line.text for line in lines)


@pytest.mark.parametrize(("score", "said"), [(RAISES, "ValueError: no model at all"), (NO_RUN, "run")])
async def test_init_fails(bench: Bench, score: str, said: str) -> None:
    await bench.open(score)
    await bench.want(1, recipe=PATIENT)
    one = await bench.in_state(ReplicaState.WAITING, "InitFailed")
    assert said in one.message
    again = await bench.in_state(ReplicaState.WAITING, "CrashLoopBackOff")
    assert again.message.startswith("InitFailed: ")


async def test_init_hangs(bench: Bench) -> None:
    await bench.open(HANGS)
    await bench.want(1)
    await bench.in_state(ReplicaState.STARTING, "ReadinessProbeFailed")
    await bench.in_state(ReplicaState.UNREADY, "LivenessProbeFailed")
    one = bench.replicas()[0]
    assert one.ready_at is None


async def test_a_sleeping_run_is_busy_while_the_router_counts_it_and_hung_otherwise(bench: Bench) -> None:
    await bench.open(SLOW)
    await bench.want(1)
    one = await bench.in_state(ReplicaState.READY)
    states: list[ReplicaState] = []
    bench.runtime.subscribe(lambda _: states.append(bench.replicas()[0].state))
    bench.busy = 1
    assert (await bench.score(one, {"seconds": 5})).status_code == 200
    assert states == []
    bench.busy = 0
    with contextlib.suppress(httpx.HTTPError):
        await bench.score(one, {"seconds": 600}, timeout=0.5)
    await bench.until(lambda: ReplicaState.UNREADY in states)
    await bench.until(lambda: bench.replicas()[0].restarts == 1)


async def test_a_worker_that_dies_is_the_servers_own_affair(bench: Bench) -> None:
    await bench.open(SLOW)
    await bench.want(1, recipe=PATIENT)
    one = await bench.in_state(ReplicaState.READY)
    with pytest.raises(httpx.HTTPError):
        await bench.score(one, {"seconds": -1})
    assert (await bench.score(one, {"seconds": 0})).status_code == 200
    assert bench.replicas() == (one,)


async def test_a_request_in_flight_finishes_before_a_stop(bench: Bench) -> None:
    await bench.open(SLOW)
    await bench.want(1, recipe=PATIENT)
    one = await bench.in_state(ReplicaState.READY)
    answer = asyncio.ensure_future(bench.score(one, {"seconds": 2}))
    await asyncio.sleep(0.5)
    await bench.want(0, one.id, recipe=PATIENT)
    assert bench.replicas()[0].state is ReplicaState.STOPPING
    assert (await answer).status_code == 200
    await bench.until(lambda: not bench.replicas())


async def test_the_master_is_killed_and_its_workers_go_with_it(bench: Bench) -> None:
    await bench.open(OK)
    await bench.want(1, recipe=PATIENT)
    one = await bench.in_state(ReplicaState.READY)
    worker = psutil.Process(int((await bench.score(one)).text))
    os.kill(os.getsid(worker.pid), signal.SIGKILL)
    await bench.until(lambda: bench.replicas()[0].restarts == 1)
    await bench.until(lambda: bench.replicas()[0].state is ReplicaState.READY)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert bench.replicas()[0].id == one.id
