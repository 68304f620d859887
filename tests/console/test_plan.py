"""The plan: what it says, and that it needs nothing but the files."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.desired import of_folder
from console.differences import tell
from console.plans import Change, Failure, PlanEntry, PlanShape, PlanSubject, Releases, ReplicaMove, TrafficMove

if TYPE_CHECKING:
    from conftest import FakeService
from tests.console.planned import Run, compare, edit, one, settled


def test_plan_shows_changes_reasons_and_traffic(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    change = Change(what="blue.model", was="iris:1", to="iris:2", why="iris/blue.yml changed")
    move = TrafficMove(was={"blue@1": 100.0}, to={"blue@2": 100.0})
    entry = PlanEntry(
        endpoint="iris",
        action="update",
        changes=(change,),
        releases=Releases(started=("blue@2",), stopped=("blue@1",)),
        traffic=move,
        replicas=(ReplicaMove(release="blue@2", was=0, to=2),),
    )
    live.plan_answer = PlanShape(commit=given.COMMIT, endpoints=(entry, PlanEntry(endpoint="b", action="none")))
    found = run("plan")
    assert found.code == 0
    for words in (
        "~ iris: update",
        "blue.model: iris:1 -> iris:2",
        "because iris/blue.yml",
        "replicas: blue@2 0 -> 2",
        "1 to change, 1 unchanged. Nothing was changed.",
    ):
        assert words in found.out
    printed = json.loads(run("plan", "--json").out)["endpoints"][0]
    assert printed["changes"] == [
        {"what": "blue.model", "from": "iris:1", "to": "iris:2", "why": "iris/blue.yml changed", "fields": []}
    ]
    assert printed["traffic"] == {"from": {"blue@1": 100.0}, "to": {"blue@2": 100.0}}
    assert run("plan", "--exit-code").code == 1


def test_plan_shows_shares_once_and_what_has_failed(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    was, to = {"blue@3f2a9c41d0e7": 100.0}, {"blue@3f2a9c41d0e7": 90.0, "green@1a7b9c41d0e7": 10.0}
    entry = PlanEntry(
        endpoint="iris",
        action="update",
        changes=(
            Change(what="traffic", was=was, to=to, why="the traffic map"),
            Change(what="tags", was={}, to={"team": "a"}),
            Change(what="public_network_access", was=False, to=True),
        ),
        traffic=TrafficMove(was=was, to=to),
        failed=(Failure(release="green@1a7b9c41d0e7", reason="InitFailed", message="no such model"),),
    )
    live.plan_answer = PlanShape(commit=given.COMMIT, endpoints=(entry,))
    found = run("plan").out
    assert found.count("traffic: ") == 1
    assert "traffic: blue@3f2a9c4 100% -> blue@3f2a9c4 90%, green@1a7b9c4 10%" in found
    assert "tags: none -> team=a" in found
    assert "public_network_access: false -> true" in found
    assert "green@1a7b9c4 has failed: InitFailed: no such model" in found
    assert "{" not in found


@pytest.mark.usefixtures("live")
def test_an_empty_plan_says_so(run: Run) -> None:
    assert "Nothing to change" in run("plan").out
    assert run("plan", "--exit-code").code == 0


def test_what_is_live_as_asked_is_no_change(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    assert {entry.action for entry in compare(models, present).endpoints} == {"none"}


def test_a_new_release_says_which_fields_made_it(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    edit(models, "iris/blue.yml", "instance_count: 1", "instance_count: 2\nenvironment_variables: {PASSWORD: s3cret}")
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 7")
    found = one(compare(models, present), "iris")
    (change,) = [change for change in found.changes if change.what == "deployment blue"]
    assert found.action == "update"
    assert [(field.field, field.was, field.to) for field in change.fields] == [
        ("environment_variables.PASSWORD", "", "a value"),
        ("readiness_probe.initial_delay", "1", "7"),
    ]
    assert change.why == "changed: environment_variables, readiness_probe"
    assert "s3cret" not in found.model_dump_json()
    assert [(move.was, move.to) for move in found.replicas if move.release == change.to] == [(0, 2)]
    assert [(move.was, move.to) for move in found.replicas if move.release == change.was] == [(1, 0)]
    assert found.traffic.to == {change.to: 100.0}


def test_another_policy_or_other_checks_are_a_change(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    (models / "policy.yml").write_text("kind: rollout_policy\nname: careful\nsteps: [{weight: 3, for: 9s}]\n")
    (models / "endpoints" / "iris" / "checks.yml").write_text(
        "kind: checks\ndeployment: blue\nchecks: [{name: a, request: 1}]\n"
    )
    found = one(compare(models, present), "iris")
    assert found.action == "update"
    policy, checks = found.changes
    assert (policy.what, policy.was, policy.to) == ("rollout policy", "built-in", "careful")
    assert policy.why.startswith("changed: steps;")
    assert (checks.what, checks.was, checks.why) == ("blue checks", None, "asked of the next release")
    assert found.releases == Releases()


def test_a_changed_size_alone_is_no_release(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    edit(models, "iris/blue.yml", "instance_count: 1", "instance_count: 3")
    found = one(compare(models, present), "iris")
    assert [(change.what, change.was, change.to) for change in found.changes] == [("blue instance_count", 1, 3)]
    assert [(move.was, move.to) for move in found.replicas] == [(1, 3)]
    assert found.releases == Releases()


def test_a_broken_file_breaks_its_endpoint_alone_and_says_where(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    edit(models, "iris/endpoint.yml", "blue: 100", "blue: 90")
    plan = compare(models, present)
    found = one(plan, "iris")
    assert (found.action, [problem.file for problem in found.problems]) == ("broken", ["endpoints/iris/endpoint.yml"])
    assert one(plan, "diabetes").action == "none"
    assert one(compare(models, {}), "iris").action == "broken"


@pytest.mark.parametrize("how", ["utf-16", "symlinks", "folder"])
def test_files_that_cannot_be_read_break_what_is_live_and_remove_nothing(models: Path, how: str) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    folder = models / "endpoints" / "iris"
    if how == "folder":
        folder.rename(models / "iris.d")
        folder.symlink_to(models / "iris.d")
        for path in (models / "iris.d").glob("*.yml"):
            path.rename(path.with_suffix(".txt"))
    for path in (folder / name for name in ("endpoint.yml", "blue.yml") if how != "folder"):
        text = path.read_text()
        path.unlink()
        path.with_suffix(".txt").write_text(text)
        path.symlink_to(path.with_suffix(".txt")) if how == "symlinks" else path.write_bytes(text.encode("utf-16"))
    plan = compare(models, present)
    found = one(plan, "iris")
    assert (found.action, found.traffic.was, found.releases) == ("broken", found.traffic.to, Releases())
    assert all("endpoints/iris" in problem.file and problem.severity == "error" for problem in found.problems)
    assert {problem.file for problem in plan.problems} == {problem.file for problem in found.problems}
    assert one(plan, "diabetes").action == "none"


def test_a_mass_removal_is_held_and_says_what_it_waits_for(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    for folder in (models / "endpoints").iterdir():
        shutil.rmtree(folder)
    plan = compare(models, present)
    assert {entry.action for entry in plan.endpoints} == {"held"}
    assert "headgate confirm" in one(plan, "iris").waits


def test_one_removal_is_a_removal(models: Path) -> None:
    present = settled(of_folder(models, None, conda=False).catalog)
    shutil.rmtree(models / "endpoints" / "iris")
    found = one(compare(models, present), "iris")
    assert (found.action, [move.to for move in found.replicas]) == ("delete", [0])


def test_every_field_of_a_recipe_is_told_in_words(models: Path) -> None:
    catalog = of_folder(models, None, conda=False).catalog
    recipes = [d.recipe for spec in catalog.endpoints.values() for d in spec.deployments]
    for was in recipes:
        for to in recipes:
            assert all(0 < len(before) + len(after) < 400 for _, before, after in tell(was, to))
            assert bool(list(tell(was, to))) == (was != to)


def test_held_and_broken_endpoints_say_so(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    waits = PlanEntry(endpoint="a", action="held", waits="the commit removes 3 of 4 endpoints")
    broken = PlanEntry(
        endpoint="b", action="broken", traffic=TrafficMove(was={"blue@1": 100.0}, to={"blue@1": 100.0})
    )
    edits = PlanSubject(kind="edits", name="/m", base=given.COMMIT, edited=tuple("abcdefg"), edited_count=7)
    live.plan_answer = PlanShape(commit=given.COMMIT, endpoints=(waits, broken), subject=edits)
    found = run("plan").out
    for words in (
        "Plan for the uncommitted edits in /m, on top of commit 3f2a9c4",
        "edited: a, b, c, d, e and 2 more",
        "! a: held\n    waits: the commit removes 3 of 4 endpoints",
        "x b: broken",
        "the last good spec goes on",
        "1 held, 1 broken. Nothing was changed.",
    ):
        assert words in found
