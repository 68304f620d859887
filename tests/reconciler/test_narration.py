"""What is told of a release between two looks at it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from reconciler.narration import narrate, narrate_release
from reconciler.plan import Want
from reconciler.run import Run
from reconciler.split import Split
from reconciler.state import Memory, Paused, Phase, Reverting, Settled, Shifting, Warming
from router.table import TokenAuth
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.release import ReleaseRef

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
REF = ReleaseRef("iris", "blue", "3f2a9c41d0e7")
READY = ReplicaSeen("r1", ReplicaState.READY)
PREPARED = ReleaseSeen(Preparation(Stage.PREPARED), wanted=1)


T1: Split = (("blue@1", 10_000),)
T2: Split = (("blue@2", 10_000),)
RUN = Run(T1, T2, NOW, NOW)
MOVING = replace(RUN, step=0, fraction=1000, sized=1000)


def told(before: Phase, after: Phase, *because: tuple[str, str]) -> list[tuple[str, str]]:
    memories = Memory("iris", phase=before), Memory("iris", phase=after)
    want = Want("commit", None, TokenAuth(""))
    return [(event.reason, event.message) for event in narrate(*memories, want, NOW, because)]


def test_a_move_whose_replicas_are_ready_is_started_all_the_same() -> None:
    assert [reason for reason, _ in told(Settled(T1), Warming(RUN))] == ["RolloutStarted"]
    assert [reason for reason, _ in told(Settled(T1), Shifting(MOVING))] == ["RolloutStarted", "TrafficShifting"]
    assert [reason for reason, _ in told(Warming(RUN), Shifting(MOVING))] == ["TrafficShifting"]


def test_another_policy_in_mid_move_is_told() -> None:
    other = replace(MOVING, policy=replace(MOVING.policy, name="careful", keep_s=1))
    assert told(Shifting(MOVING), Shifting(other)) == [("Replanned", "policy careful holds from 10% of the move on")]


def test_each_order_is_told_with_who_gave_it() -> None:
    by = "ordered by ada"
    resumed = told(Paused(MOVING, manual=True), Shifting(MOVING), ("Resumed", by), ("StepRunning", "until 03:00"))
    assert resumed == [("Resumed", by)]
    paused = told(Shifting(MOVING), Paused(MOVING, manual=True), ("PausedByHand", by), ("PausedByHand", "somebody"))
    assert paused[0] == ("PausedByHand", by)
    assert paused[1][0] == "RolloutPaused"


def test_the_end_of_a_wait_for_capacity_is_told() -> None:
    waiting = Reverting(T1, NOW, T2, carried=False)
    assert told(waiting, replace(waiting, carried=True)) == [("TrafficReturning", "moving back to blue@1 100%")]
    assert told(waiting, replace(waiting, left=T1)) == []


def test_no_fact_is_lost() -> None:
    memories = Memory("iris", phase=Shifting(MOVING)), Memory("iris", phase=Paused(MOVING, manual=True))
    because = (("PausedByHand", "ordered by ada"), ("PausedByHand", "somebody paused it"))
    events = narrate(*memories, Want("commit", None, TokenAuth("")), NOW, because)
    assert {event.because["PausedByHand"] for event in events} == {"ordered by ada; somebody paused it"}


def reasons(before: ReleaseSeen | None, after: ReleaseSeen | None) -> list[str]:
    return [event.reason for event in narrate_release(REF, before, after, NOW)]


def test_a_fresh_release_is_told_step_by_step() -> None:
    starting = replace(PREPARED, replicas=(replace(READY, state=ReplicaState.STARTING),))
    ready = replace(PREPARED, replicas=(READY,))
    assert reasons(None, PREPARED) == ["Prepared"]
    assert reasons(PREPARED, starting) == ["ReplicaStarting"]
    assert reasons(starting, ready) == ["ReplicaReady"]
    assert reasons(ready, PREPARED) == ["ReplicaStopped"]


def test_files_that_were_gone_are_told_when_they_are_missed_and_when_they_are_back() -> None:
    missing = replace(PREPARED, preparation=Preparation(Stage.PREPARED, "a is gone", "FilesMissing"))
    making = replace(missing, preparation=replace(missing.preparation, message="materialising"))
    full = replace(missing, preparation=replace(missing.preparation, message="no room", reason="DiskFull"))
    back = replace(PREPARED, preparation=Preparation(Stage.PREPARED, "all is back", "FilesRestored"))
    steps = [PREPARED, missing, making, full, PREPARED, back, missing]
    told = [reasons(before, after) for before, after in pairwise(steps)]
    assert told == [["FilesMissing"], [], ["DiskFull"], [], ["FilesRestored"], ["FilesMissing"]]


def test_of_an_adopted_release_only_what_is_not_ready_is_told() -> None:
    assert reasons(None, replace(PREPARED, replicas=(READY,))) == []
    late = ReplicaSeen("r2", ReplicaState.UNREADY, reason="ReadinessProbeFailed")
    assert reasons(None, replace(PREPARED, replicas=(READY, late))) == ["ReplicaUnready"]
