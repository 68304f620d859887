"""A Headgate-like process to be killed: `parent.py STATE INSTALLATION COUNT [instant]`, in the servers' directory."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtime import replicas
from runtime.process import ProcessRuntime
from runtime.replica import Preparation, ReleaseWant
from spec.release import Environment, InstanceType, Recipe, ReleaseRef, Server

BLUE = ReleaseRef("wine", "blue", "3f2a9c41d0e7")
RECIPE = Recipe(Server.INFERENCE_SERVER, "process", Environment("test"), InstanceType("small", 1, 2**30))


@dataclass(frozen=True)
class Launch:
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path


class Plain:
    notes: tuple[tuple[str, str], ...] = ()

    async def prepare(self, _release: ReleaseRef, _recipe: Recipe, _report: Callable[[Preparation], None]) -> "Plain":
        return self

    async def check(self, _prepared: "Plain") -> bool:
        return True

    async def missing(self, _prepared: "Plain") -> str:
        return ""

    async def forget(self, _release: ReleaseRef, _recipe: Recipe) -> None: ...

    def launch(self, port: int) -> Launch:
        server = Path(__file__).with_name("model_server.py")
        return Launch((sys.executable, "-S", str(server), str(port), "ok"), {}, Path.cwd())


def die_after_the_spawn() -> None:
    spawn = replicas.spawn

    def fatal(*args: object) -> None:
        spawn(*args)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    replicas.spawn = fatal  # type: ignore[assignment]


async def main(state: str, installation: str, count: str) -> None:
    runtime = ProcessRuntime(Path(state), installation, Plain())
    await runtime.start()
    await runtime.apply(ReleaseWant(BLUE, RECIPE, int(count)))
    while len((runtime.seen() or {})[BLUE].ready) < int(count):  # noqa: ASYNC110 - a test
        await asyncio.sleep(0.05)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.sleep(600)


if __name__ == "__main__":
    if sys.argv[4:] == ["instant"]:
        die_after_the_spawn()
    asyncio.run(main(*sys.argv[1:4]))
