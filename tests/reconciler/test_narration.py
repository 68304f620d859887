"""What is told of a release between two looks at it."""

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.narration import narrate_release
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.release import ReleaseRef

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
REF = ReleaseRef("iris", "blue", "3f2a9c41d0e7")
READY = ReplicaSeen("r1", ReplicaState.READY)
PREPARED = ReleaseSeen(Preparation(Stage.PREPARED), wanted=1)


def reasons(before: ReleaseSeen | None, after: ReleaseSeen | None) -> list[str]:
    return [event.reason for event in narrate_release(REF, before, after, NOW)]


def test_a_fresh_release_is_told_step_by_step() -> None:
    starting = replace(PREPARED, replicas=(replace(READY, state=ReplicaState.STARTING),))
    ready = replace(PREPARED, replicas=(READY,))
    assert reasons(None, PREPARED) == ["Prepared"]
    assert reasons(PREPARED, starting) == ["ReplicaStarting"]
    assert reasons(starting, ready) == ["ReplicaReady"]
    assert reasons(ready, PREPARED) == ["ReplicaStopped"]


def test_of_an_adopted_release_only_what_is_not_ready_is_told() -> None:
    assert reasons(None, replace(PREPARED, replicas=(READY,))) == []
    late = ReplicaSeen("r2", ReplicaState.UNREADY, reason="ReadinessProbeFailed")
    assert reasons(None, replace(PREPARED, replicas=(READY, late))) == ["ReplicaUnready"]
