"""Every order in every phase: what it does, or why not and what to do instead."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.calendar import OPEN, Opening
from reconciler.command import obey
from reconciler.orders import KINDS, Order, OrderKind
from reconciler.rollout import advance
from reconciler.run import Run, Watch
from reconciler.split import Split
from reconciler.state import Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from reconciler.transition import Facts, Step
from spec.policy import WHOLE, Pause, RolloutPolicy, Weight

T0 = datetime(2030, 1, 1, tzinfo=UTC)
NOW = T0 + timedelta(hours=1)
OLD: Split = (("blue@1", WHOLE),)
NEW: Split = (("blue@2", WHOLE),)
POLICY = RolloutPolicy(steps=(Weight(1000, 60), Pause(), Weight(5000, 60)))
START = Run(OLD, NEW, T0, T0, POLICY)
AT = replace(START, step=0, fraction=1000, sized=1000, carried=1000, entered=T0)
WATCH = Watch(OLD, NOW, NOW, POLICY)
FACTS = Facts(NEW, {"blue@1", "blue@2"}, {"blue@1", "blue@2"}, acknowledged=True, now=NOW, policy=POLICY)

PHASES: dict[str, Phase] = {
    "settled": Settled(NEW),
    "watched": Settled(NEW, WATCH),
    "warming": Warming(START),
    "shifting": Shifting(AT),
    "on its way": Shifting(replace(AT, sized=5000)),
    "last step": Shifting(replace(AT, step=3, fraction=WHOLE, sized=WHOLE)),
    "paused": Paused(replace(AT, step=1)),
    "paused by hand": Paused(AT, manual=True),
    "paused before it began": Paused(START, manual=True),
    "paused on the last step": Paused(replace(AT, step=3, fraction=WHOLE, sized=WHOLE), manual=True),
    "reverting": Reverting(OLD, T0, NEW),
}
TABLE: dict[str, dict[OrderKind, str]] = {
    "settled": dict.fromkeys(KINDS, "nothing moves at this endpoint") | {"undo": "nothing is kept warm"},
    "watched": dict.fromkeys(KINDS, "nothing moves at this endpoint") | {"undo": "-> reverting"},
    "warming": {
        "promote": "about to take its first share",
        "promote-full": "-> warming",
        "pause": "-> paused",
        "resume": "it is not paused",
        "abort": "-> settled",
        "retry": "nothing of this endpoint is refused",
        "undo": "`headgate rollout abort` takes it back",
    },
    "shifting": {
        "promote": "-> shifting",
        "promote-full": "-> shifting",
        "pause": "-> paused",
        "resume": "it is not paused",
        "abort": "-> reverting",
        "retry": "nothing of this endpoint is refused",
        "undo": "`headgate rollout abort` takes it back",
    },
    "on its way": {"promote": "a step is on its way", "promote-full": "-> shifting"},
    "last step": {"promote": "last step already", "promote-full": "last step already", "abort": "-> reverting"},
    "paused": {
        "promote": "-> shifting",
        "promote-full": "-> shifting",
        "pause": "-> paused",
        "resume": "`headgate rollout promote` goes on",
        "abort": "-> reverting",
    },
    "paused by hand": {"promote": "-> shifting", "resume": "-> shifting", "abort": "-> reverting"},
    "paused before it began": {
        "promote": "-> warming",
        "promote-full": "-> warming",
        "resume": "-> warming",
        "abort": "-> reverting",
    },
    "paused on the last step": {
        "promote": "-> shifting",
        "promote-full": "-> shifting",
        "resume": "-> shifting",
        "abort": "-> reverting",
    },
    "reverting": dict.fromkeys(KINDS, "on its way back already"),
}
ROWS = [(name, kind, expected) for name, orders in TABLE.items() for kind, expected in orders.items()]


def give(phase: Phase, kind: OrderKind, facts: Facts = FACTS) -> tuple[Step | None, str]:
    step, answer = obey(phase, Order(kind, "id", "ada"), facts)
    assert answer.id == "id"
    assert answer.done is (step is not None)
    return step, answer.message


@pytest.mark.parametrize(("name", "kind", "expected"), ROWS)
def test_each_order_in_each_phase(name: str, kind: OrderKind, expected: str) -> None:
    step, message = give(PHASES[name], kind)
    if step is None:
        assert expected in message
    else:
        assert expected == f"-> {step.phase.kind}"
        assert "ada" in step.because[1]


def run_after(name: str, kind: OrderKind) -> Run:
    step, _ = give(PHASES[name], kind)
    assert step is not None
    assert isinstance(step.phase, Warming | Shifting | Paused)
    return step.phase.run


def test_nothing_is_done_to_what_goes() -> None:
    step, message = give(Removing(T0), "abort", replace(FACTS, target=None))
    assert step is None
    assert "being removed" in message


def test_promote_is_one_step_and_starts_the_deadline_anew() -> None:
    run = run_after("shifting", "promote")
    assert (run.step, run.sized, run.fraction, run.progressed) == (1, 1000, 1000, NOW)
    assert not run.full


def test_promote_approves() -> None:
    run = run_after("paused", "promote")
    assert (run.step, run.sized) == (2, 5000)


def test_promote_waits_for_envoy() -> None:
    step, message = give(PHASES["shifting"], "promote", replace(FACTS, acknowledged=False))
    assert step is None
    assert "a step is on its way" in message


FROZEN = replace(FACTS, opening=Opening(is_open=False, because="frozen until 2030-01-02 UTC (audit)"))


@pytest.mark.parametrize(("name", "kind"), [("shifting", "promote"), ("paused", "promote-full")])
def test_no_order_steps_forward_while_it_may_not(name: str, kind: OrderKind) -> None:
    step, message = give(PHASES[name], kind, FROZEN)
    assert step is None
    assert message.startswith("no step forward is taken now: frozen until 2030-01-02 UTC (audit)")


def test_an_approval_is_kept_until_a_step_may_be_taken() -> None:
    step, message = give(PHASES["paused"], "promote", FROZEN)
    assert step is not None
    assert message.endswith("taken once it may be: frozen until 2030-01-02 UTC (audit)")
    assert isinstance(step.phase, Paused)
    assert give(step.phase, "pause", FROZEN)[1].startswith("paused;")
    late = replace(FROZEN, now=NOW + timedelta(days=1))
    assert advance(step.phase, late).because[0] == "WindowClosed"
    gone_on = advance(step.phase, replace(late, opening=OPEN)).phase
    assert isinstance(gone_on, Shifting)
    assert (gone_on.run.step, gone_on.run.sized, gone_on.run.approved) == (2, 5000, False)


def test_a_pause_by_hand_does_not_let_an_approval_expire() -> None:
    expires = replace(POLICY, steps=(Weight(1000, 60), Pause(expires_s=60)))
    held = Paused(replace(AT, step=1, policy=expires), manual=True)
    facts = replace(FACTS, policy=expires)
    step, _ = give(held, "resume", facts)
    assert step is not None
    waiting = advance(step.phase, facts)
    assert isinstance(waiting.phase, Paused)
    assert advance(waiting.phase, replace(facts, now=NOW + timedelta(seconds=59))).because[0] == "AwaitingApproval"
    expired = advance(waiting.phase, replace(facts, now=NOW + timedelta(seconds=60)))
    assert expired.because[0] == "ApprovalExpired"
    # Nothing is wrong with the candidate: it goes on serving until stable can carry the load.
    assert isinstance(expired.phase, Reverting)
    assert expired.phase.leaving == waiting.phase.run


def test_what_keeps_a_release_from_its_first_share_is_said() -> None:
    short = replace(FACTS, ready=frozenset())
    assert "replicas are not ready yet" in give(PHASES["warming"], "promote", short)[1]
    assert "no step forward is taken now" in give(PHASES["warming"], "promote", FROZEN)[1]
    assert "once it may: " in give(PHASES["warming"], "promote-full", FROZEN)[1]
    assert "once it may" not in give(PHASES["warming"], "promote-full", FACTS)[1]


def test_promote_full_skips_all_steps() -> None:
    run = run_after("shifting", "promote-full")
    assert (run.full, run.sized, run.straight) == (True, WHOLE, True)
    assert run_after("on its way", "promote-full").sized == WHOLE


def test_promote_full_before_it_began_waits_for_replicas() -> None:
    run = run_after("warming", "promote-full")
    assert (run.full, run.step, run.sized) == (True, -1, 0)
    assert not run_after("paused before it began", "promote").full


def test_promoting_fully_is_not_taken_back_by_promoting_once() -> None:
    step, _ = give(Paused(replace(START, full=True), manual=True), "promote")
    assert step is not None
    assert isinstance(step.phase, Warming)
    assert step.phase.run.full


@pytest.mark.parametrize("name", ["paused by hand", "paused before it began"])
def test_resume_starts_the_deadline_anew(name: str) -> None:
    assert run_after(name, "resume").progressed == NOW


def test_pause_is_by_hand_and_changes_nothing_else() -> None:
    step, _ = give(PHASES["shifting"], "pause")
    assert step is not None
    assert step.phase == Paused(AT, manual=True)


@pytest.mark.parametrize("name", ["warming", "shifting", "paused"])
def test_abort_refuses_the_candidate(name: str) -> None:
    step, _ = give(PHASES[name], "abort")
    assert step is not None
    assert step.refusal is not None
    assert (step.refusal.target, step.refusal.guilty, step.refusal.reason) == (NEW, ("blue@2",), "Aborted")


def test_abort_waits_for_stable_to_carry_the_load() -> None:
    step, _ = give(PHASES["shifting"], "abort")
    assert step is not None
    assert isinstance(step.phase, Reverting)
    assert not step.phase.carried
    early, _ = give(Shifting(replace(AT, fraction=0, sized=1000)), "abort")
    assert early is not None
    assert isinstance(early.phase, Reverting)
    assert early.phase.carried


def test_undo_refuses_what_it_leaves() -> None:
    step, _ = give(PHASES["watched"], "undo")
    assert step is not None
    assert step.refusal is not None
    assert (step.refusal.target, step.refusal.guilty) == (NEW, ("blue@2",))
    assert isinstance(step.phase, Reverting)
    assert (step.phase.source, step.phase.left, step.phase.carried) == (OLD, NEW, False)


def test_one_who_gives_no_name() -> None:
    step, _ = obey(PHASES["shifting"], Order("pause", "id"), FACTS)
    assert step is not None
    assert step.because == ("PausedByHand", "ordered by an operator")
