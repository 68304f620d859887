"""What a plan is of: edits, a branch, a folder, a proposal; and what it is compared with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console.desired import of_folder
from console.foresight import Foresight
from console.paths import Paths
from console.plans import PlanSubject, Proposal
from console.settings import Settings
from reconciler.decide import NO_AUTH
from reconciler.store import Store
from spec.catalog import Catalog
from spec.errors import StalledError

if TYPE_CHECKING:
    from conftest import FakeService
from tests.console.planned import EXAMPLE, FRESH, KEYS, NOW, Run, edit, git, one, settled


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
    (models / "copy.yml").symlink_to("endpoints/iris/blue.yml")
    passed = run("plan", "--path", str(models), "--exit-code")
    assert (passed.code, "copy.yml  warning" in passed.out, "3 unchanged" in passed.out) == (0, True, True)
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
