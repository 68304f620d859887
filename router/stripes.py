"""Which stretch of all clients each release has, so that only the share that moves changes its release. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, pairwise

Split = tuple[tuple[str, int], ...]
Stripe = tuple[str, int]
"""A release, and its part of `TOTAL`; a release may have several stripes."""


def stripes(settled: Split, split: Split) -> tuple[Stripe, ...]:
    """Lay out `split` within the stretches of `settled`; both total the same.

    A release that loses gives from one edge of its stretch, towards the release that gains, in name order; a stretch
    from which several gain is divided beforehand as their gains relate. So a share that grows only takes.
    """
    before, now = dict(settled), dict(split)
    if sum(before.values()) != sum(now.values()):
        before = now
    gains = {name: now[name] - before.get(name, 0) for name in sorted(now) if now[name] > before.get(name, 0)}
    losses = {name: before[name] - now.get(name, 0) for name in sorted(before) if before[name] > now.get(name, 0)}
    given = _given(losses, gains)
    found = (stripe for name in sorted(before) for stripe in _stretch(name, before[name], given.get(name, {})))
    return tuple(_joined(found))


def _given(losses: Mapping[str, int], gains: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Divide each loss among those that gain, as their gains relate, exactly."""
    open_gains, given = dict(gains), {}
    for name, loss in losses.items():
        parts = _divide(loss, tuple(open_gains.values()))
        given[name] = dict(zip(open_gains, parts, strict=True))
        open_gains = {gainer: gain - given[name][gainer] for gainer, gain in open_gains.items()}
    return given


def _stretch(name: str, size: int, given: Mapping[str, int]) -> Iterator[Stripe]:
    """One release's former stretch, in as many parts as others gain from it."""
    if not any(given.values()):
        yield name, size
        return
    kept = dict(zip(given, _divide(size - sum(given.values()), tuple(given.values())), strict=True))
    for gainer in given:
        pair = ((gainer, given[gainer]), (name, kept[gainer]))
        yield from pair if gainer < name else pair[::-1]


def _divide(total: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    """Split a number as weights relate: whole numbers that total it."""
    whole = sum(weights)
    edges = [total * edge // whole if whole else 0 for edge in accumulate(weights, initial=0)]
    return tuple(after - before for before, after in pairwise(edges))


def _joined(found: Iterable[Stripe]) -> Iterator[Stripe]:
    """Join neighbours of one release, and leave out those of no size."""
    last: Stripe | None = None
    for name, size in found:
        if last is not None and last[0] == name:
            last = (name, last[1] + size)
        elif size:
            if last is not None:
                yield last
            last = (name, size)
    if last is not None:
        yield last
