"""The reconciler's ports in memory: they answer at once, and outlive one reconciler."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import cast

from forge.snapshot import Difference, Snapshot, SourceSeen
from observability.evidence import NOTHING, Reading, Tally
from observability.examination import Examination, Outcome
from observability.verdict import Verdict
from router.table import EndpointRoute, RouterSeen, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from spec.errors import TransientError
from spec.files import Changes, Entry, Kind
from spec.problem import Problem
from spec.release import ReleaseRef

SCORE = "def init():\n    pass\n\n\ndef run(raw):\n    return 1\n"


def endpoint_files(name: str, extra: str = "") -> dict[str, str]:
    deployment = (
        f"name: blue\nendpoint_name: {name}\ninstance_type: Standard_DS2_v2\ninstance_count: 1\n"
        f"environment: azureml:minimal-py311-inference@latest\n"
        f"code_configuration: {{code: ./src, scoring_script: score.py}}\n{extra}"
    )
    return {
        f"{name}/endpoint.yml": f"name: {name}\nauth_mode: key\ntraffic: {{blue: 100}}\n",
        f"{name}/blue.yml": deployment,
        f"{name}/src/score.py": SCORE,
    }


async def until(condition: Callable[[], bool], told: Callable[[], object] = lambda: None) -> None:
    """Wait up to ten seconds for a condition."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(told())


class Special(str):
    """In place of a file's text: what else is there, a symlink or a submodule."""

    __slots__ = ()


class MemoryFiles:
    """A commit as a mapping from path to content."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = dict(files)

    def entries(self) -> Mapping[str, Entry]:
        return {path: _entry(path, content) for path, content in self._files.items()}

    def directory(self, path: str) -> Entry | None:
        below = sorted(
            (name, repr(text)) for name, text in self._files.items() if name.startswith(f"{path}/") or not path
        )
        return Entry(path, "directory", _oid(repr(below))) if below else None

    def read(self, entry: Entry) -> bytes:
        content = self._files[entry.path]
        return content if isinstance(content, bytes) else content.encode()

    def problems(self) -> tuple[Problem, ...]:
        return ()

    def differing(self, other: "MemoryFiles") -> frozenset[str]:
        names = self._files.keys() | other._files.keys()  # noqa: SLF001
        return frozenset(name for name in names if self._files.get(name) != other._files.get(name))  # noqa: SLF001


def _entry(path: str, content: str | bytes) -> Entry:
    kind = cast("Kind", str(content)) if isinstance(content, Special) else "file"
    return Entry(path, kind, _oid(content), len(content))


def _oid(content: str | bytes) -> str:
    blob = content if isinstance(content, bytes) else content.encode()
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


class MemorySource:
    """Commits are pushed by hand; one that is away yields nothing."""

    def __init__(self) -> None:
        self.away = False
        self._number = 0
        self._latest: Snapshot | None = None

    def push(self, files: Mapping[str, str | bytes]) -> None:
        self._number += 1
        made = MemoryFiles(files)
        self._latest = Snapshot(f"c{self._number}", _oid(repr(sorted(files.items()))), made, f"commit {self._number}")

    async def watch(self) -> AsyncIterator[Difference]:
        given: Snapshot | None = None
        while True:
            latest = self._latest
            if latest is not None and latest is not given and not self.away:
                before, given = given, latest
                changes = Changes(latest.files.differing(before.files)) if before else None
                yield Difference(latest, changes)
            await asyncio.sleep(0.01)

    async def sync(self) -> str:
        if self.away or self._latest is None:
            raise TransientError("the source is away")
        return self._latest.commit

    def seen(self) -> SourceSeen:
        return SourceSeen(self._latest.commit if self._latest else None, None, datetime.now(UTC))


class MemoryRouter:
    """Acknowledges every push a moment later."""

    def __init__(self) -> None:
        self.routes: dict[str, EndpointRoute] = {}
        self.drops: list[str] = []
        self._pushed: dict[str, int] = {}
        self._acknowledged: dict[str, int] = {}
        self._subscribers: list[Callable[[str], None]] = []

    def put(self, route: EndpointRoute) -> int:
        if self.routes.get(route.endpoint) != route:
            self.routes[route.endpoint] = route
            self._push(route.endpoint)
        return self._pushed[route.endpoint]

    def drop(self, endpoint: str) -> int:
        if self.routes.pop(endpoint, None):
            self.drops.append(endpoint)
            self._push(endpoint)
        return self._pushed.get(endpoint, 0)

    def seen(self) -> RouterSeen | None:
        routes = {
            name: RouteSeen(self.routes.get(name), pushed, self._acknowledged.get(name, 0))
            for name, pushed in self._pushed.items()
        }
        return RouterSeen(routes, {})

    async def refresh(self) -> None:
        pass

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._subscribers.append(changed)

    def forget_subscribers(self) -> None:
        self._subscribers.clear()

    def _push(self, endpoint: str) -> None:
        self._pushed[endpoint] = self._pushed.get(endpoint, 0) + 1
        asyncio.get_running_loop().call_soon(self._acknowledge, endpoint, self._pushed[endpoint])

    def _acknowledge(self, endpoint: str, generation: int) -> None:
        self._acknowledged[endpoint] = generation
        for changed in self._subscribers:
            changed(endpoint)


class MemoryRuntime:
    """Every replica is ready a moment after it was asked for; `failures` are raised first, one an `apply`."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.stops = 0
        self.looks = 0
        self._releases: dict[ReleaseRef, ReleaseSeen] = {}
        self._subscribers: list[Callable[[ReleaseRef], None]] = []
        self._number = 0

    async def apply(self, want: ReleaseWant) -> None:
        if self.failures:
            raise self.failures.pop(0)
        before = self._releases.get(want.release)
        kept = [replica for replica in (before.replicas if before else ()) if replica.id not in want.stop]
        self.stops += len(before.replicas) - len(kept) if before else 0
        while len(kept) < want.count:
            self._number += 1
            kept.append(ReplicaSeen(f"r{self._number}", ReplicaState.READY, "127.0.0.1", 10_000 + self._number))
        self._releases[want.release] = ReleaseSeen(Preparation(Stage.PREPARED), want.count, tuple(kept))
        asyncio.get_running_loop().call_soon(self._tell, want.release)

    async def forget(self, release: ReleaseRef) -> None:
        found = self._releases.pop(release, None)
        self.stops += len(found.replicas) if found else 0
        asyncio.get_running_loop().call_soon(self._tell, release)

    def seen(self) -> Mapping[ReleaseRef, ReleaseSeen] | None:
        self.looks += 1
        return dict(self._releases)

    def subscribe(self, changed: Callable[[ReleaseRef], None]) -> None:
        self._subscribers.append(changed)

    def forget_subscribers(self) -> None:
        self._subscribers.clear()

    def _tell(self, release: ReleaseRef) -> None:
        for changed in self._subscribers:
            changed(release)


class MemoryMetrics:
    """Attempts are counted by hand; `away` is metrics that are gone."""

    def __init__(self) -> None:
        self.away = False
        self.epoch = "e1"
        self._tallies: dict[str, dict[str, Tally]] = {}
        self._subscribers: list[Callable[[str], None]] = []

    def count(self, endpoint: str, release: str, tally: Tally) -> None:
        releases = self._tallies.setdefault(endpoint, {})
        releases[release] = releases.get(release, NOTHING) + tally
        for changed in self._subscribers:
            changed(endpoint)

    def begin_anew(self, epoch: str) -> None:
        self.epoch = epoch
        self._tallies.clear()

    def reading(self, endpoint: str) -> Reading | None:
        if self.away:
            return None
        return Reading(self.epoch, datetime.now(UTC), dict(self._tallies.get(endpoint, {})))

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._subscribers.append(changed)

    def forget_subscribers(self) -> None:
        self._subscribers.clear()


class MemoryExaminer:
    """Every examination ends as `outcome` says, at once."""

    def __init__(self) -> None:
        self.outcome = Outcome(Verdict.GOOD, "as it should be")
        self.examined: list[Examination] = []

    async def examine(self, examination: Examination) -> Outcome:
        self.examined.append(examination)
        return self.outcome
