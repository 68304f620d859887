"""A release that breaks after long calm is found by what came since, in a step and after promotion."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from observability.evidence import Reading, Tally
from observability.judge import alpha_each, judge, judge_frozen
from observability.verdict import Verdict
from reconciler.run import Evidence, Run
from reconciler.split import Split
from reconciler.trial import absorb, stages
from spec.policy import BUILT_IN, Gate, Weight

pytestmark = pytest.mark.slow
T0 = datetime(2030, 1, 1, tzinfo=UTC)
TICK = timedelta(seconds=0.1)
OLD: Split = (("blue@1", 10_000),)
NEW: Split = (("blue@2", 10_000),)
TENTH: Split = (("blue@1", 9000), ("blue@2", 1000))
RUN = Run(OLD, NEW, T0, T0, fraction=1000)
ALPHA = alpha_each(BUILT_IN)
SAME, MOST = BUILT_IN.gates[0], Gate("most", max=0.02)
assert SAME.compare_stable
assert isinstance(BUILT_IN.steps[0], Weight)


def tally(good: int, bad: int) -> Tally:
    latency = (good + bad, *Tally().latency[1:])
    return Tally((good, 0, 0, 0, bad, 0), latency)


class Traffic:
    """Requests as Headgate reads of them: ten times a second."""

    def __init__(self, split: Split) -> None:
        self.evidence, self.split, self.now = Evidence(), split, T0
        self.counts = {name: [0, 0] for name, _ in split}
        self.read()

    def read(self) -> None:
        self.now += TICK
        found = {name: tally(*counts) for name, counts in self.counts.items()}
        self.evidence = absorb(self.evidence, Reading("e", self.now, found), self.split, self.now)

    def calm(self, name: str, requests: int, step: int = 20) -> None:
        for _ in range(0, requests, step):
            self.counts[name][0] += step
            self.read()


def failures_until(bad: Callable[[Evidence], bool], traffic: Traffic, others: int) -> int:
    """Failed requests of the candidate until it is bad; between two of them stable answers `others`."""
    for failed in range(1, 2000):
        traffic.counts["blue@2"][1] += 1
        if "blue@1" in traffic.counts:
            traffic.counts["blue@1"][0] += others
        traffic.read()
        if bad(traffic.evidence):
            return failed
    return 2000


@pytest.mark.parametrize(
    ("stable", "calm", "most"),
    [
        (40, 0, 4), (40, 300, 30), (40, 4000, 40), (40, 24_000, 40),
        (300, 300, 20), (300, 24_000, 25), (1000, 0, 3), (1000, 4000, 20), (1000, 24_000, 20),
    ],
)  # fmt: skip
def test_after_promotion(stable: int, calm: int, most: int) -> None:
    traffic = Traffic(NEW)
    traffic.calm("blue@2", calm)

    def bad(found: Evidence) -> bool:
        verdict = judge_frozen(SAME, found.pieces("blue@2"), tally(stable, 0), ALPHA).verdict
        return verdict is Verdict.BAD

    assert failures_until(bad, traffic, 0) <= most


@pytest.mark.parametrize(
    ("gate", "calm", "most"), [(SAME, 0, 4), (SAME, 15_000, 8), (MOST, 0, 5), (MOST, 15_000, 12)]
)
def test_in_a_step(gate: Gate, calm: int, most: int) -> None:
    traffic = Traffic(TENTH)
    for _ in range(0, calm, 20):
        traffic.counts["blue@1"][0] += 18
        traffic.counts["blue@2"][0] += 2
        traffic.read()

    def bad(found: Evidence) -> bool:
        run = Run(RUN.source, RUN.target, T0, T0, fraction=1000, evidence=found)
        return judge(gate, stages(run, "blue@2"), ALPHA).verdict is Verdict.BAD

    assert failures_until(bad, traffic, 9) <= most


def looks(chance: random.Random, rate: float) -> Iterator[Evidence]:
    """A minute of 200 requests a second, of which both releases fail the same share, as they are read."""
    traffic = Traffic(TENTH)
    for _ in range(600):
        for _ in range(20):
            name = "blue@2" if chance.random() < 0.1 else "blue@1"
            traffic.counts[name][int(chance.random() < rate)] += 1
        before = traffic.evidence.tally("blue@2").outcomes
        traffic.read()
        if traffic.evidence.tally("blue@2").outcomes[4] > before[4]:
            yield traffic.evidence


@pytest.mark.parametrize("rate", [0.005, 0.1])
def test_pieces_raise_no_more_alarms_than_promised(rate: float) -> None:
    def alarmed(seed: int) -> bool:
        runs = (Run(OLD, NEW, T0, T0, fraction=1000, evidence=found) for found in looks(random.Random(seed), rate))
        return any(judge(SAME, stages(run, "blue@2"), 0.05).verdict is Verdict.BAD for run in runs)

    assert sum(alarmed(seed) for seed in range(40)) <= 40 * 0.05 + 3 * (40 * 0.05) ** 0.5
