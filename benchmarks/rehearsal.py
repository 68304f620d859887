"""Simulated traffic of a rollout: every request has chances of its own; counts are read every quarter second."""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from math import comb

from observability.evidence import NOTHING, Reading, Tally
from observability.verdict import Stage
from reconciler.run import Evidence, Run
from reconciler.split import Split
from reconciler.trial import absorb, stages
from spec.policy import WHOLE

LOOK_S = 0.25
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
CANDIDATE, STABLE = "model@candidate", "model@stable"
RUN = Run(((STABLE, WHOLE),), ((CANDIDATE, WHOLE),), BEGIN, BEGIN)
QUICK = (0,) * 58
"""Latencies play no part here."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A share, in hundredths of a percent, and how long it lasts."""

    share: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """All that has been counted at one moment."""

    at: float
    """Seconds since the first share."""
    asked: int
    """Requests to the endpoint so far."""
    stages: tuple[Stage, ...]
    """One for each share."""
    evidence: Evidence
    """The same as Headgate keeps it, in pieces."""

    @property
    def pieces(self) -> tuple[Stage, ...]:
        """What a gate judges by."""
        return stages(replace(RUN, evidence=self.evidence), CANDIDATE)

    @property
    def reached(self) -> int:
        """Requests that reached the candidate so far."""
        return sum(stage.candidate.total for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rollout's traffic; the same seed is the same traffic."""

    rate: float
    """Requests per second."""
    rungs: Sequence[Rung]
    candidate: float
    """How often it fails, from 0 to 1."""
    stable: float
    chance: random.Random = field(default_factory=random.Random)

    def looks(self) -> Iterator[Look]:
        """Every look at the counts, in the order of time."""
        done: tuple[Stage, ...] = ()
        at, asked = 0.0, 0
        evidence = absorb(Evidence(), Reading("", BEGIN, {}), (), BEGIN)
        for rung in self.rungs:
            mine, theirs = [0, 0], [0, 0]
            for _ in range(round(rung.seconds / LOOK_S)):
                at += LOOK_S
                before, asked = asked, int(at * self.rate)
                self._send(asked - before, rung.share / WHOLE, mine, theirs)
                now = (*done, Stage(rung.share, tally(*mine), tally(*theirs)))
                evidence = absorb(evidence, _reading(now, at), _split(rung.share), BEGIN)
                yield Look(at, asked, now, evidence)
            done = (*done, Stage(rung.share, tally(*mine), tally(*theirs)))

    def _send(self, requests: int, share: float, mine: list[int], theirs: list[int]) -> None:
        """Add what becomes of these requests: total and failed, of candidate and stable."""
        to_candidate = draw(requests, share, self.chance)
        mine[0] += to_candidate
        mine[1] += draw(to_candidate, self.candidate, self.chance)
        theirs[0] += requests - to_candidate
        theirs[1] += draw(requests - to_candidate, self.stable, self.chance)


def _split(share: int) -> Split:
    return tuple((name, part) for name, part in ((CANDIDATE, share), (STABLE, WHOLE - share)) if part)


def _reading(found: Sequence[Stage], at: float) -> Reading:
    mine = sum((stage.candidate for stage in found), NOTHING)
    theirs = sum((stage.stable for stage in found), NOTHING)
    return Reading("traffic", BEGIN + timedelta(seconds=at), {CANDIDATE: mine, STABLE: theirs})


def tally(total: int, failed: int) -> Tally:
    """So many attempts, of which so many got a 5xx."""
    return Tally((total - failed, 0, 0, 0, failed, 0), QUICK)


def draw(trials: int, probability: float, chance: random.Random) -> int:
    """How many of so many independent trials succeed: the binomial distribution, by its inverse."""
    if not trials or probability <= 0:
        return 0
    if probability >= 1:
        return trials
    return min(bisect_right(_cumulative(trials, probability), chance.random()), trials)


@lru_cache(maxsize=20_000)
def _cumulative(trials: int, probability: float) -> tuple[float, ...]:
    rest = 1 - probability
    return tuple(accumulate(comb(trials, k) * probability**k * rest ** (trials - k) for k in range(trials + 1)))
