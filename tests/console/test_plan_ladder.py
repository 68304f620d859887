"""The ladder that a plan shows, by the decisions that will be taken."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from console.desired import of_folder
from console.planning import Present
from reconciler.run import Refusal, Watch
from reconciler.state import Known, Settled
from tests.console.planned import NOW, Run, compare, edit, one, settled

LATER = NOW + timedelta(minutes=5)
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


def test_what_is_only_kept_warm_is_no_change(models: Path) -> None:
    present = under_policy(models)
    was = present["iris"]
    (release,) = [found.release for found in was.memory.spec.deployments]
    old = replace(release, digest="0" * 12)
    watch = Watch(((old.name, 10_000),), LATER, LATER, was.memory.spec.policy)
    kept = Known(old, was.memory.releases[0].recipe, 1)
    memory = replace(was.memory, phase=Settled(was.memory.phase.split, watch), releases=(*was.memory.releases, kept))
    warm = {old.name: was.seen.releases[release.name]}
    present["iris"] = replace(was, memory=memory, seen=replace(was.seen, releases={**was.seen.releases, **warm}))
    entry = one(compare(models, present), "iris")
    assert (entry.action, entry.replicas, entry.changes) == ("none", (), ())


def test_a_step_is_not_named_before_its_share_is_served(models: Path) -> None:
    steps = "steps: [{headers: {x-a: '1'}, for: 5s}, {weight: 20, for: 10s}]\n"
    present = under_policy(models, f"kind: rollout_policy\nname: p\n{steps}")
    edit(models, "iris/blue.yml", "initial_delay: 1", "initial_delay: 7")
    found = one(compare(models, present), "iris")
    new = found.releases.started[0]
    assert found.rollout is not None
    said = [(stop.split.get(new, 0), stop.waits_for) for stop in found.rollout.stops]
    assert (0, "20% of the move, for 10 s at least") not in said
    assert (20.0, "20% of the move, for 10 s at least") in said
