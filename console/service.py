"""What the console asks of a running Headgate; `console.app` answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from console.plans import PlanShape, Proposal
from console.rollouts import Explanation, OrderAnswer, OrderBody, OrderName, RolloutShape
from console.shapes import (
    Access,
    Confirmation,
    EndpointDetail,
    EventShape,
    Keys,
    KeyType,
    LogLine,
    Status,
    Token,
)
from spec.errors import HeadgateError

Container = Literal["inference-server", "storage-initializer"]


class MissingError(HeadgateError):
    """Nothing of that name exists; the message lists what does."""


class RefusedError(HeadgateError):
    """It exists, and what was asked does not fit it: keys of an endpoint that uses tokens, say."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines: the last `lines` of each replica, then (with `follow`) every new one until closed."""

    endpoint: str
    deployment: str
    container: Container = "inference-server"
    lines: int = 100
    follow: bool = False
    release: str = ""
    """Only this release's replicas: its name or digest, or the beginning of one."""
    replica: str = ""
    """Only this replica: its id, or an end of it."""
    access: bool = True
    """With the lines that tell of single requests."""
    previous: bool = False
    """Only the life before the newest start of each replica."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: the last `limit`, of one endpoint or (empty) of all, then with `follow` every new one."""

    endpoint: str = ""
    limit: int = 100
    follow: bool = False


class Service(Protocol):
    """A running Headgate. Methods on one endpoint raise `MissingError` where there is none of that name."""

    async def status(self) -> Status:
        """Everything, without looking at Git or Envoy anew."""
        ...

    async def endpoint(self, name: str) -> EndpointDetail:
        """One endpoint with what explains its state."""
        ...

    def revision(self) -> int:
        """Grows with every change of what `status` says."""
        ...

    async def changed(self, since: int) -> None:
        """Return as soon as `revision()` is greater than `since`, at once if it is already."""
        ...

    async def plan(self, revision: str | None = None, *, edits: bool = False) -> PlanShape:
        """What would change, and why; changes nothing.

        For `revision` of the followed repository, else (with `edits`) for its working copy's uncommitted edits if
        it has some, else for the newest commit. Raises `StalledError` if there is no such revision.
        """
        ...

    async def propose(self, proposal: Proposal) -> PlanShape:
        """What would change for a catalog that the caller has loaded; changes and keeps nothing."""
        ...

    async def sync(self) -> str:
        """Look at the source now; return its commit once it is loaded.

        From then on `status` has it as `attempted_commit`, with its problems and all its endpoints, and a
        condition has it as `observed_commit` once judged for it. Raises `TransientError` if the source is away.
        """
        ...

    async def confirm(self, commit: str | None) -> Confirmation:
        """Let the held removals of `commit` (None: whichever is held) happen.

        Raises `RefusedError` if nothing is held, or another commit is.
        """
        ...

    async def keys(self, name: str) -> Keys:
        """Both keys. Raises `RefusedError` if the endpoint uses tokens."""
        ...

    async def rotate(self, name: str, key_type: KeyType) -> Keys:
        """Replace one key, wait until the router acknowledged it, return both."""
        ...

    async def token(self, name: str) -> Token:
        """A fresh token. Raises `RefusedError` if the endpoint uses keys."""
        ...

    async def access(self, name: str) -> Access:
        """All that a caller on this machine needs to score."""
        ...

    async def sample(self, name: str) -> bytes | None:
        """The endpoint's `sample-request.json` of the newest commit, if its folder has one."""
        ...

    def events(self, query: EventQuery) -> AsyncIterator[EventShape]:
        """Events, oldest first."""
        ...

    def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        """Log lines of a deployment's replicas. Raises `MissingError` at the first step."""
        ...

    async def rollout(self, name: str) -> RolloutShape:
        """Where the endpoint's move is, what judges it, and what was refused."""
        ...

    def follow_rollout(self, name: str) -> AsyncIterator[RolloutShape]:
        """Where the endpoint's move is, again at each change, until closed."""
        ...

    async def order(self, name: str, kind: OrderName, body: OrderBody) -> OrderAnswer:
        """Give an order; return once it is carried out and remembered. Raises `RefusedError` if it does not fit."""
        ...

    async def explain(self, name: str) -> Explanation:
        """The chain from what Git asks for to what is live."""
        ...

    async def down(self) -> None:
        """Begin to stop Envoy, every replica and then Headgate itself; return at once."""
        ...
