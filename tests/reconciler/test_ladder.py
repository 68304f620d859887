"""A policy's steps: which comes next, when one is over, and what keeps it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from observability.evidence import Tally
from observability.verdict import Verdict
from reconciler import ladder
from reconciler.ladder import EXTENSIONS, Looks
from reconciler.run import Episode, Evidence, Mark, Run, Said
from spec.policy import (
    BUILT_IN,
    IMMEDIATE,
    WHOLE,
    AwaitGate,
    Gate,
    Mirror,
    Pause,
    Preview,
    RolloutPolicy,
    Step,
    WarmUp,
    Weight,
)

T0 = datetime(2030, 1, 1, tzinfo=UTC)
OLD, NEW = (("blue@1", WHOLE),), (("blue@2", WHOLE),)
GATE = Gate("errors", compare_stable=True)
POLICY = RolloutPolicy(steps=(Weight(500, 10), Pause(expires_s=60), Weight(2000, 20)), gates=(GATE,))


def run(*steps: Step, step: int = 0, fraction: int = 500, gates: tuple[Gate, ...] = (GATE,), **more: object) -> Run:
    policy = RolloutPolicy(steps=steps or POLICY.steps, gates=gates)
    made = Run(OLD, NEW, T0, T0, policy, step=step, fraction=fraction, sized=fraction, carried=fraction, entered=T0)
    return replace(made, **more)  # type: ignore[arg-type]


def said(verdict: Verdict, reason: str = "", gate: str = "errors") -> Said:
    return Said(gate, "blue@2", verdict, reason, f"it is {reason or verdict}")


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


GOOD = Looks((said(Verdict.GOOD, "WithinLimits"),))
UNDECIDED = Looks((said(Verdict.INCONCLUSIVE, "Undecided"),))
FULL = Looks((said(Verdict.INCONCLUSIVE, "AtCapacity"),))
STARVED = Looks((said(Verdict.INCONCLUSIVE, "NotEnoughTraffic"),))


class TestForward:
    def test_to_the_next_weight(self) -> None:
        found = ladder.forward(run(step=-1, fraction=0))
        assert (found.step, found.sized, found.fraction, found.entered) == (0, 500, 0, None)

    def test_a_pause_keeps_the_share(self) -> None:
        found = ladder.forward(run())
        assert (found.step, found.sized, found.fraction) == (1, 500, 500)

    def test_after_the_last_comes_the_rest(self) -> None:
        found = ladder.forward(run(step=2, fraction=2000))
        assert (found.step, found.sized, found.fraction) == (3, WHOLE, 2000)

    def test_it_leaves_behind_what_belongs_to_a_step(self) -> None:
        found = ladder.forward(run(extended=2, marks=(Mark("errors", "blue@2", T0),)))
        assert (found.extended, found.marks, found.entered) == (0, (), None)

    def test_never_back(self) -> None:
        assert ladder.forward(run(step=1, fraction=3000)).sized == 3000

    @pytest.mark.parametrize(
        "straight", [run(full=True), replace(run(), policy=IMMEDIATE), replace(run(), source=())]
    )
    def test_all_at_once(self, straight: Run) -> None:
        found = ladder.forward(straight)
        assert (found.sized, found.step) == (WHOLE, 0)
        assert straight.straight

    def test_next_weight(self) -> None:
        assert ladder.next_weight(run(step=-1)) == 500
        assert ladder.next_weight(run(step=0)) == 2000
        assert ladder.next_weight(run(step=2)) == WHOLE


class TestReplan:
    def test_the_same_steps_so_far_keep_the_place_and_its_marks(self) -> None:
        policy = replace(POLICY, steps=(*POLICY.steps[:2], Weight(7000)))
        found = ladder.replan(run(step=1, extended=1, marks=(Mark("errors", "blue@2", T0),)), policy)
        assert (found.policy, found.step, found.extended, len(found.marks)) == (policy, 1, 1, 1)

    def test_the_present_step_counts_as_so_far(self) -> None:
        policy = replace(POLICY, steps=(Weight(500, 10), Weight(600), Weight(2000, 20)))
        assert ladder.replan(run(step=1), policy).step == 0

    def test_other_steps_put_it_where_its_share_is(self) -> None:
        policy = replace(POLICY, steps=(Weight(100), Weight(500), Weight(501)))
        found = ladder.replan(run(extended=2, marks=(Mark("errors", "blue@2", T0),)), policy)
        assert (found.step, found.fraction, found.sized, found.extended, found.marks) == (1, 500, 500, 0, ())

    def test_a_pause_does_not_count_as_reached(self) -> None:
        policy = replace(POLICY, steps=(Weight(100), Pause(), Weight(600)))
        assert ladder.replan(run(), policy).step == 0

    def test_before_all_steps_of_the_new_one(self) -> None:
        assert ladder.replan(run(), replace(POLICY, steps=(Weight(600),))).step == -1

    def test_a_share_that_was_only_being_prepared_is_let_go(self) -> None:
        found = ladder.replan(run(step=2, sized=2000), replace(POLICY, steps=(Weight(100),)))
        assert (found.sized, found.fraction) == (500, 500)

    def test_to_immediate(self) -> None:
        found = ladder.replan(run(), IMMEDIATE)
        assert found.straight
        assert (found.fraction, found.sized) == (500, 500)

    def test_from_full(self) -> None:
        found = ladder.replan(run(full=True, step=0), POLICY)
        assert found.full
        assert found.policy == POLICY


class TestPause:
    def test_of_a_time(self) -> None:
        paused = run(Pause(for_s=30))
        assert ladder.is_pause(paused)
        assert not ladder.pause(paused, after(29.9)).over
        assert ladder.pause(paused, after(30)).over
        assert "00:00:30" in ladder.pause(paused, after(1)).because[1]

    def test_for_approval(self) -> None:
        paused = run(Pause(expires_s=60))
        waiting = ladder.pause(paused, after(59))
        assert (waiting.over, waiting.expired, waiting.because[0]) == (False, False, "AwaitingApproval")
        assert "expires at 2030-01-01 00:01:00" in waiting.because[1]
        expired = ladder.pause(paused, after(60))
        assert (expired.over, expired.expired) == (False, True)

    def test_without_end(self) -> None:
        waiting = ladder.pause(run(Pause()), after(10**9))
        assert (waiting.over, waiting.expired) == (False, False)
        assert "expires" not in waiting.because[1]

    def test_where_there_is_none_it_is_over(self) -> None:
        assert ladder.pause(run(Weight(500)), T0).over
        assert ladder.pause(run(Pause(), entered=None), T0).over
        assert not ladder.is_pause(run(Weight(500)))


class TestDeadline:
    @pytest.mark.parametrize(
        ("step", "more", "seconds"),
        [
            (Weight(500, 10), {}, 10),
            (Weight(500, 10), {"extended": 2}, 30),
            (Pause(for_s=30), {}, 30),
            (Pause(expires_s=60), {}, 60),
            (Pause(for_s=0), {}, 0),
            (AwaitGate("errors", 5), {}, 5),
            (Mirror(10, 7), {}, 7),
            (WarmUp(50, 60), {}, 60),
        ],
    )
    def test_when(self, step: Step, more: dict[str, int], seconds: float) -> None:
        assert ladder.deadline_of(run(step, **more)) == after(seconds)

    @pytest.mark.parametrize("of", [run(Pause()), run(entered=None), run(step=-1), run(step=3)])
    def test_never(self, of: Run) -> None:
        assert ladder.deadline_of(of) is None


class TestHold:
    def test_the_time_is_a_minimum(self) -> None:
        assert ladder.hold(run(), GOOD, after(9.9)).because[0] == "StepRunning"
        assert ladder.hold(run(), GOOD, after(10)).over

    @pytest.mark.parametrize(
        ("looks", "reason", "over", "unproven"),
        [
            (GOOD, "GatesPassed", True, False),
            (UNDECIDED, "GatesPassed", True, False),
            (Looks(), "AwaitingGate", False, False),
            (Looks((said(Verdict.INCONCLUSIVE, "StableFailsToo"),)), "StableFailsToo", False, False),
            (Looks((said(Verdict.INCONCLUSIVE, "AtCapacity"),)), "AtCapacity", False, False),
            (Looks((said(Verdict.ERROR, "BadEvidence"),)), "MetricsUnavailable", False, False),
            (Looks((said(Verdict.GOOD), said(Verdict.ERROR, "BadEvidence"))), "MetricsUnavailable", False, False),
            (Looks((*UNDECIDED.said, *FULL.said)), "AtCapacity", False, False),
            (replace(GOOD, counting=False), "MetricsUnavailable", False, False),
            (replace(STARVED, silent=True), "Unproven", True, True),
            (Looks(silent=True), "Unproven", True, True),
        ],
    )  # fmt: skip
    def test_by_its_gate(self, looks: Looks, reason: str, over: bool, unproven: bool) -> None:  # noqa: FBT001
        found = ladder.hold(run(), looks, after(10))
        assert (found.because[0], found.over, found.unproven, found.extend) == (reason, over, unproven, False)

    @pytest.mark.parametrize("extended", range(EXTENSIONS + 1))
    def test_too_little_traffic_extends_three_times(self, extended: int) -> None:
        found = ladder.hold(run(extended=extended), STARVED, after(10 * (1 + extended)))
        assert (found.extend, found.over) == (extended < 3, False)
        assert found.because[0] == ("StepExtended" if extended < 3 else "NotEnoughTraffic")
        if extended < 3:
            assert f"({extended + 1} of 3)" in found.because[1]

    def test_a_step_without_length_cannot_be_extended(self) -> None:
        assert not ladder.hold(run(Weight(500)), STARVED, after(1)).extend

    @pytest.mark.parametrize("reason", ["NotEnoughTraffic", "NoStableEvidence"])
    @pytest.mark.parametrize(
        ("starved", "over", "extend"), [("hold", False, False), ("proceed", True, False), ("extend", False, True)]
    )
    def test_by_the_gates_own_rule(self, reason: str, starved: str, over: bool, extend: bool) -> None:  # noqa: FBT001
        gates = (replace(GATE, starved=starved),)  # type: ignore[arg-type]
        found = ladder.hold(run(gates=gates), Looks((said(Verdict.INCONCLUSIVE, reason),)), after(10))
        assert (found.over, found.extend, found.unproven) == (over, extend, over)

    def test_a_dry_run_decides_nothing(self) -> None:
        gates = (replace(GATE, dry_run=True), replace(GATE, name="other"))
        looks = Looks((said(Verdict.ERROR, "BadEvidence"), said(Verdict.GOOD, gate="other")))
        assert ladder.hold(run(gates=gates), looks, after(10)).over

    def test_the_worst_of_several_candidates_counts(self) -> None:
        """What cannot be measured weighs more than too little traffic, whoever is named first."""
        gates = (replace(GATE, starved="proceed"),)
        broken, starved = said(Verdict.ERROR, "BadEvidence"), STARVED.said[0]
        for both in ((broken, starved), (starved, broken)):
            found = ladder.hold(run(gates=gates), Looks(both), after(10))
            assert (found.because[0], found.over) == ("MetricsUnavailable", False)

    def test_of_several_candidates_the_first_is_named(self) -> None:
        waiting = run(Weight(500), AwaitGate("errors"), step=1)
        for verdict, words in ((Verdict.GOOD, "GateGood"), (Verdict.INCONCLUSIVE, "AwaitingGate")):
            both = tuple(replace(said(verdict, "Undecided"), release=f"b@{n}", message=f"of {n}") for n in (1, 2))
            assert ladder.hold(waiting, Looks(both), after(5)).because == (words, "gate errors: of 1")

    def test_every_gate_must_not_be_against_it(self) -> None:
        gates = (GATE, replace(GATE, name="other"))
        looks = Looks((said(Verdict.GOOD), said(Verdict.INCONCLUSIVE, "AtCapacity", "other")))
        assert ladder.hold(run(gates=gates), looks, after(10)).because[0] == "AtCapacity"

    @pytest.mark.parametrize("metric", ["http", "checks"])
    def test_one_that_measures_by_itself_needs_no_traffic(self, metric: str) -> None:
        gates = (Gate("confirm", metric=metric),)  # type: ignore[arg-type]
        waits = ladder.hold(run(gates=gates), Looks(counting=False, silent=True), after(10))
        assert waits.because[0] == "AwaitingGate"
        good = Looks((said(Verdict.GOOD, gate="confirm"),), counting=False, silent=True)
        found = ladder.hold(run(gates=gates), good, after(10))
        assert (found.over, found.unproven) == (True, False)

    def test_without_gates_only_time(self) -> None:
        assert ladder.hold(run(gates=()), Looks(counting=False), after(10)).over

    def test_before_any_share_only_time(self) -> None:
        assert ladder.hold(run(Mirror(10, 5), fraction=0), Looks(), after(5)).because[0] == "StepOver"
        assert ladder.hold(run(Preview((("x", "1"),), 5), fraction=0), Looks(), after(5)).over
        assert ladder.hold(run(Weight(500), fraction=0), Looks(), after(5)).because[0] == "StepOver"

    def test_replanned_to_before_the_first_step_the_gates_still_hold(self) -> None:
        assert ladder.hold(run(step=-1), Looks((said(Verdict.ERROR),)), after(10)).because[0] == "MetricsUnavailable"

    def test_until_a_gate_is_good(self) -> None:
        waiting = run(Weight(500), AwaitGate("errors", 5), step=1)
        assert ladder.hold(waiting, GOOD, after(4)).because[0] == "StepRunning"
        assert ladder.hold(waiting, UNDECIDED, after(5)).because[0] == "AwaitingGate"
        assert ladder.hold(waiting, Looks(), after(5)).because[0] == "AwaitingGate"
        assert ladder.hold(waiting, GOOD, after(5)).because[0] == "GateGood"
        both = Looks((said(Verdict.GOOD), said(Verdict.INCONCLUSIVE, "Undecided")))
        assert not ladder.hold(waiting, both, after(5)).over
        silent = ladder.hold(waiting, Looks(silent=True), after(5))
        assert (silent.over, silent.unproven) == (True, True)

    def test_until_a_gate_that_measures_by_itself_is_good(self) -> None:
        gates = (Gate("confirm", metric="http"),)
        waiting = run(Weight(500), AwaitGate("confirm"), step=1, gates=gates)
        assert not ladder.hold(waiting, Looks(silent=True), after(5)).over
        assert not ladder.hold(waiting, GOOD, after(5)).over

    def test_a_warm_up_ends_by_itself_or_with_its_time(self) -> None:
        warming = run(WarmUp(20, 30), fraction=0)
        assert ladder.hold(warming, Looks(warmed=True), after(1)).because[0] == "WarmedUp"
        assert ladder.hold(warming, Looks(warmed=False), after(29)).because[0] == "WarmingUp"
        assert ladder.hold(warming, Looks(warmed=False), after(30)).because[0] == "WarmUpOver"
        assert ladder.hold(warming, Looks(warmed=False), after(30)).over
        assert ladder.hold(warming, Looks(warmed=True, warmth="p90 is 9 ms"), after(1)).because[1] == "p90 is 9 ms"
        assert ladder.hold(warming, Looks(warmed=True), after(1)).because[1] == "latency is steady"


class TestShown:
    MIRROR, PREVIEW = Mirror(10, 5), Preview((("x", "1"),), 5)

    @pytest.mark.parametrize(
        ("steps", "step", "expected"),
        [
            ((MIRROR, Weight(500)), 0, (MIRROR, None)),
            ((MIRROR, Weight(500)), -1, (None, None)),
            ((MIRROR, Weight(500)), 1, (None, None)),
            ((MIRROR, Pause(), Weight(500)), 1, (MIRROR, None)),
            ((MIRROR, PREVIEW), 1, (MIRROR, PREVIEW)),
            ((PREVIEW, MIRROR, Mirror(20, 5)), 2, (Mirror(20, 5), PREVIEW)),
            ((Weight(500), MIRROR), 1, (MIRROR, None)),
        ],
    )
    def test_the_last_of_each_since_traffic_moved(
        self, steps: tuple[Step, ...], step: int, expected: tuple[Step | None, Step | None]
    ) -> None:
        assert ladder.shown(run(*steps, step=step)) == expected


def test_what_the_stable_releases_showed() -> None:
    ok = Tally((10, 0, 0, 0, 0, 0))
    episodes = (Episode(OLD, (("blue@1", ok), ("blue@2", ok))), Episode(NEW, (("blue@1", ok),)))
    assert ladder.stable_tally(run(evidence=Evidence(episodes))).total == 20


@pytest.mark.parametrize(
    ("step", "reason", "words"),
    [
        (Weight(500, 10), "StepEntered", "5% of the move, for 10 s"),
        (Pause(), "AwaitingApproval", "promote"),
        (Pause(for_s=3), "Paused", "3 s"),
        (AwaitGate("errors"), "StepEntered", "gate errors"),
        (Mirror(10, 5), "StepEntered", "10% of requests"),
        (WarmUp(20), "StepEntered", "20 requests"),
        (Preview((("x", "1"),)), "StepEntered", "x: 1"),
    ],
)
def test_what_a_step_says_of_itself(step: Step, reason: str, words: str) -> None:
    assert ladder.entered(run(step))[0] == reason
    assert words in ladder.entered(run(step))[1]
    assert ladder.entered(run(step, step=-1)) == ("StepEntered", "on the way")


def test_a_step_says_its_share_exactly() -> None:
    assert ladder.entered(run(Weight(500, 10)))[1] == "5% of the move, for 10 s at least"


def test_the_built_in_policy_is_a_ladder() -> None:
    made = Run(OLD, NEW, T0, T0, BUILT_IN)
    shares = []
    while made.step < len(made.steps):
        made = ladder.forward(made)
        made = replace(made, fraction=made.sized)
        shares.append(made.fraction)
    assert shares == [500, 2500, 5000, WHOLE]
