"""After a gap in the counting: what a step waits for that is over by its time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from moves import AT, GOOD, NEW, POLICY, T0, facts

from observability.evidence import Reading, Tally
from reconciler import gap, trial
from reconciler.rollout import advance
from reconciler.run import Evidence, Run
from reconciler.state import Paused, Shifting
from spec.policy import Gate, Pause, Weight

PATIENCE = timedelta(seconds=6)
GATE = Gate("errors", compare_stable=True, min_requests=10)
GREEN = (("green@2", 10_000),)
"""A candidate that nothing was heard of."""
DEMANDING = replace(GATE, name="more", min_requests=11)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def run(answers: int = 0, since: float = 4, **more: object) -> Run:
    """On a step that was entered at 0, and counted again from 4 s on."""
    regained = (("blue@2", Tally((answers, 0, 0, 0, 0, 0))),)
    evidence = Evidence((), "e", (), after(since), regained)
    policy = replace(POLICY, steps=(Weight(1000, 2), Weight(5000, 2)), gates=(GATE,))
    return replace(AT, policy=policy, evidence=evidence, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "seconds", "waits"),
    [
        (run(), 9.9, True),
        (run(9), 9.9, True),
        (run(10), 4, False),
        (run(), 10, False),
        (run(since=0), 1, False),
        (run(since=-1), 1, False),
        (run(fraction=0), 5, False),
        (run(approved=True), 5, False),
        (replace(run(), entered=None), 5, False),
        (replace(run(), evidence=Evidence()), 5, False),
        (replace(run(), policy=replace(POLICY, gates=())), 5, False),
        (replace(run(), policy=replace(POLICY, gates=(replace(GATE, dry_run=True),))), 5, False),
        (replace(run(), policy=replace(POLICY, gates=(Gate("asks", metric="http"),))), 5, False),
        (replace(run(10), policy=replace(POLICY, gates=(GATE, DEMANDING))), 5, True),
        (replace(run(), policy=replace(POLICY, gates=(replace(GATE, min_requests=1),)), target=GREEN), 5, True),
    ],
)
def test_who_waits(of: Run, seconds: float, waits: bool) -> None:  # noqa: FBT001
    assert (gap.waits(of, PATIENCE, after(seconds)) is not None) == waits


def test_who_needs_no_requests_is_not_looked_at_again() -> None:
    assert gap.end(run(), PATIENCE) == after(10)
    assert gap.end(replace(run(), policy=replace(POLICY, gates=())), PATIENCE) is None


def test_every_candidate_must_have_answered() -> None:
    both = replace(run(10), target=(("blue@2", 5000), ("green@2", 5000)))
    because = gap.waits(both, PATIENCE, after(5))
    assert because is not None
    assert because[0] == "EvidenceGap"
    assert "10 answers of green@2 or 00:00:10 UTC" in because[1]


def test_a_step_and_a_timed_pause_wait_and_then_go_on() -> None:
    steps = (Weight(1000, 2), Pause(for_s=2), Weight(5000, 2))
    pause = replace(run(), policy=replace(run().policy, steps=steps), step=1)
    for phase in (Shifting(run()), Paused(pause)):
        found = facts(5, policy=phase.run.policy, patience=PATIENCE, target=NEW, looks=GOOD)
        held = advance(phase, found)
        assert (held.because[0], type(held.phase)) == ("EvidenceGap", type(phase))
        gone_on = advance(phase, replace(found, now=after(10)))
        assert isinstance(gone_on.phase, Shifting)
        assert gone_on.phase.run.sized > run().fraction


def test_what_came_since_is_counted_anew_after_each_gap() -> None:
    found = trial.absorb(Evidence(), reading(5), AT.split, T0)
    found = trial.absorb(found, reading(9), AT.split, after(1))
    assert (found.since, total(found)) == (T0, 4)
    found = trial.absorb(found, None, AT.split, after(2))
    found = trial.absorb(found, reading(10), AT.split, after(3))
    assert (found.since, total(found)) == (after(3), 1)
    found = trial.absorb(found, reading(7, "later"), AT.split, after(4))
    assert (found.since, total(found)) == (after(4), 7)
    found = trial.absorb(found, reading(8, "later"), AT.split, after(5), counts=False)
    assert (found.since, total(found)) == (after(4), 7)
    found = trial.absorb(found, reading(10, "later"), AT.split, after(6))
    assert total(found) == 9


def reading(count: int, epoch: str = "e") -> Reading:
    return Reading(epoch, T0, {"blue@2": Tally((count, 0, 0, 0, 0, 0))})


def total(found: Evidence) -> int:
    return sum(sum(tally.outcomes) for _, tally in found.regained)
