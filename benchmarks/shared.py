"""A runtime for the benchmark: every replica is ready at once, and all of them are one tiny server."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from runtime.logs import Logs
from runtime.replica import Preparation, ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from spec.release import ReleaseRef


class SharedRuntime:
    """Fits `reconciler.ports.Runtime`; `ports` says where the replicas of a deployment of that name listen."""

    def __init__(self, ports: Mapping[str, int], logs: Logs) -> None:
        self.logs = logs
        self._ports = ports
        self._seen: dict[ReleaseRef, ReleaseSeen] = {}
        self._subscribers: list[Callable[[ReleaseRef], None]] = []

    async def start(self) -> None:
        """Nothing is to be found."""

    async def settle(self, known: Collection[ReleaseRef]) -> None:
        """Nothing is left over."""

    async def close(self) -> None:
        """Nothing runs."""

    async def apply(self, want: ReleaseWant) -> None:
        """Have as many replicas as asked for, ready."""
        port = self._ports[want.release.deployment]
        replicas = tuple(
            ReplicaSeen(f"{want.release}-{number}", ReplicaState.READY, "127.0.0.1", port)
            for number in range(want.count)
        )
        seen = ReleaseSeen(Preparation(Stage.PREPARED), want.count, replicas)
        if self._seen.get(want.release) != seen:
            self._seen[want.release] = seen
            self._tell(want.release)

    async def forget(self, release: ReleaseRef) -> None:
        """Have none."""
        if self._seen.pop(release, None) is not None:
            self._tell(release)

    def seen(self) -> Mapping[ReleaseRef, ReleaseSeen]:
        """Every release."""
        return MappingProxyType(self._seen)

    def subscribe(self, changed: Callable[[ReleaseRef], None]) -> None:
        """Call `changed(release)` after every change."""
        self._subscribers.append(changed)

    def _tell(self, release: ReleaseRef) -> None:
        loop = asyncio.get_running_loop()
        for changed in self._subscribers:
            loop.call_soon(changed, release)
