"""The Headgates that are measured, by size: each a process of its own, all ended together."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.figures import Progress
from benchmarks.repository import SUBPATH, Repository
from benchmarks.statics import free_port
from benchmarks.tiny import Replicas
from console.client import Client
from console.down import stop_installation
from console.paths import Paths

MOST_WITH_TWO = 2000
"""Larger repositories have one deployment an endpoint."""
_PATIENCE_S = 1800.0


@dataclass(slots=True)
class Plane:
    """One Headgate; instants in nanoseconds of the epoch."""

    repository: Repository
    process: "subprocess.Popen[str]"
    port: int
    paths: Paths
    began: int = 0
    """When its parts were wired."""
    said: list[dict[str, Any]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def envoy(self) -> int:
        """The pid of its Envoy."""
        return int(self.said[-1]["envoy"])

    def key(self, name: str) -> str:
        """The endpoint's key."""
        with Client(self.paths) as client:
            return client.keys(name).primary

    def first(self, what: str) -> float:
        """Seconds from when its parts were wired until it first had a commit `commit` (loaded) or `applied`."""
        return (self.wait(lambda line: bool(line[what])) - self.began) / 1e9

    def wait(self, what: Callable[[dict[str, Any]], bool], since: int = 0, within_s: float = _PATIENCE_S) -> int:
        """Return when it first said such a thing after the first `since` lines."""
        deadline = time.monotonic() + within_s
        with self.news:
            while True:
                for line in self.said[since:]:
                    if what(line):
                        return int(line["at"])
                if self.process.poll() is not None or not self.news.wait(max(0.0, deadline - time.monotonic())):
                    raise RuntimeError(f"Headgate said nothing of the kind; its log: {self.paths.log_file}")

    def read(self) -> None:
        """Take in what it says, to its end."""
        for line in self.process.stdout or ():
            with self.news:
                self.said.append(json.loads(line))
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    def close(self) -> None:
        """End it with its Envoy."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            asyncio.run(stop_installation(self.paths, 5))


class Farm:
    """Starts planes on demand and keeps them until the end of the block."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.replicas = Replicas()
        self._folder = folder
        self._progress = progress
        self._planes: dict[int, Plane] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for plane in self._planes.values():
            plane.close()
        self.replicas.close()

    def plane(self, size: int) -> Plane:
        """The Headgate on a repository of `size` endpoints, everything live."""
        if size not in self._planes:
            self._planes[size] = self._start(size)
        return self._planes[size]

    def _start(self, size: int) -> Plane:
        deployments = ("blue", "green") if size <= MOST_WITH_TWO else ("blue",)
        self._progress(f"{size} endpoints: making the repository")
        repository = Repository(self._folder / f"repo-{size}", size, deployments)
        repository.make()
        self._progress(f"{size} endpoints: starting Headgate")
        port, state = free_port(), self._folder / f"s{size}"
        given = {
            "repo": str(repository.path),
            "path": SUBPATH,
            "port": port,
            "state": str(state),
            "ports": self.replicas.ports,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.plane", json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        plane = Plane(repository, process, port, Paths(state))
        threading.Thread(target=plane.read, daemon=True).start()
        self._planes[size] = plane
        plane.began = plane.wait(lambda _: True)
        self._progress(f"{size} endpoints: loaded after {plane.first('commit'):.1f} s")
        self._progress(f"{size} endpoints: live after {plane.first('applied'):.1f} s")
        return plane
