"""What a gate looks at in a tally: how many attempts failed, or were slower than a limit, of how many."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from observability.evidence import BOUNDS_MS, OUTCOMES, Tally
from observability.quantiles import perhaps_slower, quantile, surely_slower
from observability.sequential import Count
from observability.verdict import Stage
from spec.policy import WHOLE, Gate

REFUSED: Final = "429"
MOST: Final = 10**15
"""More attempts than anybody has."""


def failures(gate: Gate, tally: Tally) -> Count:
    """Attempts with an outcome that the gate calls an error; refusals for capacity count only if it names them."""
    failed, total = _places(gate.outcomes)
    return Count(sum([tally.outcomes[place] for place in failed]), sum([tally.outcomes[place] for place in total]))


@lru_cache
def _places(errors: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where in a tally's outcomes the errors are, and everything that counts."""
    failed = tuple(place for place, name in enumerate(OUTCOMES) if name in errors)
    return failed, tuple(place for place, name in enumerate(OUTCOMES) if name != REFUSED or name in errors)


def beyond(gate: Gate, tally: Tally, limit: float, *, surely: bool) -> Count:
    """Attempts on the wrong side; of latency those above `limit` ms, by one reading of the bucket that holds it."""
    if gate.metric != "latency":
        return failures(gate, tally)
    return surely_slower(tally, limit) if surely else perhaps_slower(tally, limit)


def allowed(gate: Gate) -> float:
    """The share of attempts that may be on the wrong side of `max`."""
    return 1 - (gate.quantile or 0) if gate.metric == "latency" else gate.max or 0.0


def estimate(gate: Gate, tally: Tally) -> float | None:
    """The proportion, or about the quantile in ms; None without attempts."""
    if gate.metric == "latency":
        return quantile(tally, gate.quantile or 0)
    return failures(gate, tally).rate


def answers(gate: Gate, tally: Tally) -> int:
    """Attempts that the gate can judge."""
    return sum(tally.latency) if gate.metric == "latency" else failures(gate, tally).total


def sound(stages: Sequence[Stage]) -> bool:
    """Whether all shares and counts can be true."""
    shares = all(0 <= stage.share <= WHOLE for stage in stages)
    return shares and all(_is_sound(tally) for stage in stages for tally in (stage.candidate, stage.stable))


def _is_sound(tally: Tally) -> bool:
    if len(tally.outcomes) != len(OUTCOMES) or len(tally.latency) != len(BOUNDS_MS) + 1:
        return False
    total = sum(tally.outcomes) + sum(tally.latency)
    return math.isfinite(total) and total == int(total) <= MOST and min(*tally.outcomes, *tally.latency) >= 0
