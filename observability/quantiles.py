"""What latency buckets tell of quantiles; where a limit lies within a bucket, both readings are offered."""

from bisect import bisect_left, bisect_right
from itertools import accumulate

from observability.evidence import BOUNDS_MS, Tally
from observability.sequential import Count


def surely_slower(tally: Tally, limit_ms: float) -> Count:
    """Answers slower than the limit; those in the bucket that holds the limit count as fast."""
    return _slower(tally, bisect_left(BOUNDS_MS, limit_ms) + 1)


def perhaps_slower(tally: Tally, limit_ms: float) -> Count:
    """Answers that may be slower than the limit; those in the bucket that holds the limit count as slow."""
    return _slower(tally, bisect_right(BOUNDS_MS, limit_ms))


def quantile(tally: Tally, share: float) -> float | None:
    """The latency in ms that `share` of the answers stay below, about: within a bucket they are taken as even."""
    total = sum(tally.latency)
    if not total:
        return None
    wanted = share * total
    sums = list(accumulate(tally.latency))
    bucket = min(bisect_left(sums, wanted), len(sums) - 1)
    if bucket == len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    below = sums[bucket] - tally.latency[bucket]
    bottom = BOUNDS_MS[bucket - 1] if bucket else 0.0
    inside = (wanted - below) / tally.latency[bucket] if tally.latency[bucket] else 1.0
    return bottom + inside * (BOUNDS_MS[bucket] - bottom)


def bound(tally: Tally, share: float) -> float | None:
    """The least bucket bound in ms that at least `share` of the answers stay below; None if no bound is."""
    total = sum(tally.latency)
    sums = accumulate(tally.latency[:-1])
    return next((ms for ms, count in zip(BOUNDS_MS, sums, strict=True) if total and count >= share * total), None)


def _slower(tally: Tally, first: int) -> Count:
    return Count(sum(tally.latency[first:]), sum(tally.latency))
