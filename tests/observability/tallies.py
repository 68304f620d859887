"""Tallies and stages in few words."""

from bisect import bisect_left
from collections.abc import Iterable

from observability.evidence import BOUNDS_MS, Tally
from observability.verdict import Stage


def tally(total: int, failed: int = 0, refused: int = 0, ms: float = 40) -> Tally:
    """So many answers after `ms`, of them so many 5xx; and refusals beside them."""
    return Tally((total - failed, 0, 0, refused, failed, 0), latencies([ms], total))


def timed(values: Iterable[float]) -> Tally:
    """One good answer after each of these times in ms."""
    known = list(values)
    return Tally((len(known), 0, 0, 0, 0, 0), latencies(known))


def latencies(values: Iterable[float], each: int = 1) -> tuple[int, ...]:
    counts = [0] * (len(BOUNDS_MS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS_MS, value)] += each
    return tuple(counts)


def stage(share: int, candidate: tuple[int, int], stable: tuple[int, int] = (0, 0)) -> Stage:
    """(attempts, failed) of both."""
    return Stage(share, tally(*candidate), tally(*stable))
