"""What checks said, in the status, the rollout and the plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from console import pages, screen
from console.ladders import ladder
from console.rollout_view import rollout
from console.views import Address, Subject, endpoint_detail
from observability.verdict import Verdict
from reconciler.plan import Seen, Want
from reconciler.run import Run
from reconciler.state import Known, Memory, Settled, Shifting, Warming
from reconciler.trial import Examined
from router.table import EndpointRoute, KeyAuth, RouteSeen
from spec.catalog import DeploymentSpec, EndpointSpec
from spec.checks import Check, Checks
from spec.policy import Gate, RolloutPolicy, Weight
from spec.release import Environment, InstanceType, Recipe, ReleaseRef, Server

NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
OLD, NEW = ReleaseRef("iris", "blue", "1" * 12), ReleaseRef("iris", "blue", "2" * 12)
RECIPE = Recipe(Server.INFERENCE_SERVER, "process", Environment("e"), InstanceType("s", 1, 1 << 30))
CHECKS = Checks("iris/checks.yml", (Check("a", max_difference=0.5), Check("b")), "0" * 12)
POLICY = RolloutPolicy(name="careful", steps=(Weight(1000, 60),), gates=(Gate("errors", compare_stable=True),))
SAID = "all 2 checks pass; 1 of 1 answers changes, at most by 0.4"
GOOD = Examined(NOW, Verdict.GOOD, SAID)
AUTH = KeyAuth("a", "b")


def spec(checks: Checks | None = CHECKS, policy: RolloutPolicy = POLICY) -> EndpointSpec:
    deployment = DeploymentSpec("blue", NEW, RECIPE, 1, "iris/blue.yml", checks=checks)
    return EndpointSpec(
        "iris", "key", "iris/endpoint.yml", (("blue", 100),), deployments=(deployment,), policy=policy
    )


def run(**more: object) -> Run:
    return replace(Run(((OLD.name, 10_000),), ((NEW.name, 10_000),), NOW, NOW, POLICY), **more)  # type: ignore[arg-type]


def seen(*found: tuple[str, Examined]) -> Seen:
    route = EndpointRoute("iris", AUTH, split=((OLD.name, 10_000),))
    return Seen(RouteSeen(route, 1, 1), {}, examined={("checks", release): one for release, one in found})


def memory(phase: Settled | Warming | Shifting) -> Memory:
    known = (Known(OLD, RECIPE, 1), Known(NEW, RECIPE, 1))
    return Memory("iris", phase, spec(), releases=known, promoted=(("blue", OLD.name),))


def detail(*found: tuple[str, Examined], phase: Settled | Warming | None = None) -> object:
    address = Address("https", "localhost", 8443, None, "127.0.0.1")
    subject = Subject(memory(phase or Settled(((NEW.name, 10_000),))), seen(*found), None)
    return endpoint_detail(subject, address)


def test_the_status_has_the_last_outcome() -> None:
    checks = detail((NEW.name, GOOD)).deployments[0].checks
    assert checks is not None
    assert checks.model_dump() == {"verdict": "good", "message": SAID, "at": NOW}


def test_nothing_was_asked() -> None:
    assert detail().deployments[0].checks is None
    assert detail((OLD.name, GOOD)).deployments[0].checks is None


def test_people_read_it_below_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=200, record=True, file=StringIO())
    monkeypatch.setattr(screen, "out", lambda: console)
    monkeypatch.setattr(pages, "out", lambda: console)
    pages.print_status(detail((NEW.name, GOOD)))
    assert f": good: {SAID}" in console.export_text()


def gates(phase: Warming | Shifting, *found: tuple[str, Examined]) -> list[tuple[str, str, str, str]]:
    shape = rollout(Subject(memory(phase), seen(*found), None), (), NOW)
    return [(gate.gate, gate.release, gate.verdict, gate.message) for gate in shape.gates]


def test_a_move_shows_them_as_a_gate() -> None:
    running = ("checks", NEW.name, "inconclusive", "they run; nothing moves before they are good")
    old = replace(GOOD, at=NOW - timedelta(seconds=1))
    assert gates(Warming(run())) == [running]
    assert gates(Warming(run()), (NEW.name, old)) == [running]
    assert gates(Warming(run()), (NEW.name, GOOD)) == [("checks", NEW.name, "good", SAID)]
    assert gates(Shifting(run(step=0, fraction=1000)), (NEW.name, GOOD)) == [("checks", NEW.name, "good", SAID)]
    assert gates(Shifting(run(step=0, fraction=1000))) == []


def planned(
    *found: tuple[str, Examined], phase: Settled | None = None, asked: EndpointSpec | None = None
) -> tuple[str, ...]:
    want = Want("c2", asked or spec(), AUTH)
    before = replace(memory(phase or Settled(((OLD.name, 10_000),))), releases=(Known(OLD, RECIPE, 1),))
    plan = ladder(want, seen(*found), before, NOW)
    assert plan is not None
    return plan.gates


def test_a_plan_says_what_will_be_asked_and_what_came_of_it() -> None:
    first = "checks: 2 requests to blue before its first share (iris/checks.yml), 1 compared with the stable release"
    assert planned()[0] == first
    assert planned((NEW.name, GOOD))[0] == f"{first}; good: {SAID}"
    assert planned()[1].startswith("errors: ")


def test_a_plan_without_checks_names_none() -> None:
    assert all("checks" not in gate for gate in planned(asked=spec(checks=None)))


def test_a_first_deployment_is_held_up_by_none() -> None:
    assert planned(phase=Settled()) == ()
