"""How traffic moves: a rollout policy's steps, gates and limits, as data."""

from dataclasses import dataclass, field
from typing import Literal

WHOLE = 10_000
"""A move's whole length, in hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Move this far, and stay at least so long."""

    weight: int
    """Of the move, in hundredths of a percent: 1 to `WHOLE`."""
    for_s: float = 0
    kind: Literal["weight"] = "weight"


@dataclass(frozen=True, slots=True)
class Pause:
    """Stay for a time, or until somebody approves."""

    for_s: float | None = None
    """None: until approved."""
    expires_s: float | None = None
    """An approval that has not come by then returns the traffic."""
    kind: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True)
class AwaitGate:
    """Stay until this gate is good."""

    gate: str
    for_s: float = 0
    """At least so long."""
    kind: Literal["gate"] = "gate"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy this share of live requests to the candidate for a time."""

    percent: int
    """1 to 50."""
    for_s: float = 0
    kind: Literal["mirror"] = "mirror"


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Send the deployment's checks to each candidate replica until latency is steady, or so many requests."""

    requests: int = 50
    for_s: float = 60
    """At most so long."""
    kind: Literal["warmup"] = "warmup"


@dataclass(frozen=True, slots=True)
class Preview:
    """Send requests that carry all of these headers to the candidate, whatever its share."""

    headers: tuple[tuple[str, str], ...]
    """Header name in lower case, exact value."""
    for_s: float = 0
    kind: Literal["headers"] = "headers"


Step = Weight | Pause | AwaitGate | Mirror | WarmUp | Preview

Metric = Literal["error_rate", "latency", "http", "checks"]
Starved = Literal["hold", "extend", "proceed"]
Test = Literal["sequential", "threshold"]

ERRORS = ("5xx", "408", "reset")
"""Outcomes that count as a model's failures unless a gate says otherwise (see `observability.evidence.OUTCOMES`)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What must hold to leave a step. Rates are proportions from 0 to 1, latencies milliseconds."""

    name: str
    metric: Metric = "error_rate"
    quantile: float | None = None
    """Of latency: 0.5, 0.95, 0.99."""
    max: float | None = None
    """The most that is allowed: a proportion, or milliseconds."""
    compare_stable: bool = False
    """Judge against what the stable release does at the same time."""
    tolerance: float = 0.0
    """How much worse than stable is allowed: an absolute proportion, or a factor of latency (0.2: 20 % slower)."""
    outcomes: tuple[str, ...] = ERRORS
    """What counts as an error."""
    test: Test = "sequential"
    interval_s: float = 10
    """Of `threshold`, `http` and `checks`: one measurement each."""
    failure_limit: int = 0
    """Bad measurements that are tolerated."""
    success_limit: int = 1
    """Good measurements in a row that make it good."""
    error_limit: int = 4
    """Measurements in a row that could not be taken and are tolerated."""
    min_requests: int = 10
    """Fewer answers of the candidate are not enough traffic."""
    starved: Starved = "extend"
    """What to do with not enough traffic: hold; extend the step up to three times, then hold; or proceed."""
    dry_run: bool = False
    """It reports, and decides nothing."""
    url: str = ""
    """Of `http`: where to GET; a 2xx answer is good."""
    timeout_s: float = 10


@dataclass(frozen=True, slots=True)
class Sticky:
    """Keep a client on its release while only the share that moves changes."""

    cookie: str = ""
    header: str = ""
    """One of the two is set."""
    ttl_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly time in which steps forward may be taken."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Monday is 0."""
    start_minute: int = 0
    """Minutes after midnight."""
    end_minute: int = 1440
    """Not after `start_minute`: it ends on the next day."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which no step forward is taken. Local to the policy's time zone, ISO 8601 without offset."""

    start: str
    end: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """One policy, known by its content: its name and file make no difference."""

    name: str = field(default="built-in", compare=False)
    file: str = field(default="", compare=False)
    strategy: Literal["stepwise", "immediate"] = "stepwise"
    steps: tuple[Step, ...] = (Weight(500, 15), Weight(2500, 15), Weight(5000, 15))
    """The rest of the move follows the last of them."""
    gates: tuple[Gate, ...] = (Gate("errors", compare_stable=True),)
    false_alarm_rate: float = 0.01
    """Per rollout, shared by its gates: how often a candidate no worse than allowed may be refused."""
    windows: tuple[Window, ...] = ()
    """None: always open."""
    freezes: tuple[Freeze, ...] = ()
    time_zone: str = "UTC"
    progress_deadline_s: float = 600
    """Without progress for so long, pauses and closed windows left out, the move is given up."""
    surge: Literal["full", "proportional"] = "full"
    sticky: Sticky | None = None
    shield: bool = False
    keep_s: float = 600
    """How long the replaced releases stay warm after promotion."""
    watch_s: float = 600
    """How long a promoted release is watched; at most `keep_s`."""

    def gate(self, name: str) -> Gate | None:
        """The gate of that name, or None."""
        return next((gate for gate in self.gates if gate.name == name), None)


BUILT_IN = RolloutPolicy()
"""What holds where no policy of the repository does."""
IMMEDIATE = RolloutPolicy(name="immediate", strategy="immediate", steps=(), gates=(), keep_s=0, watch_s=0)
"""One step, unwatched: Azure's behaviour."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """To which endpoints a policy belongs; with neither, to all that no other names."""

    policy: RolloutPolicy
    endpoints: tuple[str, ...] = ()
    """Names and globs (`fraud-*`)."""
    tags: tuple[tuple[str, str], ...] = field(default=())
