"""What all replicas of one installation share."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from runtime.limits import Host
from runtime.logs import Logs
from runtime.prober import InFlight
from runtime.records import Records
from runtime.replica import Preparation
from spec.release import Recipe, ReleaseRef

LOOPBACK = "127.0.0.1"


class Launch(Protocol):
    """How one process is started; `env` is its whole environment."""

    @property
    def argv(self) -> tuple[str, ...]:
        """Program and arguments."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """All variables."""
        ...

    @property
    def cwd(self) -> Path:
        """Where it starts."""
        ...


class Prepared(Protocol):
    """A release of which replicas can be started."""

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """Reason and message of what a user should know though it works."""
        ...

    def launch(self, port: int) -> Launch:
        """How to start one replica that listens on 127.0.0.1 at `port`."""
        ...


P = TypeVar("P", bound=Prepared)


class Preparer(Protocol[P]):
    """Lays out artifacts and builds environments; all its methods belong to the event loop."""

    async def prepare(self, release: ReleaseRef, recipe: Recipe, report: Callable[[Preparation], None]) -> P:
        """Make sure that everything is there.

        Raises `HeadgateError` where the content is wrong, `TransientError` where trying again may help.
        """
        ...

    async def check(self, prepared: P) -> bool:
        """Whether a replica could start from what is there; if not, prepare again."""
        ...

    async def missing(self, prepared: P) -> str:
        """What of everything is gone or changed, in a few words; empty: nothing."""
        ...

    async def forget(self, release: ReleaseRef, recipe: Recipe) -> None:
        """Remove what belongs to this release alone."""
        ...


class Ports:
    """Free ports of loopback; none is given twice while it is held."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    def take(self) -> int:
        """A port that nobody listens at just now."""
        while True:
            with socket.socket() as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if port not in self._held:
                self._held.add(port)
                return port

    def hold(self, port: int) -> None:
        """A port that an adopted replica has."""
        self._held.add(port)

    def give_back(self, port: int) -> None:
        """The replica that had it is gone."""
        self._held.discard(port)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the runtime is with a replica that ends, in seconds."""

    first: float = 1.0
    most: float = 300.0
    long_life: float = 600.0
    """A life this long forgives all ends before it."""

    def delay(self, ends: int) -> float:
        """The back-off after so many ends in a row: doubled each time."""
        return float(min(self.most, self.first * 2 ** min(max(ends, 1) - 1, 30)))


@dataclass(frozen=True, slots=True)
class Site:
    """One installation's runtime on this host."""

    installation: str
    records: Records
    logs: Logs
    host: Host
    in_flight: InFlight
    clock: Callable[[], datetime]
    pace: Pace = field(default_factory=Pace)
    ports: Ports = field(default_factory=Ports)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while one process is spawned."""


Prepare = Callable[[], Awaitable[Prepared | None]]
"""Prepares a release before a start; None: its content is wrong, it cannot be started."""


def new_id(release: ReleaseRef) -> str:
    """A replica's id: unique over time, and short enough for log lines."""
    return f"{release.deployment}-{release.digest[:6]}-{secrets.token_hex(3)}"
