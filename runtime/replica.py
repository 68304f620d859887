"""Copies of a model server, as data: what a runtime reports of a release."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spec.release import Recipe, ReleaseRef


class ReplicaState(StrEnum):
    """The life of one replica."""

    STARTING = "starting"
    """Its process runs; it was never ready."""
    READY = "ready"
    """Its readiness probe passes, or is late only because the replica is busy scoring."""
    UNREADY = "unready"
    """It was ready and its readiness probe fails now."""
    WAITING = "waiting"
    """It ended; the runtime starts it again after a back-off (`CrashLoopBackOff` from the second time on)."""
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """One replica of a release."""

    id: str
    """Unique in the installation and over time: a restarted process keeps it, a replacement has another."""
    state: ReplicaState
    address: str = ""
    port: int = 0
    restarts: int = 0
    since: datetime | None = None
    reason: str = ""
    """CamelCase, Kubernetes' word where it has one: `CrashLoopBackOff`, `OOMKilled`."""
    message: str = ""
    ready_at: datetime | None = None


class Stage(StrEnum):
    """How far a release's artifacts and environment are."""

    PENDING = "pending"
    PREPARING = "preparing"
    PREPARED = "prepared"
    FAILED = "failed"


class Blame(StrEnum):
    """Why preparing failed, which decides what happens next."""

    RELEASE = "release"
    """The content is wrong (no such requirement, model missing): only a new commit helps."""
    WORLD = "world"
    """Network, disk, quota, a registry that is away: the runtime goes on trying."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """Progress of what must exist before a replica can start."""

    stage: Stage
    message: str = ""
    """What is being done, or what failed and what to do next."""
    reason: str = ""
    """CamelCase: `EnvironmentBuildFailed`, `ModelMissing`."""
    blame: Blame | None = None
    notes: tuple[tuple[str, str], ...] = ()
    """Reason and message of what a user should know though it works: `PythonVersionNotFound`, …"""


@dataclass(frozen=True, slots=True)
class ReleaseSeen:
    """What a runtime knows of one release."""

    preparation: Preparation
    wanted: int = 0
    """Replicas last asked for."""
    replicas: tuple[ReplicaSeen, ...] = ()

    @property
    def ready(self) -> tuple[ReplicaSeen, ...]:
        """The replicas that may get traffic."""
        return tuple(replica for replica in self.replicas if replica.state is ReplicaState.READY)


@dataclass(frozen=True, slots=True)
class ReleaseWant:
    """An absolute target for one release: repeating it is harmless.

    `stop` names drained replicas; a runtime that has more replicas than `count` stops only those.
    """

    release: ReleaseRef
    recipe: Recipe
    count: int
    stop: frozenset[str] = frozenset()
