"""Rollouts as people see and steer them."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console

from console import rollout_page
from console.orders import Orders
from console.rollout_view import duration, rollout
from console.rollouts import GateShape, OrderBody, Reason, RefusalShape, RolloutShape
from console.service import RefusedError
from console.shapes import EventShape
from console.views import Subject
from observability.verdict import Verdict
from reconciler.loop import Reconciler
from reconciler.orders import Answer, Order
from reconciler.plan import Seen
from reconciler.run import Refusal, Run, Said, Watch
from reconciler.state import Memory, Paused, Phase, Removing, Reverting, Settled, Shifting, Warming
from router.table import EndpointRoute, KeyAuth, RouteSeen
from spec.catalog import EndpointSpec
from spec.policy import AwaitGate, Freeze, Mirror, Pause, Preview, RolloutPolicy, WarmUp, Weight

if TYPE_CHECKING:
    from conftest import FakeService

Run_ = Callable[..., SimpleNamespace]
NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
OLD, NEW = (("blue@1", 10_000),), (("blue@2", 10_000),)
LADDER = RolloutPolicy(
    name="careful",
    file="policy.yml",
    steps=(Weight(100, 30), Weight(1000, 120), Pause(None, 3600), Weight(5000, 300)),
)
SPEC = EndpointSpec("iris", "key", "iris/endpoint.yml", policy=LADDER)


def run_at(step: int, fraction: int, policy: RolloutPolicy = LADDER) -> Run:
    entered = NOW - timedelta(seconds=20) if step >= 0 else None
    return Run(OLD, NEW, NOW, NOW, policy, step=step, fraction=fraction, carried=fraction, entered=entered)


def view(phase: Phase, **more: object) -> RolloutShape:
    split = (("blue@1", 9000), ("blue@2", 1000))
    route = EndpointRoute("iris", KeyAuth("a", "b"), split=split)
    memory = replace(Memory("iris", phase, SPEC), **more)  # type: ignore[arg-type]
    return rollout(Subject(memory, Seen(RouteSeen(route, 1, 1), {}), None), (("StepRunning", "until then"),), NOW)


def test_a_move_says_its_steps_done_now_and_planned() -> None:
    found = view(Shifting(run_at(1, 1000)))
    assert (found.state, found.step, found.moved) == ("shifting", 2, 10.0)
    assert [(step.kind, step.state, step.weight, step.seconds) for step in found.steps] == [
        ("weight", "done", 1.0, 30.0),
        ("weight", "now", 10.0, 120.0),
        ("pause", "planned", 10.0, None),
        ("weight", "planned", 50.0, 300.0),
        ("rest", "planned", 100.0, 0.0),
    ]
    assert found.steps[3].split == {"blue@1": 50.0, "blue@2": 50.0}
    assert found.steps[4].split == {"blue@2": 100.0}
    assert (found.source, found.to) == ({"blue@1": 100.0}, {"blue@2": 100.0})
    assert found.split == {"blue@1": 90.0, "blue@2": 10.0}
    assert found.because == (Reason(reason="StepRunning", message="until then"),)
    assert (found.policy, found.policy_file) == ("careful", "policy.yml")


def test_nobody_knows_when_a_move_ends_that_somebody_has_to_approve() -> None:
    assert view(Shifting(run_at(1, 1000))).earliest_finish is None
    assert view(Paused(run_at(2, 1000))).approvals == 1
    later = view(Shifting(run_at(3, 5000)))
    assert (later.approvals, later.earliest_finish) == (0, NOW + timedelta(seconds=280))
    timed = replace(LADDER, steps=(Weight(1000, 60), Pause(30), Weight(5000, 300)))
    assert view(Shifting(run_at(0, 1000, timed))).earliest_finish == NOW + timedelta(seconds=40 + 30 + 300)
    assert view(Warming(run_at(-1, 0, timed))).earliest_finish == NOW + timedelta(seconds=390)


def test_a_move_cannot_end_before_the_next_window_opens() -> None:
    opens = NOW + timedelta(hours=5)
    shut = replace(LADDER, steps=(Weight(1000, 60), Weight(5000, 300)), freezes=(Freeze(START, END, "audit"),))
    spec = replace(SPEC, policy=shut)
    assert view(Shifting(run_at(0, 1000, shut)), spec=spec).earliest_finish == opens + timedelta(seconds=300)
    slow = replace(shut, steps=(Weight(1000, 36_000), Weight(5000, 300)))
    late = view(Shifting(run_at(0, 1000, slow)), spec=replace(SPEC, policy=slow)).earliest_finish
    assert late == NOW + timedelta(seconds=36_000 - 20 + 300)
    never = replace(shut, freezes=(), windows=())
    assert view(Shifting(run_at(0, 1000, never)), spec=spec).earliest_finish is not None


START, END = "2026-11-22T00:00:00", "2026-11-22T08:00:00"


def test_until_envoy_has_answered_what_it_was_shown_is_told() -> None:
    route = EndpointRoute("iris", KeyAuth("a", "b"), split=NEW)
    subject = Subject(Memory("iris", Settled(NEW), SPEC, route=route), Seen(None, None), None)
    assert rollout(subject, (), NOW).split == {"blue@2": 100.0}


@pytest.mark.parametrize(
    ("phase", "state", "step"),
    [
        (Settled(OLD), "settled", 0),
        (Warming(run_at(-1, 0)), "warming", 0),
        (Paused(run_at(2, 1000)), "paused", 3),
        (Shifting(run_at(4, 10_000)), "shifting", 5),
        (Shifting(replace(run_at(0, 10_000), full=True)), "shifting", 1),
        (Reverting(OLD, NOW, NEW), "reverting", 0),
        (Removing(NOW), "removing", 0),
    ],
)
def test_every_phase_has_its_word(phase: Phase, state: str, step: int) -> None:
    found = view(phase)
    assert (found.state, found.step) == (state, step)
    assert found.step <= len(found.steps)
    assert set(json.loads(found.model_dump_json(by_alias=True))) >= {
        "endpoint", "state", "from", "to", "split", "step", "steps", "gates", "refused", "because",
    }  # fmt: skip


def test_what_is_watched_stays_settled_and_says_what_is_warm() -> None:
    said = Said("errors", "blue@2", Verdict.GOOD, "WithinLimits", "0 of 100", 100, 0.0, 0.02)
    watch = Watch(OLD, NOW + timedelta(minutes=9), NOW + timedelta(minutes=5), LADDER, said=(said,))
    found = view(Settled(NEW, watch))
    assert found.state == "settled"
    assert found.watch is not None
    assert found.watch.previous == {"blue@1": 100.0}
    assert [(gate.gate, gate.verdict, gate.samples) for gate in found.gates] == [("errors", "good", 100)]


def test_only_refusals_that_hold_are_told() -> None:
    other = replace(LADDER, keep_s=1)
    refused = tuple(Refusal(NEW, ("blue@2",), "GateFailed", "5 of 10", NOW, policy) for policy in (LADDER, other))
    found = view(Settled(OLD), refused=refused)
    assert [(one.releases, one.reason, one.message) for one in found.refused] == [
        (("blue@2",), "GateFailed", "5 of 10")
    ]


def test_every_kind_of_step_is_told_in_words() -> None:
    steps = (Mirror(20, 60), WarmUp(50, 60), Preview((("x-beta", "1"),), 90), AwaitGate("errors"), Pause(5))
    texts = [step.text for step in view(Warming(run_at(-1, 0, replace(LADDER, steps=steps)))).steps]
    assert texts == [
        "mirror 20% for 1m",
        "warm up, 50 requests or 1m at most",
        "only requests with x-beta: 1 for 1m30s",
        "until gate errors is good",
        "pause for 5s",
        "100%",
    ]
    assert [duration(seconds) for seconds in (0.5, 59, 60, 3600, 3661)] == ["0.5s", "59s", "1m", "1h", "1h1m1s"]


def text_of(found: RolloutShape, *, ascii_only: bool = False, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, record=True, markup=False, file=None)
    with console.capture() as captured:
        console.print(rollout_page.render(found, ascii_only=ascii_only))
    return captured.get()


def test_the_page_fits_80_columns_and_says_it_all() -> None:
    gate = GateShape(
        gate="errors", release="blue@2", verdict="bad", reason="TooMany", message="5 of 10 answers failed " * 6,
        samples=10,
    )  # fmt: skip
    refusal = RefusalShape(to={"blue@9": 100.0}, releases=("blue@9",), reason="Aborted", message="by ann", at=NOW)
    found = view(Paused(run_at(2, 1000))).model_copy(update={"gates": (gate,), "refused": (refusal,)})
    page = text_of(found)
    assert max(map(len, page.splitlines())) <= 80
    for words in (
        "iris  paused  step 3 of 5, 10% of the move",
        "approval, within 1h, expires in 59m40s",
        "waits: StepRunning: until then",
        "approvals to come: 1 (headgate rollout promote iris)",
        "refused: blue@9: Aborted: by ann (headgate rollout retry iris)",
    ):
        assert words in re.sub(r"\s*\n\s+", " ", page) or words in page
    assert "bad" in page
    assert text_of(found, ascii_only=True).isascii()


def test_status_prints_json(run: Run_, live: "FakeService") -> None:
    live.moves = [view(Shifting(run_at(1, 1000)))]
    found = json.loads(run("rollout", "status", "iris", "--json").out)
    assert (found["endpoint"], found["state"], found["step"], len(found["steps"])) == ("iris", "shifting", 2, 5)
    assert found["from"] == {"blue@1": 100.0}
    assert "step 2 of 5" in run("rollout", "status", "iris").out
    assert run("rollout", "status", "rose").code == 1


def test_watch_tells_each_change_once_until_it_has_settled(run: Run_, live: "FakeService") -> None:
    as_asked = (Reason(reason="AsAsked", message="the split is what Git asks for"),)
    moving, settled = view(Shifting(run_at(1, 1000))), view(Settled(NEW)).model_copy(update={"because": as_asked})
    unknown = settled.model_copy(update={"because": (Reason(reason="Unobserved", message="not yet"),)})
    live.moves = [unknown, moving, moving, settled, moving]
    found = run("rollout", "watch", "iris")
    assert found.code == 0
    assert [line.split()[1] for line in found.out.splitlines()] == ["settled", "shifting", "settled"]
    assert len(run("rollout", "watch", "iris", "--forever").out.splitlines()) == 4
    assert len(run("rollout", "watch", "iris", "--json").out.splitlines()) == 4


def test_watch_is_1_where_git_asks_for_what_was_refused(run: Run_, live: "FakeService") -> None:
    refusal = RefusalShape(to={"blue@2": 100.0}, releases=("blue@2",), reason="GateFailed", message="5", at=NOW)
    because = (Reason(reason="GateFailed", message="blue@2 was refused: 5"),)
    live.moves = [view(Settled(OLD)).model_copy(update={"refused": (refusal,), "because": because})]
    assert run("rollout", "watch", "iris").code == 1
    as_asked = (Reason(reason="AsAsked", message="the split is what Git asks for"),)
    live.moves = [view(Settled(OLD)).model_copy(update={"refused": (refusal,), "because": as_asked})]
    assert run("rollout", "watch", "iris").code == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [(["promote"], "promote"), (["promote", "--full"], "promote-full")]
    + [([name], name) for name in ("pause", "resume", "abort", "retry", "undo")],
)
def test_orders(run: Run_, live: "FakeService", words: list[str], kind: str) -> None:
    found = run("rollout", *words, "iris")
    assert (found.code, live.calls) == (0, [("order", "iris", kind)])
    assert "iris: going on.\nSee: headgate rollout watch iris" in found.out
    assert json.loads(run("rollout", *words, "iris", "--json").out)["done"] is True
    live.refusal = "it is not paused"
    refused = run("rollout", *words, "iris")
    assert (refused.code, "it is not paused" in refused.err) == (1, True)


def test_explain_tells_the_chain(run: Run_, live: "FakeService") -> None:
    live.moves = [view(Shifting(run_at(1, 1000)))]
    facts = {"GatesPassed": "no gate is against it", "StepTaken": "moving to blue@2 10%"}
    live.history = [
        EventShape(at=NOW, endpoint="iris", type="Normal", reason="ReplicaReady", message="routine"),
        EventShape(at=NOW, endpoint="iris", type="Normal", reason="TrafficShifting", message="moving", because=facts),
    ]
    found = run("explain", "iris")
    for words in (
        "Git asks for  blue@2 100%  (commit 3f2a9c4)",
        "Live is       blue@1 90%, blue@2 10%",
        "StepRunning: until 03:00:09 UTC at least",
        "GatesPassed: no gate is against it; StepTaken: moving to blue@2 10%",
    ):
        assert words in found.out
    assert "routine" not in found.out
    assert json.loads(run("explain", "iris", "--json").out)["events"][1]["because"] == facts


class Loop:
    """A reconciler that answers orders as it is told."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer, self.given = answer, list[Order]()
        self.plans: dict[str, object] = {}
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.revision = 0

    async def order(self, _name: str, order: Order) -> Answer:
        self.given.append(order)
        if self.answer is None:
            await asyncio.Event().wait()
        assert self.answer is not None
        return self.answer

    async def changed(self, _since: int) -> None:
        await asyncio.Event().wait()


def orders(loop: Loop, phase: Phase = Settled(OLD)) -> Orders:  # noqa: B008 (frozen)
    subject = Subject(Memory("iris", phase), Seen(None, None), None)
    return Orders(cast("Reconciler", loop), lambda _: subject)


async def test_an_order_is_handed_on_with_who_gave_it() -> None:
    loop = Loop(Answer("x", done=True, message="going on"))
    found = await orders(loop).give("iris", "promote", OrderBody(id="x", by="ann\x1b[2J"))
    assert (found.id, found.message, found.rollout.state) == ("x", "going on", "settled")
    assert loop.given == [Order("promote", "x", "ann\\x1b[2J")]
    await orders(loop).give("iris", "abort", OrderBody())
    assert len(loop.given[1].id) == 16


async def test_an_order_that_does_not_fit_is_refused_with_the_reason() -> None:
    with pytest.raises(RefusedError, match="resume was refused: it is not paused"):
        await orders(Loop(Answer("x", done=False, message="it is not paused"))).give("iris", "resume", OrderBody())


async def test_a_follower_hears_only_of_differences() -> None:
    found = orders(Loop(None)).follow("iris")
    assert (await anext(found)).state == "settled"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await anext(found)
    moving = orders(Loop(None), Shifting(run_at(1, 1000))).follow("iris")
    assert [(await anext(moving)).step for _ in range(2)] == [2, 2]
    await moving.aclose()  # type: ignore[attr-defined]
