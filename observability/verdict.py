"""Verdicts: what evidence says of a candidate, as data."""

from dataclasses import dataclass
from enum import StrEnum

from observability.evidence import NOTHING, Tally


class Verdict(StrEnum):
    """What one gate says."""

    GOOD = "good"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"
    """Hold: the evidence does not tell."""
    ERROR = "error"
    """It could not be measured; does not count."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Evidence from a time in which the candidate's share did not change."""

    share: int
    """The candidate's share of the live requests of candidate and stable together, in hundredths of a percent."""
    candidate: Tally = NOTHING
    stable: Tally = NOTHING
    """All releases that are not on trial, together, at the same time."""
    piece: int = 0
    """0 where a share begins; its later pieces are numbered as they began, and some may be missing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One gate's verdict, with the figures that it rests on."""

    verdict: Verdict
    reason: str
    """CamelCase; of error rates and latencies those of `observability.findings.Finding`."""
    message: str
    samples: int = 0
    """Attempts on the candidate."""
    value: float | None = None
    """The candidate's estimate: a proportion, or milliseconds."""
    reference: float | None = None
    """What it is held against."""
