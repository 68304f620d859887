"""Counting attempts by endpoint and release, as they are heard of."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from observability.evidence import BOUNDS_MS, OUTCOMES, Reading, Tally

IDLE: Final = timedelta(minutes=15)
"""An endpoint that is neither heard of nor asked for this long is forgotten."""

_INDEX: Final = {outcome: index for index, outcome in enumerate(OUTCOMES)}
_UNTIMED: Final = frozenset({_INDEX["reset"], _INDEX["429"]})


@dataclass(slots=True)
class _Counts:
    """A tally that grows."""

    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def add(self, outcome: str, milliseconds: float) -> None:
        index = _INDEX[outcome]
        self.outcomes[index] += 1
        if index not in _UNTIMED:
            self.latency[bisect_left(BOUNDS_MS, milliseconds)] += 1


@dataclass(slots=True)
class _Endpoint:
    epoch: str
    used: datetime
    """When it was last heard of or asked for."""
    releases: dict[str, _Counts] = field(default_factory=dict)


class Tallies:
    """Counters of every endpoint with recent attempts. Not for several threads."""

    def __init__(self, epoch: str) -> None:
        """`epoch` must differ from those of all earlier ones: their counts are not these."""
        self._epoch = epoch
        self._begun = 0
        self._swept: datetime | None = None
        self._endpoints: dict[str, _Endpoint] = {}

    def __len__(self) -> int:
        return len(self._endpoints)

    def count(self, attempts: Iterable[tuple[str, str, str, float]], now: datetime) -> frozenset[str]:
        """Count attempts (endpoint, release, outcome, milliseconds); return their endpoints.

        Raises `KeyError` for an outcome that is not one of `OUTCOMES`.
        """
        touched: dict[str, _Endpoint] = {}
        for endpoint, release, outcome, milliseconds in attempts:
            if endpoint not in touched:
                touched[endpoint] = self._of(endpoint, now)
            releases = touched[endpoint].releases
            counts = releases.get(release)
            if counts is None:
                counts = releases[release] = _Counts()
            counts.add(outcome, milliseconds)
        self._sweep(now)
        return frozenset(touched)

    def reading(self, endpoint: str, now: datetime) -> Reading:
        """Return the endpoint's counters; zero is as much a reading as any other."""
        found = self._of(endpoint, now)
        self._sweep(now)
        tallies = {
            release: Tally(tuple(counts.outcomes), tuple(counts.latency))
            for release, counts in found.releases.items()
        }
        return Reading(found.epoch, now, tallies)

    def _of(self, endpoint: str, now: datetime) -> _Endpoint:
        found = self._endpoints.get(endpoint)
        if found is None:
            self._begun += 1
            found = self._endpoints[endpoint] = _Endpoint(f"{self._epoch}.{self._begun}", now)
        found.used = now
        return found

    def _sweep(self, now: datetime) -> None:
        if self._swept is not None and now - self._swept < IDLE / 10:
            return
        self._swept = now
        self._endpoints = {name: each for name, each in self._endpoints.items() if now - each.used < IDLE}
