"""What `decide` takes and gives: wants, observations, and the plan, all as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from observability.events import Event
from reconciler.state import Condition, Memory
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


@dataclass(frozen=True, slots=True)
class Seen:
    """What is, as far as known. None is unknown, which is not empty."""

    route: RouteSeen | None
    releases: Mapping[str, ReleaseSeen] | None
    """The runtime's releases of this endpoint, by release name."""
    in_flight: Mapping[tuple[str, int], int] = field(default_factory=dict)


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
    because: tuple[tuple[str, str], ...] = ()
    """Why it waits or moves: reason → fact, in the order in which they were weighed."""
