"""Transitions, one row each, at the very moment at which they may happen."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moves import (
    AT,
    AT_0,
    AT_PAUSE,
    BAD,
    BOTH,
    CANDIDATE,
    CHECKED,
    DEADLINE,
    DRY,
    DRY_POLICY,
    DRY_RUN,
    ENVOY,
    FAILED,
    FIRST,
    FIRST_ON,
    GOOD,
    LAST,
    LATE,
    NEW,
    NEWER,
    NO_STABLE,
    NOBODY,
    OLD,
    POLICY,
    READY,
    REPLICAS,
    RUNNING,
    SEEN,
    SHUT,
    SINCE,
    STABLE,
    START,
    T0,
    THERE,
    UNJUDGED,
    UNPROVEN,
    WAITING,
    WATCH,
    WIDER,
    facts,
)

from observability.verdict import Verdict
from reconciler.ladder import Looks
from reconciler.rollout import advance
from reconciler.run import Run
from reconciler.split import Split
from reconciler.state import Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from reconciler.transition import Facts, Step
from spec.policy import IMMEDIATE, WHOLE, Gate, Weight

ROWS: list[tuple[str, Phase, Facts, str, str]] = [
    # What the world must bring first.
    ("warming: replicas", Warming(START), facts(ready=STABLE), "warming", REPLICAS),
    ("warming: base", Warming(START), facts(**LATE), "warming", "AwaitingBase"),
    ("warming: checks run", Warming(START), facts(checked=RUNNING), "warming", "AwaitingChecks"),
    ("warming: checks passed", Warming(START), facts(checked=CHECKED), "shifting", "ChecksPassed"),
    ("warming: checks failed", Warming(START), facts(checked=FAILED), "settled", "ChecksFailed"),
    ("warming: no checks of a first one", Warming(FIRST), facts(checked=FAILED), "shifting", READY),
    ("warming: first, checks run", Warming(FIRST), facts(checked=RUNNING), "shifting", READY),
    ("warming: window", Warming(START), facts(opening=SHUT), "warming", "WindowClosed"),
    ("warming: a first one needs no window", Warming(FIRST), facts(opening=SHUT), "shifting", READY),
    ("warming: go", Warming(START), facts(), "shifting", READY),
    ("warming: bad verdict is of another move", Warming(START), facts(looks=BAD), "shifting", READY),
    # The deadline: at its moment, and only for what the world should have brought.
    ("deadline: not yet", Warming(START), facts(99.9, ready=STABLE), "warming", REPLICAS),
    ("deadline", Warming(START), facts(100, ready=STABLE), "settled", DEADLINE),
    ("deadline: base", Warming(START), facts(100, **LATE), "settled", DEADLINE),
    ("deadline: of a first one there is none", Warming(FIRST), facts(999, ready=STABLE), "warming", REPLICAS),
    ("deadline: excused", Warming(START), facts(100, ready=STABLE, excused=CANDIDATE), "warming", REPLICAS),
    ("deadline: excused, but not Envoy", Warming(START), facts(100, **LATE, excused=CANDIDATE), "settled", DEADLINE),
    ("deadline: not while away", Warming(START), facts(100, ready=STABLE, since=SINCE), "warming", REPLICAS),
    ("deadline: after being away", Warming(START), facts(101, ready=STABLE, since=SINCE), "settled", DEADLINE),
    ("deadline: no window", Warming(START), facts(100, opening=SHUT), "warming", "WindowClosed"),
    ("deadline: no checks", Warming(START), facts(100, checked=RUNNING), "warming", "AwaitingChecks"),
    ("deadline: wider", Shifting(WIDER), facts(100, ready=STABLE), "reverting", DEADLINE),
    ("deadline: acknowledgement", Shifting(WIDER), facts(100, **LATE), "reverting", DEADLINE),
    ("deadline: no pause", Paused(AT_PAUSE, manual=True), facts(9999), "paused", "PausedByHand"),
    # A step.
    ("step: not acknowledged", Shifting(WIDER), facts(**LATE), "shifting", ENVOY),
    ("step: running", Shifting(AT), facts(59.9), "shifting", "StepRunning"),
    ("step: over", Shifting(AT), facts(60), "shifting", "GatesPassed"),
    ("step: window", Shifting(AT), facts(60, opening=SHUT), "shifting", "WindowClosed"),
    ("step: entered", Shifting(replace(AT, entered=None)), facts(5), "shifting", "StepEntered"),
    ("step: wider once ready", Shifting(WIDER), facts(), "shifting", "StepTaken"),
    ("step: not wider before", Shifting(WIDER), facts(ready=STABLE), "shifting", REPLICAS),
    ("step: acknowledged", Shifting(replace(AT, carried=0)), facts(), "shifting", "Acknowledged"),
    ("step: pause", Shifting(AT_PAUSE), facts(), "paused", "Paused"),
    ("step: stable lost", Shifting(AT), facts(60, live=CANDIDATE), "shifting", "StableLost"),
    ("step: bad", Shifting(AT), facts(looks=BAD), "reverting", "GateFailed"),
    ("step: bad on the way to more", Shifting(WIDER), facts(looks=BAD, **LATE), "reverting", "GateFailed"),
    ("step: bad in a dry run", DRY_RUN, facts(60, looks=DRY, policy=DRY_POLICY), "shifting", "GatesPassed"),
    ("step: bad without a share", Shifting(AT_0), facts(looks=BAD), "shifting", "StepRunning"),
    ("step: candidate lost", Shifting(AT), facts(live=STABLE), "reverting", "CandidateLost"),
    ("step: nothing to lose yet", Shifting(AT_0), facts(live=STABLE), "shifting", "StepRunning"),
    ("step: checks of before matter no more", Shifting(AT), facts(checked=FAILED), "shifting", "StepRunning"),
    ("last: on its way", Shifting(LAST), facts(**LATE), "shifting", ENVOY),
    ("last: acknowledged", Shifting(LAST), facts(), "shifting", "Acknowledged"),
    ("last: there", Shifting(THERE), facts(), "settled", "Acknowledged"),
    ("last: stable may be lost", Shifting(THERE), facts(live=CANDIDATE), "settled", "Acknowledged"),
    ("last: candidate lost in flight", Shifting(LAST), facts(live=STABLE, **LATE), "reverting", "CandidateLost"),
    ("last: candidate lost there", Shifting(THERE), facts(live=STABLE), "settled", "Acknowledged"),
    ("first: lost", Shifting(FIRST_ON), facts(live=STABLE, **LATE), "reverting", "CandidateLost"),
    # A pause.
    ("pause: not over", Paused(AT_PAUSE), facts(29.9), "paused", "Paused"),
    ("pause: over", Paused(AT_PAUSE), facts(30), "shifting", "PauseOver"),
    ("pause: window", Paused(AT_PAUSE), facts(30, opening=SHUT), "paused", "WindowClosed"),
    ("pause: by hand", Paused(AT_PAUSE, manual=True), facts(30), "paused", "PausedByHand"),
    ("pause: bad", Paused(AT_PAUSE, manual=True), facts(looks=BAD), "reverting", "GateFailed"),
    ("pause: lost", Paused(AT_PAUSE), facts(live=STABLE), "reverting", "CandidateLost"),
    # Something else is asked for.
    ("newer before it began", Warming(START), facts(target=NEWER), "warming", "TargetChanged"),
    ("back before it began", Warming(START), facts(target=OLD), "settled", "TargetReverted"),
    ("newer", Shifting(AT), facts(target=NEWER), "reverting", "Superseded"),
    ("newer in a pause", Paused(AT, manual=True), facts(target=NEWER), "reverting", "Superseded"),
    ("back", Shifting(AT), facts(target=OLD), "reverting", "Reverted"),
    ("newer than a first one goes on first", Shifting(FIRST_ON), facts(target=NEWER), "shifting", "Acknowledged"),
    ("policy before it began", Warming(START), facts(policy=IMMEDIATE), "warming", "Replanned"),
    ("policy", Shifting(AT), facts(policy=IMMEDIATE), "shifting", "Replanned"),
    ("policy in a pause", Paused(AT_PAUSE), facts(policy=IMMEDIATE), "shifting", "Replanned"),
    ("policy in a pause by hand", Paused(AT, manual=True), facts(policy=IMMEDIATE), "paused", "Replanned"),
    ("bad and another policy", Shifting(AT), facts(looks=BAD, policy=IMMEDIATE), "reverting", "GateFailed"),
    ("gone", Shifting(AT), facts(target=None), "removing", "EndpointRemoved"),
    # Settled, and watched.
    ("as asked", Settled(NEW), facts(), "settled", "AsAsked"),
    ("other", Settled(OLD), facts(), "warming", "TargetChanged"),
    ("watched", Settled(NEW, WATCH), facts(1), "settled", "Watched"),
    ("watched: over", Settled(NEW, WATCH), facts(50), "settled", "WatchEnded"),
    ("watched: not over", Settled(NEW, WATCH), facts(49.9), "settled", "Watched"),
    ("watched: bad", Settled(NEW, WATCH), facts(19.9, looks=BAD), "reverting", "Regressed"),
    ("watched: bad too late", Settled(NEW, WATCH), facts(20, looks=BAD), "settled", "Watched"),
    ("watched: reverted", Settled(NEW, WATCH), facts(30, target=OLD), "reverting", "RevertedInTime"),
    ("watched: newer", Settled(NEW, WATCH), facts(30, target=NEWER), "warming", "TargetChanged"),
    ("unproven", Settled(NEW, UNPROVEN), facts(999), "settled", "Watched"),
    ("unproven: bad", Settled(NEW, UNPROVEN), facts(999, looks=BAD), "reverting", "Regressed"),
    ("unproven: seen", Settled(NEW, replace(UNPROVEN, evidence=SEEN)), facts(999), "settled", "EvidenceCame"),
    # On the way back, and out.
    ("back: acknowledged", Reverting(OLD, T0, NEW), facts(), "settled", "Acknowledged"),
    ("back: not yet", Reverting(OLD, T0, NEW), facts(**LATE), "reverting", ENVOY),
    ("back: short", Reverting(OLD, T0, NEW, carried=False), facts(ready=CANDIDATE), "reverting", "AwaitingCapacity"),
    ("back: enough", Reverting(OLD, T0, NEW, carried=False), facts(), "reverting", "CapacityReady"),
    ("back: short, but on its way", Reverting(OLD, T0, NEW), facts(ready=CANDIDATE), "settled", "Acknowledged"),
    ("back: short, not for long yet", WAITING, facts(99.9, ready=CANDIDATE), "reverting", "AwaitingCapacity"),
    ("back: short for long", WAITING, facts(100, ready=CANDIDATE), "reverting", "CapacityShort"),
    ("back: not while away", WAITING, facts(100, ready=CANDIDATE, since=SINCE), "reverting", "AwaitingCapacity"),
    ("back: lost for long", WAITING, facts(100, **NO_STABLE, target=NEWER), "settled", "StableLost"),
    ("back: lost, not for long", WAITING, facts(99, **NO_STABLE, target=NEWER), "reverting", "AwaitingCapacity"),
    ("back: lost, but asked for", WAITING, facts(999, **NO_STABLE, target=OLD), "reverting", "AwaitingCapacity"),
    ("back: all lost", WAITING, facts(999, **NOBODY, target=NEWER), "reverting", "AwaitingCapacity"),
    ("back: bad meanwhile", WAITING, facts(ready=CANDIDATE, looks=BAD), "reverting", "GateFailed"),
    ("back: bad, of nobody", UNJUDGED, facts(ready=CANDIDATE, looks=BAD), "reverting", "AwaitingCapacity"),
    ("back: what is left is lost", WAITING, facts(ready=(), live=STABLE), "reverting", "CandidateLost"),
    ("out", Removing(T0), facts(target=None, **LATE), "removing", ENVOY),
    ("out: acknowledged", Removing(T0), facts(target=None), "removing", "RouteRemoved"),
    ("out: draining", Removing(T0, T0), facts(target=None), "removing", "Draining"),
    ("out: taken back", Removing(T0), facts(), "settled", "TakenBack"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "phase", "found", "kind", "reason"), ROWS, ids=[row[0] for row in ROWS])
def test_transition(name: str, phase: Phase, found: Facts, kind: str, reason: str) -> None:
    step = advance(phase, found)
    assert (step.phase.kind, step.because[0]) == (kind, reason), name


def run_of(step: Step) -> Run:
    assert isinstance(step.phase, Warming | Shifting | Paused)
    return step.phase.run


@pytest.mark.parametrize(
    ("phase", "found", "guilty"),
    [
        (Shifting(AT), facts(looks=BAD), ("blue@2",)),
        (Shifting(AT), facts(live=STABLE), ("blue@2",)),
        (Warming(START), facts(checked=FAILED), ("blue@2",)),
        (Warming(START), facts(100, ready=STABLE), ("blue@2",)),
        (Warming(START), facts(100, acknowledged=False), ("blue@2",)),
        (Settled(NEW, WATCH), facts(1, looks=BAD), ("blue@2",)),
    ],
)
def test_what_is_refused(phase: Phase, found: Facts, guilty: tuple[str, ...]) -> None:
    refusal = advance(phase, found).refusal
    assert refusal is not None
    assert (refusal.target, refusal.guilty, refusal.at, refusal.policy) == (NEW, guilty, found.now, POLICY)
    assert refusal.message


@pytest.mark.parametrize(
    ("phase", "found"),
    [
        (Shifting(AT), facts(target=NEWER)),
        (Shifting(AT), facts(target=OLD)),
        (Settled(NEW, WATCH), facts(1, target=OLD)),
        (Shifting(replace(LAST, policy=IMMEDIATE)), facts(live=STABLE, acknowledged=False, policy=IMMEDIATE)),
        (Shifting(replace(FIRST, step=0, fraction=WHOLE, sized=WHOLE)), facts(live=STABLE, acknowledged=False)),
    ],
)
def test_what_is_not(phase: Phase, found: Facts) -> None:
    step = advance(phase, found)
    assert isinstance(step.phase, Reverting)
    assert step.refusal is None


@pytest.mark.parametrize(
    ("phase", "changes", "checks"),
    [
        (Warming(START), {"checked": FAILED}, "digest"),
        (Shifting(AT), {"looks": BAD}, ""),
        (Shifting(AT), {"live": STABLE}, ""),
    ],
)
def test_a_refusal_says_which_checks_it_is_by(phase: Phase, changes: dict[str, object], checks: str) -> None:
    refusal = advance(phase, facts(checks="digest", **changes)).refusal
    assert refusal is not None
    assert refusal.checks == checks


def test_a_gate_of_checks_says_so_too() -> None:
    policy = replace(POLICY, gates=(Gate("errors", metric="checks"),))
    step = advance(Shifting(replace(AT, policy=policy)), facts(looks=BAD, policy=policy, checks="digest"))
    assert step.refusal is not None
    assert step.refusal.checks == "digest"


def test_a_first_one_that_is_lost_goes_back_to_nothing() -> None:
    back = advance(Shifting(FIRST_ON), facts(live=STABLE, acknowledged=False)).phase
    assert isinstance(back, Reverting)
    assert (back.source, back.left, back.carried, back.reason) == ((), NEW, True, "CandidateLost")
    assert back.message == "no replica is ready of blue@2"


def test_a_good_candidate_is_not_refused_with_a_bad_one() -> None:
    target: Split = (("blue@2", 5000), ("green@2", 5000))
    said = (BAD.said[0], replace(GOOD.said[0], release="green@2"))
    everybody = BOTH | {"green@2"}
    found = facts(target=target, looks=Looks(said), ready=everybody, live=everybody)
    refusal = advance(Shifting(replace(AT, target=target)), found).refusal
    assert refusal is not None
    assert refusal.guilty == ("blue@2",)


def test_what_people_are_told_while_it_is_watched_and_replanned() -> None:
    assert advance(Settled(NEW, WATCH), facts(1)).because[1] == "blue@1 100% stays warm until 00:00:50 UTC"
    waiting = advance(Settled(NEW, UNPROVEN), facts(1)).because[1]
    assert waiting == "blue@1 100% stays warm until there are requests to judge by"
    replanned = advance(Shifting(AT), facts(policy=replace(POLICY, keep_s=9))).because[1]
    assert replanned == "policy built-in holds from 10% of the move on"


def test_what_is_not_begun_yet_goes_by_the_new_policy_too() -> None:
    other = replace(POLICY, steps=(Weight(300, 5),))
    step = advance(Warming(START), facts(policy=other))
    assert isinstance(step.phase, Warming)
    assert (step.because[0], step.phase.run.policy) == ("Replanned", other)


def test_another_policy_ends_no_pause_by_hand() -> None:
    held = advance(Paused(AT, manual=True), facts(policy=replace(POLICY, keep_s=9))).phase
    assert isinstance(held, Paused)
    assert held.manual


def test_a_settled_split_that_is_not_asked_for_says_why() -> None:
    standing = ("GateFailed", "blue@2 was refused: too many errors")
    assert advance(Settled(NEW), facts(standing=standing)).because == standing
    assert advance(Settled(NEW, WATCH), facts(1, standing=standing)).because == standing


def test_only_the_guilty_of_several_candidates_is_refused() -> None:
    target: Split = (("blue@2", 5000), ("green@2", 5000))
    run = replace(AT, target=target)
    found = facts(target=target, looks=BAD, ready=BOTH | {"green@2"}, live=BOTH | {"green@2"})
    step = advance(Shifting(run), found)
    assert step.refusal is not None
    assert step.refusal.guilty == ("blue@2",)
    late = advance(Warming(replace(START, target=target)), facts(100, target=target))
    assert late.refusal is not None
    assert late.refusal.guilty == ("green@2",)


@pytest.mark.parametrize(
    ("phase", "found"),
    [
        (Warming(START), facts(70)),
        (Shifting(AT), facts(70)),
        (Shifting(replace(AT, carried=0)), facts(70)),
        (Shifting(replace(AT, entered=None)), facts(70)),
        (Paused(replace(AT, step=1)), facts(70)),
        (Shifting(AT), facts(70, policy=replace(POLICY, keep_s=9))),
    ],
)
def test_progress_starts_the_deadline_anew(phase: Phase, found: Facts) -> None:
    assert run_of(advance(phase, found)).progressed == found.now


@pytest.mark.parametrize(
    ("phase", "changes"),
    [
        (Warming(START), {"opening": SHUT}),
        (Warming(START), {"checked": RUNNING}),
        (Shifting(AT), {"opening": SHUT}),
        (Shifting(AT), {"live": CANDIDATE}),
        (Shifting(replace(AT, policy=replace(POLICY, steps=(Weight(1000, 900),)))), {}),
    ],
)
def test_waiting_that_nobody_is_to_blame_for_is_noted_four_times_a_deadline(
    phase: Phase, changes: dict[str, object]
) -> None:
    policy = run_of(Step(phase, ("", ""))).policy
    early, late = (facts(seconds, policy=policy, **changes) for seconds in (24.9, 25))
    assert advance(phase, early).phase == phase
    assert run_of(advance(phase, late)).progressed == late.now


def test_waiting_is_noted_once_a_minute_at_most() -> None:
    patient = replace(POLICY, progress_deadline_s=3600)
    phase = Warming(replace(START, policy=patient))
    assert advance(phase, facts(59.9, policy=patient, opening=SHUT)).phase == phase
    assert advance(phase, facts(60, policy=patient, opening=SHUT)).phase != phase


def test_worldly_waiting_is_not_excused() -> None:
    assert advance(Warming(START), facts(99, ready=STABLE)).phase == Warming(START)
    assert advance(Shifting(WIDER), facts(99, acknowledged=False)).phase == Shifting(WIDER)


def test_the_deadline_says_what_is_wrong() -> None:
    step = advance(Warming(START), facts(100, ready=STABLE, troubles={"blue@2": "init() raised"}))
    assert step.because == (
        "DeadlineExceeded",
        "no progress for 100 s: not all replicas are ready of blue@2 (init() raised)",
    )
    assert advance(Shifting(WIDER), facts(100, acknowledged=False)).because[1].endswith("Envoy did not acknowledge")


def test_extension() -> None:
    starved = Looks((replace(GOOD.said[0], verdict=Verdict.INCONCLUSIVE, reason="NotEnoughTraffic"),))
    found = run_of(advance(Shifting(AT), facts(60, looks=starved)))
    assert (found.extended, found.step, found.progressed) == (1, 0, T0 + timedelta(seconds=60))
    again = run_of(advance(Shifting(found), facts(120, looks=starved)))
    assert again.extended == 2


def test_what_went_on_without_traffic_is_unproven_to_the_end() -> None:
    silent = Looks(silent=True)
    found = run_of(advance(Shifting(AT), facts(60, looks=silent)))
    assert (found.unproven, found.step) == (True, 1)
    later = replace(found, step=2, fraction=5000, sized=5000, carried=5000, entered=T0)
    assert run_of(advance(Shifting(later), facts(60))).unproven
    assert not run_of(advance(Shifting(AT), facts(60))).unproven
