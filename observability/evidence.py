"""What live requests showed of each release: counts by outcome and by latency, as data that adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

OUTCOMES: Final = ("ok", "4xx", "408", "429", "5xx", "reset")
"""Of one attempt on a release. `ok`: 1xx to 3xx; `4xx`: the model's own, without 408 and 429; `408`: the time ran
out; `429`: no capacity; `5xx`: the model's own; `reset`: refused, cut off, or nobody there (502, 503)."""

BOUNDS_MS: Final = tuple(round(1.25**step, 3) for step in range(57))
"""Upper bounds of the latency buckets, 1 ms to about 4 min; one more bucket holds what is longer."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts on one release by live requests: neither mirrored nor pinned by a header."""

    outcomes: tuple[int, ...] = (0,) * len(OUTCOMES)
    """By outcome, in the order of `OUTCOMES`."""
    latency: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)
    """Answered attempts (all but `reset` and `429`) by latency bucket."""

    @property
    def total(self) -> int:
        """All attempts but those refused for capacity."""
        return sum(self.outcomes) - self.outcomes[OUTCOMES.index("429")]

    def count(self, outcomes: tuple[str, ...]) -> int:
        """Attempts with one of these outcomes."""
        return sum(count for name, count in zip(OUTCOMES, self.outcomes, strict=True) if name in outcomes)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(_sum(self.outcomes, other.outcomes), _sum(self.latency, other.latency))

    def since(self, earlier: "Tally") -> "Tally":
        """What came after an earlier reading of the same counters."""
        return Tally(_difference(self.outcomes, earlier.outcomes), _difference(self.latency, earlier.latency))


NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True)
class Reading:
    """All counters of one endpoint at one moment. They only grow while `epoch` stays the same."""

    epoch: str
    """Changes when counting begins anew."""
    at: datetime
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """By release name; a release that is absent had no attempt."""


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _difference(later: tuple[int, ...], earlier: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(0, a - b) for a, b in zip(later, earlier, strict=True))
