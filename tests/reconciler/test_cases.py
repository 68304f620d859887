"""Each rule of the machine has a row here that tells it, or a test elsewhere that is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from cases import AT_5, AT_25, LIVE, MOVES, REQUESTS, VERDICTS, Case
from cases_failing import FAILING, POLICY
from policies import POLICIES
from script import full, perform, show
from world import World

from observability.evidence import Tally
from observability.judge import alpha_each
from reconciler.state import Shifting, run_of
from router.table import KeyAuth, TokenAuth
from spec.policy import BUILT_IN, Gate, RolloutPolicy, Weight

CASES = [*MOVES, *LIVE, *REQUESTS, *VERDICTS, *FAILING, *POLICY]
TESTS = Path(__file__).parents[1]


def tell(story: str) -> World:
    """Play a story; its expectations are checked on the way."""
    world = World()
    world.policy = POLICIES["immediate"]
    for line in filter(None, story.splitlines()):
        match line[0]:
            case "=":
                assert line[1:].strip() in show(world), f"{line}\n{show(world)}"
            case "~":
                assert line[1:].strip() not in show(world), f"{line}\n{show(world)}"
            case _:
                perform(world, line)
    assert world.violations == []
    return world


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    assert case.line
    tell(case.story)


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


class TestAtOnce:
    """At once, with the *current* split, resetting no timer and no evidence."""

    def change(self, what: str) -> tuple[World, World]:
        before, world = tell(AT_25), tell(AT_25)
        for one in (before, world):
            perform(one, "saw blue@1 ok 50")
            perform(one, "saw blue@2 ok 9")
            perform(one, "wait 5s")
        deployments = world.spec.deployments
        match what:
            case "keys":
                world.want = lambda: replace(World.want(world), auth=KeyAuth("n" * 32, "s" * 32))
            case "auth_mode":
                world.want = lambda: replace(World.want(world), auth=TokenAuth("fraud"))
                world.commit(replace(world.spec, auth_mode="aml_token"))
            case "max_queue_wait_ms":
                found = tuple(replace(one, max_queue_wait_ms=900) for one in deployments)
                world.commit(replace(world.spec, deployments=found))
            case "instance_count":
                world.commit(
                    replace(world.spec, deployments=tuple(replace(one, instance_count=3) for one in deployments))
                )
            case "tags":
                world.commit(replace(world.spec, tags=(("tier", "gold"),)))
        before.step()
        world.step()
        return before, world

    @pytest.mark.parametrize("what", ["keys", "auth_mode", "max_queue_wait_ms", "instance_count", "tags"])
    def test_the_move_is_untouched(self, what: str) -> None:
        before, world = self.change(what)
        assert run_of(world.memory.phase) == run_of(before.memory.phase)
        assert run_of(world.memory.phase).entered is not None
        assert world.envoy.route.split == before.envoy.route.split

    @pytest.mark.parametrize("what", ["keys", "auth_mode", "max_queue_wait_ms"])
    def test_and_the_route_changes(self, what: str) -> None:
        before, world = self.change(what)
        assert world.envoy.route != before.envoy.route

    def test_a_mirrors_percentage(self) -> None:
        world = tell(
            "policy stepwise\npush blue=1x2 green=1 : blue 100 mirror green 10\ncalm\n"
            "push blue=2x2 green=1 : blue 100 mirror green 10\ncalm\n= step 1 of 3 at 5%\n= mirror green@1 10%"
        )
        run = run_of(world.memory.phase)
        perform(world, "push blue=2x2 green=1 : blue 100 mirror green 30")
        world.step()
        assert world.envoy.route.mirror == (full("green@1"), 30)
        assert run_of(world.memory.phase) == run

    def test_a_commit_that_leaves_t_equal_resets_no_timer(self) -> None:
        world = tell(AT_25 + "wait 5s\nstep")
        run = run_of(world.memory.phase)
        perform(world, "push blue=2x2 : blue 100")
        world.step()
        assert run_of(world.memory.phase) == run


def test_the_false_alarm_rate_is_per_rollout_and_shared_by_its_gates() -> None:
    gates = (Gate("one", max=0.1), Gate("two", compare_stable=True), Gate("report", max=0.1, dry_run=True))
    assert alpha_each(RolloutPolicy(gates=gates)) == pytest.approx(0.005)


def test_the_built_in_policy() -> None:
    """5, 25, 50 % (then the rest), 15 s at least on each, error rate against the concurrent stable release."""
    assert BUILT_IN.steps == (Weight(500, 15), Weight(2500, 15), Weight(5000, 15))
    assert [(gate.metric, gate.compare_stable, gate.max) for gate in BUILT_IN.gates] == [("error_rate", True, None)]


@pytest.mark.parametrize("count", [-1, float("nan"), 10**18])
def test_counts_that_cannot_be_hold(count: float) -> None:
    """NaN and other nonsense from the metrics does not count, and nobody gets on by it."""
    world = tell(AT_5 + "saw blue@1 ok 600")
    world.tallies[full("blue@2")] = Tally((count, 0, 0, 0, 0, 0))  # type: ignore[arg-type]
    for _ in range(10):
        perform(world, "wait 600s")
        world.step()
    assert isinstance(world.memory.phase, Shifting)
    assert run_of(world.memory.phase).fraction == 500


ELSEWHERE = {
    "Renaming an endpoint is a removal and a creation (new URL, new keys); the plan says so.": (
        "console/test_plan.py::test_one_removal_is_a_removal",
    ),
    "Unreadable files remove nothing.": ("reconciler/test_removal.py::test_an_unreadable_file_removes_nothing",),
    "Default hold against mass removal: all endpoints, or more than half of at least four.": (
        "reconciler/test_removal.py::test_who_waits",
    ),
    "An unknown one: 404, and it says which exist.": (
        "router/xds/test_traffic.py::test_an_unknown_pin_is_404_and_says_which_exist",
    ),
    "What counts: the model's 5xx, 408, 502/503 and resets; not 401, 404, 413, nor a model's own 4xx.": (
        "observability/test_judge.py::test_only_the_outcomes_that_are_named_are_errors",
    ),
    "Bypass and mirrored requests never count in gates. The mirror's numbers stay apart.": (
        "router/xds/test_evidence.py::test_pinned_and_mirrored_requests_do_not_count_nor_any_without_a_trial",
    ),
    "401, 404 and 413 are Envoy's own and count for nothing.": (
        "router/xds/test_evidence.py::test_answers_of_envoy_itself_and_clients_that_leave_are_no_evidence",
    ),
    "`headgate-release: blue@3f2` reaches any release that is ready.": (
        "router/xds/test_traffic.py::test_a_header_pins_a_deployment_or_a_release",
    ),
    "As a new release: everything in the release's digest.": (
        "spec/test_recipes.py::test_everything_a_replica_sees",
        "spec/test_recipes.py::test_what_is_not_in_the_release_changes_no_digest",
    ),
    "Exact name before glob before tags before the repository's default.": (
        "spec/test_choice.py::test_exact_before_pattern_before_tags_before_default",
    ),
    "Two that tie are a problem that names both.": ("spec/test_choice.py::test_two_that_tie_name_both",),
    "The false-alarm rate": (
        "observability/test_false_alarms.py::test_a_candidate_that_equals_stable_is_refused_no_more_often_than_promised",
    ),
}


@pytest.mark.parametrize(("rule", "tests"), ELSEWHERE.items(), ids=lambda found: str(found)[:30])
def test_what_other_rooms_show_is_there(rule: str, tests: tuple[str, ...]) -> None:
    assert rule
    for test in tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8"), test
