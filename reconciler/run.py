"""One move of an endpoint's traffic, as it is remembered: where it is, and what was seen on the way."""

from dataclasses import dataclass
from datetime import datetime

from observability.evidence import NOTHING, Tally
from observability.verdict import Verdict
from reconciler.split import Split, candidates, split_at
from spec.policy import IMMEDIATE, WHOLE, RolloutPolicy, Step

Tallies = tuple[tuple[str, Tally], ...]
"""By release, sorted."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What was seen while one split was asked for."""

    split: Split
    tallies: Tallies = ()
    piece: int = 0
    """0 where the split begins; what is seen later of it comes in pieces, numbered as they began."""

    @property
    def size(self) -> int:
        """Attempts on all releases."""
        return sum(sum(tally.outcomes) for _, tally in self.tallies)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything seen in a move, and the reading that the next one is held against."""

    episodes: tuple[Episode, ...] = ()
    epoch: str = ""
    read: Tallies = ()
    since: datetime | None = None
    """Since when requests are counted without a gap; None: they are not at the moment."""
    regained: Tallies = ()
    """What came since then."""

    def tally(self, release: str) -> Tally:
        """All attempts on one release."""
        return sum((dict(episode.tallies).get(release, NOTHING) for episode in self.episodes), NOTHING)

    def pieces(self, release: str) -> tuple[tuple[int, Tally], ...]:
        """The attempts on one release, episode by episode, with the number of each piece."""
        return tuple((episode.piece, dict(episode.tallies).get(release, NOTHING)) for episode in self.episodes)

    @property
    def is_silent(self) -> bool:
        """Whether no request at all was seen."""
        return not any(sum(tally.outcomes) for episode in self.episodes for _, tally in episode.tallies)


@dataclass(frozen=True, slots=True)
class Mark:
    """A gate that measures at intervals: how its measurements of one release went since the step began."""

    gate: str
    release: str
    since: datetime
    """When the present interval began."""
    candidate: Tally = NOTHING
    stable: Tally = NOTHING
    """What had been seen by then."""
    failures: int = 0
    successes: int = 0
    """Good measurements in a row."""
    errors: int = 0
    """Measurements in a row that could not be taken."""
    message: str = ""
    """Of the last measurement."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a gate says of one release now."""

    gate: str
    release: str
    verdict: Verdict
    reason: str
    message: str
    samples: int = 0
    value: float | None = None
    reference: float | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A move from `source` to `target` along its policy's steps."""

    source: Split
    target: Split
    started: datetime
    progressed: datetime
    """When the machine last got on, or waited for something else than the world; deadlines count from here."""
    policy: RolloutPolicy = IMMEDIATE
    full: bool = False
    """In one step, once ready."""
    step: int = -1
    """Index into the policy's steps: -1 before the first; their number: all of it."""
    fraction: int = 0
    """f, in hundredths of a percent: what the router is asked for."""
    sized: int = 0
    """The f that replicas are there for, or coming; at least `fraction`."""
    carried: int = 0
    """The f that Envoy last acknowledged."""
    entered: datetime | None = None
    """When the present step began: what it asks for was acknowledged."""
    extended: int = 0
    """How often the present step was extended for want of traffic."""
    unproven: bool = False
    """It went on without traffic to judge by."""
    approved: bool = False
    """Somebody approved the present pause while no step forward could be taken."""
    evidence: Evidence = Evidence()
    marks: tuple[Mark, ...] = ()
    said: tuple[Said, ...] = ()
    watch: "Watch | None" = None
    """The watch over S that this move interrupts: it goes on if the move comes back to S."""

    @property
    def split(self) -> Split:
        """What the router is asked for now."""
        return split_at(self.source, self.target, self.fraction)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The releases on trial."""
        return candidates(self.source, self.target)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps before the last one, which is the rest of the move."""
        return () if self.straight else self.policy.steps

    @property
    def straight(self) -> bool:
        """Whether it is one step: the policy says so, somebody said so, or there is nothing to compare with."""
        return self.full or self.policy.strategy == "immediate" or not self.source or not self.target

    @property
    def rung(self) -> Step | None:
        """The present step; None before the first and on the way to the last."""
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None

    @property
    def begun(self) -> bool:
        """Whether any step was entered."""
        return self.step >= 0 or self.fraction > 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it is asked for."""
        return self.fraction >= WHOLE


@dataclass(frozen=True, slots=True)
class Watch:
    """After a promotion: what it replaced stays warm for a while, and a regression returns to it."""

    previous: Split
    until: datetime
    """How long the replaced releases stay warm."""
    watched_until: datetime
    policy: RolloutPolicy
    stable: Tally = NOTHING
    """What the stable releases showed during the move."""
    evidence: Evidence = Evidence()
    marks: tuple[Mark, ...] = ()
    said: tuple[Said, ...] = ()
    unproven: bool = False
    """It was promoted without traffic to judge by, and none has come since: both times begin when some comes."""

    def candidates(self, split: Split) -> tuple[str, ...]:
        """The releases that are watched."""
        return candidates(self.previous, split)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A move that is not started again while the same is asked for under the same policy."""

    target: Split
    guilty: tuple[str, ...]
    reason: str
    message: str
    at: datetime
    policy: RolloutPolicy
    checks: str = ""
    """Digest of the checks that it was refused by; empty: by something else."""

    def told_of(self, whom: str) -> str:
        """The message to say after `whom`, which is not named again."""
        return self.message.replace(f"{whom}: ", "", 1)
