"""Checks in Git in the loop: nothing gets a share before they are good, and what they said stays to be seen."""

import asyncio
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest
from ports import MemoryExaminer, endpoint_files
from rig import Rig

from observability.examination import Examination, Outcome
from observability.verdict import Verdict
from reconciler.facts import CHECKS
from reconciler.state import Settled, Shifting, Warming
from reconciler.trial import Examined

POLICY = dedent("""\
    kind: rollout_policy
    name: brief
    steps: [{weight: 10, for: 1h}]
    gates: []
    progress_deadline: 10s
    """)
CHECK_FILE = dedent("""\
    kind: checks
    deployment: blue
    checks: [{name: sample, request: [1], max_difference: 0.5}]
    """)
SAID = "all 50 checks pass; 3 of 50 answers change, at most by 0.4"


def files(score: int, checks: str = CHECK_FILE) -> dict[str, str]:
    found = endpoint_files("fraud") | {"policy.yml": POLICY, "fraud/checks.yml": checks}
    return found | {"fraud/src/score.py": f"def init():\n    pass\n\n\ndef run(raw):\n    return {score}\n"}


class MovableClock:
    """The machine's clock, put forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class StuckExaminer:
    """No examination ends by itself."""

    def __init__(self) -> None:
        self.started, self.cancelled = 0, 0

    async def examine(self, examination: Examination) -> Outcome:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError(examination)


def shares(rig: Rig) -> dict[str, int]:
    return dict(rig.router.routes["fraud"].split)


def phase(rig: Rig) -> object:
    return rig.reconciler.memories["fraud"].phase


def said(rig: Rig) -> list[Examined]:
    found = rig.reconciler.observe("fraud").examined
    return [one for (gate, _), one in found.items() if gate == CHECKS]


async def settle(rig: Rig) -> str:
    """Serve the first release; return it."""
    rig.source.push(files(1))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    return next(iter(shares(rig)))


@pytest.fixture
def examiner(rig: Rig) -> MemoryExaminer:
    found = MemoryExaminer()
    rig.examiner = found
    return found


async def test_a_first_deployment_has_nothing_to_spare(rig: Rig, examiner: MemoryExaminer) -> None:
    await settle(rig)
    assert examiner.examined == []


async def test_good_checks_let_the_first_share_through(rig: Rig, examiner: MemoryExaminer) -> None:
    examiner.outcome = Outcome(Verdict.GOOD, SAID)
    stable = await settle(rig)
    events = []
    rig.reconciler.listen(events.append)
    rig.source.push(files(2))
    await rig.until(lambda: isinstance(phase(rig), Shifting) and len(shares(rig)) == 2)
    candidate = next(name for name in shares(rig) if name != stable)
    assert shares(rig) == {stable: 9000, candidate: 1000}
    (asked,) = examiner.examined
    assert (asked.kind, asked.release) == ("checks", candidate)
    assert asked.checks is not None
    assert asked.checks.checks[0].name == "sample"
    assert len(asked.replicas) == len(asked.stable) == 1
    assert asked.replicas != asked.stable
    reasons = [because for event in events if event.reason == "TrafficShifting" for because in event.because.items()]
    assert any(reason == "ChecksPassed" and message.startswith(SAID) for reason, message in reasons)
    assert [(one.verdict, one.message) for one in said(rig)] == [(Verdict.GOOD, SAID)]


async def test_what_warming_up_came_to_is_told(rig: Rig, examiner: MemoryExaminer) -> None:
    warmth = "p50 from 840 ms to 12 ms after 34 requests"
    examiner.outcome = Outcome(Verdict.GOOD, warmth)
    warm = {"policy.yml": POLICY.replace("[{weight", "[{warmup: 40, for: 1m}, {weight")}
    await settle(rig)
    events = []
    rig.reconciler.listen(events.append)
    rig.source.push(files(2) | warm)
    await rig.until(lambda: len(shares(rig)) == 2)
    assert [(one.kind, one.requests, one.for_s) for one in examiner.examined] == [
        ("checks", 0, 0),
        ("warmup", 40, 60),
    ]
    assert any(event.because.get("WarmedUp") == warmth for event in events)


async def test_bad_checks_never_let_it_have_a_share(rig: Rig, examiner: MemoryExaminer) -> None:
    message = "1 of 50 checks fails; first `sample`: answered 500, expected 200"
    examiner.outcome = Outcome(Verdict.BAD, message)
    stable = await settle(rig)
    events = []
    rig.reconciler.listen(events.append)
    pushed = []
    put = rig.router.put
    rig.router.put = lambda route: (pushed.append(route), put(route))[1]
    rig.source.push(files(2))
    await rig.until(lambda: rig.status("fraud") == "False ChecksFailed")
    assert shares(rig) == {stable: 10_000}
    assert all(dict(route.split) == {stable: 10_000} for route in pushed)
    (refused,) = [event for event in events if event.reason == "ReleaseRefused"]
    assert message in refused.message
    (refusal,) = rig.reconciler.memories["fraud"].refused
    assert stable not in refusal.guilty
    ready = next(one for one in rig.reconciler.memories["fraud"].conditions if one.type == "Ready")
    assert message in ready.message
    assert len(examiner.examined) == 1


async def test_an_examination_that_never_ends_gives_no_share_and_is_no_fault(rig: Rig) -> None:
    clock, examiner = MovableClock(), StuckExaminer()
    rig.clock, rig.examiner = clock, examiner
    stable = await settle(rig)
    rig.source.push(files(2))
    await rig.until(lambda: examiner.started == 1)
    for _ in range(5):
        clock.ahead += timedelta(hours=1)
        looks = rig.runtime.looks
        rig.reconciler.queue.add("fraud")
        await rig.until(lambda looks=looks: rig.runtime.looks > looks and rig.reconciler.queue.idle)
    assert isinstance(phase(rig), Warming)
    assert shares(rig) == {stable: 10_000}
    assert rig.reconciler.memories["fraud"].refused == ()
    assert examiner.started == 1
    assert rig.status("fraud") == "Unknown AwaitingChecks"


async def test_a_revert_ends_an_examination(rig: Rig) -> None:
    examiner = StuckExaminer()
    rig.examiner = examiner
    await settle(rig)
    rig.source.push(files(2))
    await rig.until(lambda: examiner.started == 1)
    rig.source.push(files(1))
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    await rig.until(lambda: examiner.cancelled == 1)


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE])
async def test_what_could_not_be_told_is_asked_again(rig: Rig, examiner: MemoryExaminer, verdict: Verdict) -> None:
    rig.clock = clock = MovableClock()
    examiner.outcome = Outcome(verdict, "there is nobody to ask")
    stable = await settle(rig)
    rig.source.push(files(2))
    await rig.until(lambda: len(examiner.examined) == 1 and rig.reconciler.queue.idle)
    rig.reconciler.queue.add("fraud")
    await rig.until(lambda: rig.reconciler.queue.idle)
    assert len(examiner.examined) == 1
    wake = rig.reconciler.plans["fraud"].wake_at
    assert wake is not None
    assert wake <= clock.now() + timedelta(seconds=10)
    assert shares(rig) == {stable: 10_000}
    clock.ahead += timedelta(seconds=11)
    examiner.outcome = Outcome(Verdict.GOOD, SAID)
    rig.reconciler.queue.add("fraud")
    await rig.until(lambda: len(shares(rig)) == 2)
    assert len(examiner.examined) == 2


async def test_the_last_outcome_stays_as_long_as_its_release(rig: Rig, examiner: MemoryExaminer) -> None:
    examiner.outcome = Outcome(Verdict.GOOD, SAID)
    immediate = {"policy.yml": "kind: rollout_policy\nname: now\nstrategy: immediate\n"}
    await settle(rig)
    for score in (2, 3):
        rig.source.push(files(score) | immediate)
        commit = f"c{score}"
        await rig.until(lambda commit=commit: rig.reconciler.applied == commit and len(rig.runtime.seen()) == 1)
        await rig.until(lambda: len(said(rig)) == 1)
        assert said(rig)[0].message == SAID
    assert len(examiner.examined) == 2


GATED = dedent("""\
    kind: rollout_policy
    name: gated
    steps: [{gate: answers}, {weight: 50}]
    gates: [{name: answers, metric: checks, interval: 1s}]
    """)


async def test_a_gate_of_checks_is_asked_before_the_first_share_and_again_after_promotion(
    rig: Rig, examiner: MemoryExaminer
) -> None:
    rig.clock = clock = MovableClock()
    examiner.outcome = Outcome(Verdict.GOOD, SAID)
    stable = await settle(rig)
    rig.source.push(files(2) | {"policy.yml": GATED})
    await rig.until(lambda: stable not in shares(rig) and isinstance(phase(rig), Settled))
    before = len(examiner.examined)
    assert before >= 3
    clock.ahead += timedelta(seconds=2)
    examiner.outcome = Outcome(Verdict.BAD, "1 of 50 checks fails")
    rig.reconciler.queue.add("fraud")
    await rig.until(lambda: rig.status("fraud") == "False Regressed")
    assert shares(rig) == {stable: 10_000}
    last = examiner.examined[-1]
    assert (last.kind, len(last.stable)) == ("checks", 1)
    assert last.checks is not None
