"""Splits: who gets which share, and the way from one split to another."""

from functools import lru_cache
from heapq import nsmallest

from router.table import TOTAL

Split = tuple[tuple[str, int], ...]
"""Release → share in hundredths of a percent, sorted by release, no zeros; totals 10 000, or is empty."""


@lru_cache(4096)
def split_at(source: Split, target: Split, fraction: int) -> Split:
    """S + f·(T - S), with f in hundredths of a percent of the move.

    It totals 10 000; each share is monotone in f, and positive in between wherever it is at either end. The units
    that move are handed out one by one by the priorities of Adams' and Jefferson's divisor methods, which is what
    makes it monotone. Where an end is empty there is no between: the other end holds from f > 0 on.
    """
    if fraction <= 0:
        return source
    if fraction >= TOTAL or not source or not target:
        return target
    gains, losses = _changes(source, target), _changes(target, source)
    moved = sum(gains.values())
    units = min(max(round(moved * fraction / TOTAL), len(gains)), moved - len(losses))
    if units <= 0:
        return source
    return _moved(dict(source), _gained(gains, units), _lost(losses, units))


def candidates(source: Split, target: Split) -> tuple[str, ...]:
    """The releases that gain a share, and so are on trial while traffic moves."""
    return tuple(sorted(_changes(source, target)))


def describe(split: Split) -> str:
    """A split as people write it: `blue@3f2 90%, green@1a7 10%`."""
    if not split:
        return "no traffic"
    return ", ".join(f"{release} {share / 100:g}%" for release, share in split)


def scale_to_total(shares: dict[str, int]) -> Split:
    """Scale positive shares to total 10 000 by largest remainder; ties go to the first name."""
    whole = sum(shares.values())
    floors = {release: share * TOTAL // whole for release, share in shares.items()}
    remainders = sorted(shares, key=lambda release: (-(shares[release] * TOTAL % whole), release))
    for release in remainders[: TOTAL - sum(floors.values())]:
        floors[release] += 1
    return tuple(sorted(floors.items()))


def _changes(source: Split, target: Split) -> dict[str, int]:
    before = dict(source)
    return {name: share - before.get(name, 0) for name, share in target if share > before.get(name, 0)}


def _gained(gains: dict[str, int], units: int) -> dict[str, int]:
    """Adams: everybody's first unit comes first."""
    return _hand_out(
        [((unit - 1) / gain, name) for name, gain in gains.items() for unit in range(1, gain + 1)], units
    )


def _lost(losses: dict[str, int], units: int) -> dict[str, int]:
    """Jefferson: everybody's last unit goes last."""
    return _hand_out([(unit / loss, name) for name, loss in losses.items() for unit in range(1, loss + 1)], units)


def _hand_out(priorities: list[tuple[float, str]], units: int) -> dict[str, int]:
    given: dict[str, int] = {}
    for _, name in nsmallest(units, priorities):
        given[name] = given.get(name, 0) + 1
    return given


def _moved(shares: dict[str, int], gained: dict[str, int], lost: dict[str, int]) -> Split:
    names = sorted({*shares, *gained})
    after = ((name, shares.get(name, 0) + gained.get(name, 0) - lost.get(name, 0)) for name in names)
    return tuple((name, share) for name, share in after if share > 0)
