"""The JSON of rollouts: where a move is, what judges it, what was refused, and why all of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from console.shapes import EventShape, Shape

State = Literal["settled", "warming", "shifting", "paused", "reverting", "removing"]
OrderName = Literal["promote", "promote-full", "pause", "resume", "abort", "retry", "undo"]


class Reason(Shape):
    """One reason, as events have them."""

    reason: str
    message: str


class StepShape(Shape):
    """One step of a move; the last one is the rest of it."""

    kind: str
    """`weight`, `pause`, `gate`, `mirror`, `warmup`, `headers`, or `rest`."""
    state: Literal["done", "now", "planned"]
    text: str
    weight: float = 0
    """Percent of the move that this step asks for."""
    split: dict[str, float] = Field(default_factory=dict)
    """Percent by release once it is reached."""
    seconds: float | None = None
    """How long it lasts at least; None: until somebody approves."""


class GateShape(Shape):
    """What one gate says of one release now; proportions from 0 to 1, latencies in milliseconds."""

    gate: str
    release: str
    verdict: Literal["good", "bad", "inconclusive", "error"]
    reason: str
    message: str
    samples: int = 0
    value: float | None = None
    reference: float | None = None
    dry_run: bool = False


class RefusalShape(Shape):
    """A move that is not started again until `retry`, another policy or another commit."""

    to: dict[str, float]
    releases: tuple[str, ...]
    reason: str
    message: str
    at: datetime


class WatchShape(Shape):
    """After a promotion: what was replaced stays warm for a while, and a regression returns to it."""

    previous: dict[str, float]
    until: datetime
    watched_until: datetime
    unproven: bool = False


class ReplicasShape(Shape):
    """One release's replicas."""

    release: str
    ready: int
    wanted: int


class MirroredShape(Shape):
    """What became of the requests that were mirrored to a release, since Envoy's start."""

    release: str
    answers: int
    failed: int
    """All but 200; what had no answer has the code 0."""
    codes: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, release: str, codes: Mapping[str, int]) -> "MirroredShape":
        """Sum up the answers by status."""
        answers = sum(codes.values())
        return cls(release=release, answers=answers, failed=answers - codes.get("200", 0), codes=dict(codes))


class RolloutShape(Shape):
    """What `rollout status --json` prints; splits are percent by release."""

    endpoint: str
    state: State
    source: dict[str, float] = Field(default_factory=dict, alias="from")
    to: dict[str, float] = Field(default_factory=dict)
    split: dict[str, float] = Field(default_factory=dict)
    """What is live."""
    step: int = 0
    """Number of the present step, from 1; 0 before the first, and where nothing moves."""
    steps: tuple[StepShape, ...] = ()
    gates: tuple[GateShape, ...] = ()
    refused: tuple[RefusalShape, ...] = ()
    because: tuple[Reason, ...] = ()
    """Why it moves or waits, in the order in which it was weighed."""
    policy: str = ""
    policy_file: str = ""
    strategy: Literal["stepwise", "immediate"] = "stepwise"
    moved: float = 0
    """Percent of the move that is asked for."""
    started: datetime | None = None
    step_ends: datetime | None = None
    """When the present step can end at the earliest, or its approval expires."""
    earliest_finish: datetime | None = None
    """If all goes well; None: somebody has to approve first, or nothing moves."""
    approvals: int = 0
    """How many approvals are still to come."""
    unproven: bool = False
    """It went on without traffic to judge by."""
    watch: WatchShape | None = None
    replicas: tuple[ReplicasShape, ...] = ()
    mirrored: tuple[MirroredShape, ...] = ()
    """Where requests are mirrored now; no gate looks at it."""
    at: datetime | None = None
    """When this was true."""


class OrderBody(Shape):
    """Who orders, and a name for the order so that it can be repeated."""

    id: str = Field(default="", max_length=64)
    by: str = Field(default="", max_length=64)


class OrderAnswer(Shape):
    """What became of an order."""

    id: str
    done: bool
    message: str
    rollout: RolloutShape


class Explanation(Shape):
    """Why an endpoint is as it is: the chain from what Git asks for to what is live."""

    endpoint: str
    commit: str
    """The commit that is asked for."""
    asked: dict[str, float] = Field(default_factory=dict)
    """What Git asks for, in percent by release."""
    ready: Reason
    rollout: RolloutShape
    events: tuple[EventShape, ...] = ()
    """The last ones, oldest first, each with the facts that it rested on."""
