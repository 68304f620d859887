"""What `decide` takes and gives: wants, observations, and the plan, all as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from observability.events import Event
from observability.evidence import Reading
from reconciler.orders import Answer, Order
from reconciler.state import Condition, Memory
from reconciler.trial import Examinations
from router.table import EndpointRoute, KeyAuth, RouteSeen, TokenAuth
from runtime.replica import ReleaseSeen, ReleaseWant
from spec.catalog import EndpointSpec
from spec.problem import Problem
from spec.release import ReleaseRef


@dataclass(frozen=True, slots=True)
class Want:
    """What Git asks of one endpoint at `commit`."""

    commit: str
    spec: EndpointSpec | None
    """None: Git does not ask for it. With `problems` or `held`, the last good spec goes on."""
    auth: KeyAuth | TokenAuth
    problems: tuple[Problem, ...] = ()
    held: str = ""
    """Why its removal waits for an operator's word; empty: it does not."""
    message: str = ""
    """The commit's first line, for events."""
    order: Order | None = None
    """What somebody orders now."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is, as far as known. None is unknown, which is not empty."""

    route: RouteSeen | None
    releases: Mapping[str, ReleaseSeen] | None
    """The runtime's releases of this endpoint, by release name."""
    in_flight: Mapping[tuple[str, int], int] = field(default_factory=dict)
    reading: Reading | None = None
    """What live requests showed; None: nothing is counted at the moment."""
    examined: Examinations = field(default_factory=dict)
    """The last outcome of each examination, by gate (or `checks`, `warmup`) and release."""
    since: datetime | None = None
    """When this Headgate began to look; deadlines do not count from before."""


@dataclass(frozen=True, slots=True)
class PutRoute:
    """Make this the endpoint's route."""

    route: EndpointRoute


@dataclass(frozen=True, slots=True)
class DropRoute:
    """Take the endpoint out of the router."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class ApplyRelease:
    """Give a release its number of replicas."""

    want: ReleaseWant


@dataclass(frozen=True, slots=True)
class ForgetRelease:
    """Stop what is left of a release."""

    release: ReleaseRef


@dataclass(frozen=True, slots=True)
class Examine:
    """Find something out about a release: by a gate's own request, its deployment's checks, or by warming it up."""

    gate: str
    """The gate's name; `checks` before the first share, `warmup` at a warm-up step."""
    release: ReleaseRef
    kind: Literal["http", "checks", "warmup"]
    after: datetime
    """An outcome from before this is too old."""


Action = PutRoute | DropRoute | ApplyRelease | ForgetRelease


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision. The shell persists `memory`, then performs `actions` in order, then sleeps until `wake_at`."""

    memory: Memory | None
    """None: the endpoint is gone and nothing of it is kept."""
    actions: tuple[Action, ...] = ()
    conditions: tuple[Condition, ...] = ()
    wake_at: datetime | None = None
    events: tuple[Event, ...] = ()
    examinations: tuple[Examine, ...] = ()
    """To be started, in the background, unless under way already."""
    answer: Answer | None = None
    """What became of the order."""
    because: tuple[tuple[str, str], ...] = ()
    """Why it waits or moves: reason → fact, in the order in which they were weighed."""
