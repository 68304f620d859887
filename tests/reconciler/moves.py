"""Moves at the moments that tables of transitions begin from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from observability.evidence import Tally
from observability.verdict import Verdict
from reconciler.calendar import Opening
from reconciler.ladder import Looks
from reconciler.run import Episode, Evidence, Run, Said, Watch
from reconciler.split import Split
from reconciler.state import Reverting, Shifting
from reconciler.transition import Facts
from spec.policy import WHOLE, Pause, RolloutPolicy, Weight

T0 = datetime(2030, 1, 1, tzinfo=UTC)
OLD: Split = (("blue@1", WHOLE),)
NEW: Split = (("blue@2", WHOLE),)
NEWER: Split = (("blue@3", WHOLE),)
BOTH = frozenset({"blue@1", "blue@2"})
STABLE, CANDIDATE = frozenset({"blue@1"}), frozenset({"blue@2"})
POLICY = RolloutPolicy(
    steps=(Weight(1000, 60), Pause(for_s=30), Weight(5000, 60)), progress_deadline_s=100, keep_s=50, watch_s=20
)
START = Run(OLD, NEW, T0, T0, POLICY)
AT = replace(START, step=0, fraction=1000, sized=1000, carried=1000, entered=T0)
WIDER = replace(AT, step=2, sized=5000, entered=None)
LAST = replace(AT, step=3, fraction=WHOLE, sized=WHOLE, carried=1000, entered=None)
FIRST = Run((), NEW, T0, T0, POLICY)
GOOD = Looks((Said("errors", "blue@2", Verdict.GOOD, "WithinLimits", "fine"),))
BAD = Looks((Said("errors", "blue@2", Verdict.BAD, "WorseThanStable", "too many errors"),))
DRY = Looks((replace(BAD.said[0], dry_run=True),))
SHUT = Opening(is_open=False, because="frozen")
SEEN = Evidence((Episode(NEW, (("blue@2", Tally((1, 0, 0, 0, 0, 0))),)),), "e")
CHECKED = {"blue@2": Said("checks", "blue@2", Verdict.GOOD, "Checked", "3 of 50 answers change")}
RUNNING = {"blue@2": replace(CHECKED["blue@2"], verdict=Verdict.INCONCLUSIVE)}
FAILED = {"blue@2": replace(CHECKED["blue@2"], verdict=Verdict.BAD)}
WATCH = Watch(OLD, T0 + timedelta(seconds=50), T0 + timedelta(seconds=20), POLICY)


def facts(seconds: float = 0, **changes: object) -> Facts:
    now = T0 + timedelta(seconds=seconds)
    made = Facts(NEW, BOTH, BOTH, acknowledged=True, now=now, policy=POLICY, looks=GOOD)
    return replace(made, **changes)  # type: ignore[arg-type]


LATE = {"acknowledged": False}
SINCE = T0 + timedelta(seconds=1)
AT_0 = replace(AT, fraction=0, sized=0, carried=0)
AT_PAUSE = replace(AT, step=1)
THERE = replace(LAST, carried=WHOLE)
FIRST_ON = replace(FIRST, step=0, fraction=WHOLE, sized=WHOLE)
UNPROVEN = replace(WATCH, unproven=True)
DRY_POLICY = replace(POLICY, gates=tuple(replace(gate, dry_run=True) for gate in POLICY.gates))
DRY_RUN = Shifting(replace(AT, policy=DRY_POLICY))
WAITING = Reverting(OLD, T0, AT.split, carried=False, leaving=AT)
UNJUDGED = replace(WAITING, leaving=None)
NO_STABLE, NOBODY = {"ready": CANDIDATE, "live": CANDIDATE}, {"ready": (), "live": ()}
DEADLINE, REPLICAS, READY, ENVOY = "DeadlineExceeded", "AwaitingReplicas", "ReplicasReady", "AwaitingAcknowledgement"
