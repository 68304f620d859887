"""One installation of the process runtime with a small model server of the standard library."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

import runtime
from runtime import system
from runtime.process import ProcessRuntime
from runtime.records import Record, Records
from runtime.replica import Preparation, ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from runtime.site import Pace
from spec.errors import HeadgateError
from spec.release import Environment, InstanceType, Probe, Recipe, ReleaseRef, Server

SERVER = Path(__file__).with_name("model_server.py")
BLUE = ReleaseRef("wine", "blue", "3f2a9c41d0e7")
GREEN = ReleaseRef("wine", "green", "aaaaaaaaaaaa")
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("test"),
    instance_type=InstanceType("small", 1, 2**30),
    liveness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=2),
    readiness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=1),
    request_timeout_ms=3000,
)
QUICK = Pace(first=0.2, most=1)


@dataclass(frozen=True)
class Launch:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


@dataclass
class Stub:
    """A preparer whose releases are the model server in some mode."""

    cwd: Path
    modes: dict[str, str] = field(default_factory=dict)
    errors: list[HeadgateError] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    prepared: int = 0
    forgotten: list[ReleaseRef] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    intact: bool = True
    mode: str = "ok"
    notes: tuple[tuple[str, str], ...] = (("Noted", "so it is"),)

    async def prepare(self, release: ReleaseRef, recipe: Recipe, report: Callable[[Preparation], None]) -> "Stub":
        assert recipe.runtime == "process"
        self.prepared += 1
        self.steps.append("prepare")
        if self.errors:
            raise self.errors.pop(0)
        report(Preparation(Stage.PREPARING, message=f"laying out {release.name}"))
        await asyncio.sleep(0)
        return replace(self, mode=self.modes.get(release.deployment, "ok"))

    async def check(self, prepared: "Stub") -> bool:
        assert prepared.mode
        return self.intact

    async def missing(self, prepared: "Stub") -> str:
        return "" if await self.check(prepared) else "its folder"

    async def forget(self, release: ReleaseRef, recipe: Recipe) -> None:
        assert recipe.runtime == "process"
        self.steps.append("removing")
        await self.gate.wait()
        self.steps.append("removed")
        self.forgotten.append(release)

    def launch(self, port: int) -> Launch:
        env = {"PATH": os.environ["PATH"], **self.env}
        return Launch((sys.executable, "-S", str(SERVER), str(port), self.mode), env, self.cwd)


class Yard:
    """One installation: runtimes are opened on it, and nothing of it is left at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.cwd = root / "cwd"
        self.cwd.mkdir()
        self.installation = secrets.token_hex(8)
        self.stub = Stub(self.cwd)
        self.stub.gate.set()
        self.busy = 0
        self.runtime: ProcessRuntime

    async def in_flight(self, _address: str, _port: int) -> int:
        return self.busy

    async def open(self) -> ProcessRuntime:
        self.runtime = ProcessRuntime(self.state, self.installation, self.stub, in_flight=self.in_flight, pace=QUICK)
        assert self.runtime.seen() is None
        await self.runtime.start()
        return self.runtime

    async def want(self, count: int, *stop: str, ref: ReleaseRef = BLUE, recipe: Recipe = RECIPE) -> None:
        await self.runtime.apply(ReleaseWant(ref, recipe, count, frozenset(stop)))

    def release(self, ref: ReleaseRef = BLUE) -> ReleaseSeen:
        seen = self.runtime.seen()
        assert seen is not None
        return seen[ref]

    def replicas(self, ref: ReleaseRef = BLUE) -> tuple[ReplicaSeen, ...]:
        return self.release(ref).replicas

    async def ready(self, count: int, ref: ReleaseRef = BLUE) -> tuple[ReplicaSeen, ...]:
        await until(lambda: len(self.release(ref).ready) == count, self.tell)
        return self.release(ref).ready

    async def state_of(self, state: ReplicaState, reason: str = "") -> ReplicaSeen:
        def found() -> ReplicaSeen | None:
            return next((one for one in self.replicas() if (one.state, one.reason) == (state, reason)), None)

        await until(lambda: found() is not None, self.tell)
        one = found()
        assert one is not None
        return one

    def tell(self) -> str:
        logs = "\n".join(str(line) for line in self.runtime.logs.read("wine", "blue", 50))
        return f"{self.runtime.seen()}\n{logs}"

    def processes(self) -> list[int]:
        return sorted(found.pid for found, _ in system.carriers(self.installation))

    def parent(self, *args: str) -> "subprocess.Popen[bytes]":
        """Another Headgate on this installation."""
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(runtime.__file__).parent.parent)}
        argv = [sys.executable, str(SERVER.with_name("parent.py")), str(self.state), self.installation, *args]
        return subprocess.Popen(argv, cwd=self.cwd, env=env, stdout=subprocess.PIPE)

    def records(self) -> list[Record]:
        return Records(self.state / "replicas").read()


async def until(condition: Callable[[], object], tell: Callable[[], str] = str, seconds: float = 45) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {tell()}"
        await asyncio.sleep(0.02)


async def get(replica: ReplicaSeen, path: str = "/", timeout: float = 10) -> httpx.Response:  # noqa: ASYNC109
    async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
        return await client.get(f"http://{replica.address}:{replica.port}{path}")


async def pid_of(replica: ReplicaSeen) -> int:
    return int((await get(replica)).text)
