"""The plan: what it is of, what it says, and that it needs nothing but the files."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.desired import of_folder
from console.differences import tell
from console.foresight import Foresight
from console.paths import Paths
from console.planning import Present, names, outline
from console.plans import (
    Change,
    Failure,
    PlanEntry,
    PlanShape,
    PlanSubject,
    Proposal,
    Releases,
    ReplicaMove,
    TrafficMove,
)
from console.settings import Settings
from reconciler.decide import NO_AUTH
from reconciler.plan import Seen
from reconciler.routing import project
from reconciler.run import Refusal
from reconciler.state import Known, Memory, Settled
from reconciler.store import Store
from router.table import KeyAuth, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.catalog import Catalog
from spec.errors import StalledError

if TYPE_CHECKING:
    from conftest import FakeService

Run = Callable[..., SimpleNamespace]


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


EXAMPLE = Path(__file__).parents[2] / "examples" / "repo"
NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
KEYS = KeyAuth("one", "two")
FRESH = Seen(RouteSeen(None, 0, 0), {})


def git(folder: Path, *words: str) -> str:
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        known |= {f"GIT_{role}_NAME": "Ann", f"GIT_{role}_EMAIL": "ann@example.org"}
    done = subprocess.run(["git", *words], cwd=folder, env={**os.environ, **known}, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def models(home: Path) -> Path:
    """A working copy of the example repository with one commit."""
    folder = home / "models"
    shutil.copytree(EXAMPLE, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


def edit(models: Path, file: str, old: str, new: str) -> None:
    path = models / "endpoints" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def settled(catalog: Catalog) -> dict[str, Present]:
    """Every endpoint of a catalog, live as it asks."""
    found = {}
    for name, spec in catalog.endpoints.items():
        split = tuple((f"{spec.deployment(d).release.name}", percent * 100) for d, percent in spec.traffic)
        promoted = tuple((deployment.name, deployment.release.name) for deployment in spec.deployments)
        known = tuple(Known(d.release, d.recipe, d.instance_count) for d in spec.deployments)
        memory = Memory(name, Settled(split), spec, "c0", known, promoted, applied="c0")
        releases = {
            d.release.name: ReleaseSeen(
                Preparation(Stage.PREPARED),
                d.instance_count,
                tuple(
                    ReplicaSeen(f"{d.name}-{index}", ReplicaState.READY, "127.0.0.1", 9000 + index)
                    for index in range(d.instance_count)
                ),
            )
            for d in spec.deployments
        }
        seen = Seen(RouteSeen(None, 0, 0), releases)
        found[name] = Present(memory, replace(seen, route=RouteSeen(project(memory, seen, KEYS), 1, 1)), KEYS)
    return found


def compare(models: Path, present: dict[str, Present]) -> PlanShape:
    desired = of_folder(models, None, conda=False)
    known = {name: Present(Memory(name), FRESH, KEYS) for name in names(desired.catalog, present)} | present
    return outline(desired, known, NOW)


def one(plan: PlanShape, name: str) -> PlanEntry:
    return next(entry for entry in plan.endpoints if entry.endpoint == name)


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


def test_where_nothing_runs_a_folder_is_planned_as_if_fresh(run: Run, models: Path, paths: Paths) -> None:
    found = run("plan", "--path", str(models))
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines()[0].startswith(f"Plan for the folder {models}, on top of commit ")
    assert f"No Headgate runs on {paths.state}: this is what a fresh installation would do." in found.out
    assert "+ iris: create" in found.out
    assert "3 to create. Nothing was changed." in found.out
    printed = json.loads(run("plan", "--path", str(models), "--json").out)
    assert printed["against"] == "nothing"
    assert not paths.database.exists()
    assert run("plan", "--path", str(models), "--exit-code").code == 1


def test_a_folder_without_git_is_planned_too(run: Run, home: Path) -> None:
    shutil.copytree(EXAMPLE, home / "plain")
    assert "3 to create" in run("plan", "--path", "plain").out
    assert "is not a folder" in run("plan", "--path", "nowhere").err


def test_the_working_copy_around_is_planned(run: Run, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models / "endpoints")
    assert run("plan").out.startswith("Plan for HEAD, which is commit ")
    edit(models, "iris/blue.yml", "instance_count: 1", "instance_count: 2")
    (models / "endpoints" / "new.txt").write_text("1")
    lines = run("plan").out.splitlines()
    assert lines[0].startswith(f"Plan for the uncommitted edits in {models}, on top of commit ")
    assert lines[1] == "  edited: endpoints/iris/blue.yml, endpoints/new.txt"
    assert run("plan", "--revision", "main").out.startswith("Plan for main, which is commit ")
    wrong = run("plan", "--revision", "nonsense")
    assert (wrong.code, "has no revision 'nonsense'" in wrong.err) == (1, True)


def test_memory_of_a_headgate_that_ended_is_compared_with(run: Run, models: Path, paths: Paths) -> None:
    store = Store(f"sqlite:///{paths.database}")
    store.migrate()
    for name, present in settled(of_folder(models, None, conda=False).catalog).items():
        memory = present.memory
        route = present.seen.route.route if present.seen.route else None
        assert route is not None
        store.save(name, replace(memory, route=replace(route, auth=NO_AUTH)))
    store.close()
    found = run("plan", "--path", str(models))
    assert "compared with what the last one there remembers" in found.out
    assert "Nothing to change: what is remembered is what it asks for." in found.out
    edit(models, "iris/blue.yml", "instance_count: 1", "instance_count: 2")
    assert "~ iris: update" in run("plan", "--path", str(models)).out


def test_a_running_headgate_is_sent_what_was_loaded_and_never_a_path(
    run: Run, live: "FakeService", models: Path
) -> None:
    assert run("plan", "--path", str(models)).code == 0
    kind, proposal = live.calls[-1]
    assert kind == "propose"
    assert sorted(proposal.catalog.endpoints) == ["card-fraud", "diabetes", "iris"]
    assert proposal.catalog == of_folder(models, None, conda=False).catalog
    assert proposal.subject.kind == "directory"


def test_a_running_headgate_is_asked_for_edits_or_a_revision(run: Run, live: "FakeService") -> None:
    run("plan")
    run("plan", "--revision", "refs/pull/7/head")
    assert live.calls == [("plan", None, True), ("plan", "refs/pull/7/head", False)]


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


def foresight(models: Path, **settings: object) -> Foresight:
    """The plans of a Headgate that follows `models` and has everything of its first commit live."""
    catalog = of_folder(models, "HEAD", conda=False).catalog
    present = settled(catalog)
    reconciler = SimpleNamespace(
        memories={name: found.memory for name, found in present.items()},
        observe=lambda name: present[name].seen if name in present else FRESH,
        access=SimpleNamespace(has=lambda name: name in present, auth=lambda _name, _mode: KEYS),
        clock=SimpleNamespace(now=lambda: NOW),
        catalog=catalog,
        snapshot=None,
        confirmed=frozenset(),
        conda=False,
    )
    known = Settings(repo=str(models), state_dir=models.parent / "s", **settings)
    return Foresight(reconciler, known)  # type: ignore[arg-type]


async def test_edits_are_planned_unless_they_are_followed_anyway(models: Path) -> None:
    assert (await foresight(models).plan(None, edits=True)).subject.kind == "commit"
    edit(models, "iris/blue.yml", "instance_count: 1", "instance_count: 2")
    plan = await foresight(models).plan(None, edits=True)
    assert (plan.subject.kind, one(plan, "iris").action, one(plan, "diabetes").action) == ("edits", "update", "none")
    assert plan.commit.startswith(f"{git(models, 'rev-parse', 'HEAD')}+")
    assert (await foresight(models).plan(None, edits=False)).subject.kind == "commit"
    assert (await foresight(models, worktree=True).plan(None, edits=True)).subject.kind == "commit"


async def test_a_branch_is_planned_beside_edits(models: Path) -> None:
    git(models, "switch", "--quiet", "--create", "feature")
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 9")
    git(models, "commit", "--quiet", "--all", "-m", "Later")
    git(models, "switch", "--quiet", "main")
    edit(models, "diabetes/blue.yml", "instance_count: 1", "instance_count: 2")
    plan = await foresight(models).plan("feature", edits=False)
    assert [entry.endpoint for entry in plan.endpoints if entry.action != "none"] == ["iris"]
    assert plan.subject.name == "feature"


@pytest.mark.parametrize("revision", ["--output=/tmp/x", "nonsense", "HEAD:endpoints", "a\nb"])
async def test_a_revision_is_nothing_else(models: Path, revision: str) -> None:
    with pytest.raises(StalledError):
        await foresight(models).plan(revision, edits=False)


async def test_a_new_endpoint_has_no_keys_yet_and_is_planned_all_the_same(models: Path) -> None:
    shutil.copytree(models / "endpoints" / "iris", models / "endpoints" / "rose")
    edit(models, "rose/endpoint.yml", "name: iris", "name: rose")
    edit(models, "rose/blue.yml", "endpoint_name: iris", "endpoint_name: rose")
    plan = await foresight(models).plan(None, edits=True)
    assert one(plan, "rose").action == "create"
    assert one(plan, "iris").action == "none"


async def test_a_proposal_is_compared_and_kept_nowhere(models: Path) -> None:
    mine = foresight(models)
    plan = await mine.propose(Proposal(catalog=Catalog("c9"), subject=PlanSubject(kind="directory", name="/x")))
    assert {entry.action for entry in plan.endpoints} == {"held"}
    assert (await mine.plan(None, edits=True)).commit == git(models, "rev-parse", "HEAD")


POLICY = """
kind: rollout_policy
name: careful
steps:
  - {weight: 10, for: 8s}
  - {pause: approval}
  - {weight: 50, for: 20s}
gates:
  - {name: errors, metric: error_rate, max: 2%, compare: stable}
  - {name: slow, metric: latency_p95, max: 200ms, dry_run: true}
"""


def under_policy(models: Path, text: str = POLICY) -> dict[str, Present]:
    """Everything live as asked, under one policy for all."""
    for old in (models / "policies").glob("*.yml"):
        old.unlink()
    (models / "policy.yml").write_text(text)
    return settled(of_folder(models, None, conda=False).catalog)


def test_a_plan_shows_the_ladder_by_the_decisions_that_will_be_taken(models: Path) -> None:
    present = under_policy(models)
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 7")
    found = one(compare(models, present), "iris").rollout
    assert found is not None
    assert (found.policy, found.policy_file, found.strategy) == ("careful", "policy.yml", "stepwise")
    assert (found.approvals, found.earliest_finish_s, found.peak_replicas) == (1, 28.0, 2)
    new = one(compare(models, present), "iris").releases.started[0]
    assert [(stop.after_s, stop.split.get(new, 0)) for stop in found.stops] == [
        (0, 0), (0, 10.0), (8, 10.0), (8, 50.0), (28, 100.0), (28, 100.0),
    ]  # fmt: skip
    assert found.gates == (
        "errors: error rate at most 2% and no worse than the stable release",
        "slow: latency p95 at most 200 ms (reports only)",
    )
    assert list(found.rollback_to.values()) == [100.0]
    assert "that release is refused; after promotion it stays warm for 10m" in found.on_failure
    assert found.settles
    assert one(compare(models, present), "diabetes").rollout is None


def test_a_first_deployment_skips_the_steps_and_says_so(models: Path) -> None:
    under_policy(models)
    found = one(compare(models, {}), "iris").rollout
    assert found is not None
    assert (found.skips_steps, found.gates, found.rollback_to, found.approvals) == (True, (), {}, 0)


def test_an_immediate_policy_is_one_step_that_nothing_takes_back(models: Path) -> None:
    present = under_policy(models, "kind: rollout_policy\nname: now\nstrategy: immediate\n")
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 7")
    found = one(compare(models, present), "iris").rollout
    assert found is not None
    assert (found.strategy, found.earliest_finish_s, found.gates) == ("immediate", 0, ())
    assert "nothing takes it back by itself" in found.on_failure


def test_what_was_refused_is_not_started_again_and_the_plan_says_so(models: Path) -> None:
    present = under_policy(models)
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 7")
    wanted = of_folder(models, None, conda=False).catalog.endpoints["iris"]
    release = wanted.deployments[0].release.name
    refusal = Refusal(((release, 10_000),), (release,), "GateFailed", "5 of 10 failed", NOW, wanted.policy)
    iris = present["iris"]
    present["iris"] = replace(iris, memory=replace(iris.memory, refused=(refusal,)))
    found = one(compare(models, present), "iris")
    assert (found.action, found.rollout) == ("held", None)
    assert "refused (GateFailed: 5 of 10 failed)" in found.waits
    assert "`headgate rollout retry iris`" in found.waits


def test_the_ladder_is_printed(run: Run, models: Path) -> None:
    under_policy(models)
    found = run("plan", "--path", str(models)).out
    assert "rollout by policy careful (policy.yml), its steps skipped: nothing to compare with:" in found
    assert "earliest finish: as soon as its replicas are ready; at most 1 replica at once" in found
