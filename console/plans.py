"""The JSON of a plan: what it is of, what would change, and what a caller may propose."""

from typing import Literal

from pydantic import Field

from console.shapes import ProblemShape, Shape
from spec.catalog import Catalog


class FieldChange(Shape):
    """One field of a deployment whose change makes a new release; empty text: not there."""

    field: str
    was: str = Field(default="", alias="from")
    to: str = ""


class Change(Shape):
    """One thing that differs between what Git asks for and what is live."""

    what: str
    was: object = Field(default=None, alias="from")
    to: object = None
    why: str = ""
    fields: tuple[FieldChange, ...] = ()


class Releases(Shape):
    """Which releases a plan starts and stops."""

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()


class TrafficMove(Shape):
    """The live split and the one it becomes, in percent by release."""

    was: dict[str, float] = Field(default_factory=dict, alias="from")
    to: dict[str, float] = Field(default_factory=dict)


class ReplicaMove(Shape):
    """How many replicas a release has been given, and will be."""

    release: str
    was: int = Field(default=0, alias="from")
    to: int = 0


Action = Literal["create", "update", "delete", "none", "held", "broken"]


class Failure(Shape):
    """A release that Git asks for and that cannot be brought up."""

    release: str
    reason: str
    message: str


class RolloutStop(Shape):
    """One moment of a move at which what is served, or waited for, changes."""

    after_s: float
    """Seconds after replicas are ready, at the earliest; approvals take as long as they take."""
    split: dict[str, float]
    replicas: int
    waits_for: str = ""


class RolloutPlan(Shape):
    """How traffic would move."""

    policy: str
    policy_file: str = ""
    strategy: Literal["stepwise", "immediate"] = "stepwise"
    stops: tuple[RolloutStop, ...] = ()
    earliest_finish_s: float = 0
    """Seconds, replicas' start and approvals left out."""
    approvals: int = 0
    peak_replicas: int = 0
    gates: tuple[str, ...] = ()
    skips_steps: bool = False
    """There is nothing to compare with: a first deployment, or a removal of all traffic."""
    rollback_to: dict[str, float] = Field(default_factory=dict)
    on_failure: str = ""
    settles: bool = True
    """Whether it comes to its end by itself once approved."""


class PlanEntry(Shape):
    """What would happen to one endpoint."""

    endpoint: str
    action: Action
    changes: tuple[Change, ...] = ()
    releases: Releases = Releases()
    traffic: TrafficMove = TrafficMove()
    replicas: tuple[ReplicaMove, ...] = ()
    failed: tuple[Failure, ...] = ()
    problems: tuple[ProblemShape, ...] = ()
    """What is wrong in its files; the last good spec goes on."""
    waits: str = ""
    """What a held change, or a move under way, waits for."""
    rollout: RolloutPlan | None = None
    """How traffic would move; null where it does not, and beyond the first fifty endpoints that change."""


class PlanSubject(Shape):
    """What a plan is of: the newest commit, a working copy's edits, another revision, or a folder."""

    kind: Literal["commit", "edits", "revision", "directory"] = "commit"
    name: str = ""
    """The revision as it was asked for, or the folder."""
    base: str | None = None
    """The commit below the edits."""
    edited: tuple[str, ...] = ()
    """Files that differ from `base`, the first hundred."""
    edited_count: int = 0


Against = Literal["live", "memory", "nothing"]


class PlanShape(Shape):
    """Desired against live, for one commit."""

    commit: str
    endpoints: tuple[PlanEntry, ...] = ()
    problems: tuple[ProblemShape, ...] = ()
    subject: PlanSubject = PlanSubject()
    against: Against = "live"
    """What it is compared with: what is live, what a Headgate that does not run remembers, or nothing at all."""


class Proposal(Shape):
    """A catalog that a caller has loaded itself, to be compared with what is live; nothing of it is kept."""

    catalog: Catalog
    subject: PlanSubject
