"""Tests that may be looked at after every request: mixtures of bets against a hypothesis, as logarithms.

Each bet multiplies a stake of 1 at every attempt, by a factor whose mean is at most 1 while the hypothesis holds,
so a stake (and any weighted mean of stakes) ever reaches 1/alpha with probability alpha at most (Ville). Wald's
mixtures; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024); for two
proportions Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests" (2024).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

UP: Final = (1.25, 1.5, 2.0, 3.0, 5.0, 9.0, 17.0, 65.0, 513.0, 1e9)
"""Bets that the odds are so many times what is allowed; the last is as good as "all of them"."""
DOWN: Final = (0.9, 0.8, 0.65, 0.5, 0.3, 0.15, 0.05, 1e-9)
"""Bets that they are so much less; the last is as good as "none"."""
FIRST: Final = 0.75
"""Weight of the bets that begin with the first stage; the others share the rest."""
BEGINNING: Final = 0.9
"""A stage's part of its weight for the bets that begin when it does; those that begin later in it share the rest."""
NEARLY: Final = 1 - 1e-9
"""No bet risks all that there is."""
PULL: Final = 50
"""So many attempts at the share that was asked for are mixed into the share that was seen."""


@dataclass(frozen=True, slots=True)
class Count:
    """Attempts on one release, and how many of them failed (or were slow)."""

    failed: int = 0
    total: int = 0

    @property
    def rate(self) -> float | None:
        """The share that failed, or None without attempts."""
        return self.failed / self.total if self.total else None

    def __add__(self, other: "Count") -> "Count":
        return Count(self.failed + other.failed, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Trial:
    """What candidate and stable did at the same time, each attempt being the candidate's with chance `share`."""

    share: float
    candidate: Count
    stable: Count

    @property
    def seen(self) -> float:
        """The candidate's share as it was, drawn towards what it should be while there is little to see."""
        both = self.candidate.total + self.stable.total
        return (self.candidate.total + PULL * self.share) / (both + PULL)


def above(counts: Sequence[Count], limit: float, pieces: Sequence[int] = ()) -> float:
    """Log of the evidence against "each attempt fails with probability `limit` at most", over stages in turn.

    `pieces` numbers each within its stage, by which it was the how manieth to begin; not given, each is a stage.
    """
    if limit >= 1:
        return 0.0
    if limit <= 0:
        return math.inf if any(count.failed for count in counts) else 0.0
    return _from_any_piece([_lifts(count, limit, UP) for count in counts], pieces)


def below(count: Count, limit: float) -> float:
    """Log of the evidence against "each attempt fails with probability `limit` at least"."""
    if limit >= 1:
        return math.inf
    if limit <= 0:
        return 0.0
    return _mean(_lifts(count, limit, DOWN))


def worse(trials: Sequence[Trial], tolerance: float, pieces: Sequence[int] = ()) -> float:
    """Log of the evidence against "the candidate fails at most `tolerance` more often than stable", at any time.

    The lesser of what the share asked for and the share seen say; what is below 0 may be less still.
    """
    asked = _from_any_piece([_bets(trial, trial.share, tolerance, UP) for trial in trials], pieces)
    if asked <= 0:
        return asked
    return min(asked, _from_any_piece([_bets(trial, trial.seen, tolerance, UP) for trial in trials], pieces))


def not_worse(trials: Sequence[Trial], margin: float) -> float:
    """Log of the evidence against "the candidate fails at least `margin` more often than stable"."""
    asked = _in_all_stages([_bets(trial, trial.share, margin, DOWN) for trial in trials])
    if asked <= 0:
        return asked
    return min(asked, _in_all_stages([_bets(trial, trial.seen, margin, DOWN) for trial in trials]))


def upper(count: Count, alpha: float) -> float:
    """An upper confidence bound of the rate that holds at all times with probability 1 - `alpha`."""
    return _bisect(count, alpha, upwards=True)


def lower(count: Count, alpha: float) -> float:
    """A lower confidence bound of the rate that holds at all times with probability 1 - `alpha`."""
    return _bisect(count, alpha, upwards=False)


def _lifts(count: Count, limit: float, ratios: Sequence[float]) -> list[float]:
    """Log likelihood ratios of odds that are so many times those of `limit`, against `limit`."""
    failed, total = count.failed, count.total
    return [failed * math.log(ratio) - total * math.log1p(limit * (ratio - 1)) for ratio in ratios]


def _bets(trial: Trial, share: float, tolerance: float, ratios: Sequence[float]) -> list[float]:
    """Logs of stakes on 1[c]/share - 1[s]/(1 - share) over the failures, whose mean is `tolerance` at most.

    Without tolerance that is a bet on how many of the failures are the candidate's.
    """
    if not 0 < share < 1 or tolerance >= 1:
        return [0.0] * len(ratios)
    mine, theirs = trial.candidate.failed, trial.stable.failed
    if not tolerance:
        return _lifts(Count(mine, mine + theirs), share, ratios)
    fine = trial.candidate.total + trial.stable.total - mine - theirs
    won, lost = 1 / share - tolerance, 1 / (1 - share) + tolerance
    return [
        mine * math.log1p(stake * won) + theirs * math.log1p(-stake * lost) + fine * math.log1p(-stake * tolerance)
        for stake in [min(NEARLY / lost, _stake(share, ratio)) for ratio in ratios]
    ]


def _stake(share: float, ratio: float) -> float:
    """Makes the candidate's odds of a failure `ratio` times its share's."""
    return share * (1 - share) * (ratio - 1) / (1 + share * (ratio - 1))


def _from_any_piece(gains: Sequence[Sequence[float]], pieces: Sequence[int]) -> float:
    """Log of the mean of the stakes that begin with each piece, those of what is to come being 1.

    A stake whose piece is missing counts for nothing, which makes the evidence less and never more.
    """
    if not gains:
        return 0.0
    places = _places(pieces or [0] * len(gains))
    suffix = [0.0] * len(UP)
    terms = [math.log(_to_come(*places[-1]))]
    for gained, (stage, piece) in zip(reversed(gains), reversed(places), strict=True):
        suffix = [now + later for now, later in zip(gained, suffix, strict=True)]
        terms.append(math.log(_weight(stage) * _part(piece)) + _mean(suffix))
    return _sum(terms)


def _places(pieces: Sequence[int]) -> list[tuple[int, int]]:
    """The stage of each piece, and its number there."""
    stages = accumulate(int(piece == 0 and index > 0) for index, piece in enumerate(pieces))
    return list(zip(stages, pieces, strict=True))


def _in_all_stages(stages: Sequence[Sequence[float]]) -> float:
    return _mean([sum(column) for column in zip(*stages, strict=True)]) if stages else 0.0


def _weight(number: int) -> float:
    return (1 - FIRST) / (number * (number + 1)) if number else FIRST


def _part(piece: int) -> float:
    return (1 - BEGINNING) / (piece * (piece + 1)) if piece else BEGINNING


def _to_come(stage: int, piece: int) -> float:
    """The weight of all stakes that have not begun yet."""
    later_stages = (1 - FIRST) / (stage + 1)
    return later_stages + _weight(stage) * (1 - BEGINNING) / (piece + 1)


def _mean(logs: Sequence[float]) -> float:
    return _sum(logs) - math.log(len(logs))


def _sum(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(sum([math.exp(value - most) for value in logs]))


def _bisect(count: Count, alpha: float, *, upwards: bool) -> float:
    """The limit at which the evidence against it reaches 1 / alpha."""
    if not count.total:
        return 1.0 if upwards else 0.0
    needed = -math.log(alpha)
    inside, outside = count.failed / count.total, 1.0 if upwards else 0.0
    for _ in range(40):
        middle = (inside + outside) / 2
        shown = below(count, middle) if upwards else above([count], middle)
        inside, outside = (inside, middle) if shown >= needed else (middle, outside)
    return outside
