"""Which policy an endpoint has."""

from collections.abc import Callable, Mapping

import pytest

from spec.loader import Loaded
from spec.policy import BUILT_IN
from spec.problem import Severity
from spec.rollout.choice import Claim, Policies
from tests.spec.commits import DEPLOYMENT, ENDPOINT, without

Build = Callable[..., Loaded]


def policy(name: str, reach: str = "", rest: str = "shield: true\n") -> str:
    return f"kind: rollout_policy\nname: {name}\n{reach}{rest}"


TAGGED = ENDPOINT + "tags: {tier: gold, team: a, level: 2}\n"
OTHER = {
    "x/e.yml": ENDPOINT.replace("shop", "other"),
    "x/d.yml": DEPLOYMENT.replace("shop", "other")
    .replace("model/", "../model/")
    .replace("code: code", "code: ../code")
    .replace("conda_file: c", "conda_file: ../c"),
}
EXACT = policy("exact", "endpoints: [x, Shop]\n")
GLOB = policy("glob", "endpoints: ['sh*']\n")
TAGS = policy("tags", "tags: {tier: gold, level: 2}\n")
DEFAULT = policy("default")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "built-in"),
        ({"d.yml": DEFAULT}, "default"),
        ({"d.yml": DEFAULT, "t.yml": TAGS}, "tags"),
        ({"d.yml": DEFAULT, "t.yml": TAGS, "g.yml": GLOB}, "glob"),
        ({"d.yml": DEFAULT, "t.yml": TAGS, "g.yml": GLOB, "a/deep/folder/e.yaml": EXACT}, "exact"),
        ({"t.yml": policy("t", "tags: {tier: silver}\n")}, "built-in"),
        ({"t.yml": policy("t", "tags: {tier: gold, zone: b}\n")}, "built-in"),
        ({"g.yml": policy("g", "endpoints: ['shop?', 'sho', 'hop*']\n")}, "built-in"),
        ({"g.yml": policy("g", "endpoints: ['s*', '*p', 'shop']\n")}, "g"),
    ],
)
def test_exact_before_pattern_before_tags_before_default(loaded: Build, files: dict[str, str], name: str) -> None:
    found = loaded({"endpoint.yml": TAGGED, **files}).catalog
    spec = found.endpoints["shop"]
    assert spec.policy.name == name
    assert spec.policy.shield == (name != "built-in")
    assert (spec.policy == BUILT_IN) == (name == "built-in")


def test_a_policy_is_no_part_of_the_release(loaded: Build) -> None:
    before = loaded().catalog.endpoints["shop"]
    after = loaded({"p.yml": EXACT}).catalog.endpoints["shop"]
    assert before.policy != after.policy
    assert before.deployments == after.deployments


TIES = [
    ({"a.yml": EXACT, "b.yml": EXACT}, ["a.yml:3:16: endpoints.1:", "b.yml:3:16: endpoints.1:"]),
    ({"a.yml": GLOB, "b.yml": policy("b", "endpoints: ['sho*']\n")},
     ["a.yml:3:13: endpoints.0:", "b.yml:3:13: endpoints.0:"]),
    ({"a.yml": TAGS, "b.yml": policy("b", "tags: {tier: gold}\n")}, ["a.yml:3:7: tags:", "b.yml:3:7: tags:"]),
    ({"a.yml": DEFAULT, "b.yml": DEFAULT}, ["a.yml:1:7: kind:", "b.yml:1:7: kind:"]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "places"), TIES)
def test_two_that_tie_name_both(loaded: Build, files: dict[str, str], places: list[str]) -> None:
    found = loaded({"endpoint.yml": TAGGED, **files, **OTHER}).catalog
    said = found.broken["shop"]
    assert [str(problem)[: len(place)] for problem, place in zip(said, places, strict=True)] == places
    assert "`b.yml`" in said[0].message
    assert "`a.yml`" in said[1].message
    assert set(found.endpoints) == ({"other"} if "a.yml:1" not in places[0] else set())
    assert found.unattributed == ()


def test_a_more_specific_policy_ends_a_tie(loaded: Build) -> None:
    files = {"a.yml": GLOB, "b.yml": policy("b", "endpoints: ['sho*']\n"), "c.yml": EXACT.replace("x, ", "")}
    found = loaded(files).catalog
    assert found.endpoints["shop"].policy.name == "exact"
    assert found.problems == ()


def test_two_defaults_are_said_even_where_nobody_has_them(loaded: Build) -> None:
    found = loaded({"a.yml": DEFAULT, "b.yml": DEFAULT, "g.yml": GLOB}).catalog
    assert found.endpoints["shop"].policy.name == "glob"
    assert [(one.file, one.severity) for one in found.warnings] == [
        ("a.yml", Severity.WARNING),
        ("b.yml", Severity.WARNING),
    ]


def test_a_name_that_nobody_has_is_a_warning(loaded: Build) -> None:
    found = loaded({"p.yml": policy("p", "endpoints: ['zz*', shpo]\n")}).catalog
    (warning,) = found.warnings
    assert str(warning).startswith("p.yml:3:20: endpoints.1: No file declares the endpoint `shpo`")
    assert "Did you mean `shop`?" in warning.message
    assert set(found.endpoints) == {"shop"}


WRONG = "stratgy: stepwise\n"


@pytest.mark.parametrize(
    ("text", "concerned"),
    [
        (policy("p", "endpoints: [shop]\n", WRONG), {"shop"}),
        (policy("p", "endpoints: ['ot*']\n", WRONG), {"other"}),
        (policy("p", "endpoints:\n- shop\n- shop2\n", WRONG), {"shop"}),
        (policy("p", "", WRONG), {"shop", "other"}),
        (policy("p", "tags: {tier: gold}\n", WRONG), {"shop"}),
        (policy("p", "endpoints: shop\n"), {"shop", "other"}),
        (policy("p", "endpoints: []\n"), {"shop", "other"}),
        (policy("p", "endpoints: ['{{WHO}}']\n"), {"shop", "other"}),
        (policy("p", "endpoints: [shop]\n", "steps: [\n"), {"shop"}),
        (policy("p", "endpoints:  # ours\n  - shop # one\n  - 'x*'\n", "steps: [\n"), {"shop"}),
        (policy("p", "endpoints:\n<<<<<<< a\n", "steps: [\n"), {"shop", "other"}),
        (policy("p", "", "steps: [\n"), {"shop", "other"}),
        (policy("p", "endpoints: [shop]\nendpoints: [shop]\n"), {"shop"}),
    ],
)
def test_a_wrong_policy_concerns_those_that_would_have_it(loaded: Build, text: str, concerned: set[str]) -> None:
    found = loaded({"endpoint.yml": TAGGED, "p.yml": text, **OTHER}).catalog
    assert set(found.broken) == concerned
    assert set(found.endpoints) == {"shop", "other"} - concerned
    assert {problem.file for name in concerned for problem in found.broken[name]} == {"p.yml"}
    assert found.unattributed == ()
    assert [problem for problem in found.problems if problem.file != "p.yml"] == []


def test_a_wrong_policy_leaves_those_that_another_comes_first_for(loaded: Build) -> None:
    found = loaded({"p.yml": policy("p", "", WRONG), "q.yml": GLOB}).catalog
    assert found.endpoints["shop"].policy.name == "glob"
    assert [(one.file, one.line, one.severity) for one in found.warnings] == [("p.yml", 3, Severity.WARNING)]


def test_a_wrong_policy_beside_a_wrong_endpoint(loaded: Build) -> None:
    found = loaded({"p.yml": policy("p", "", WRONG), "endpoint.yml": without(ENDPOINT, "auth") + "auth_mode: kay\n"})
    assert {problem.file for problem in found.catalog.broken["shop"]} == {"endpoint.yml"}


@pytest.mark.parametrize("kind", ["rollout-policy", "RolloutPolicy", "rollout_polcy"])
def test_a_kind_that_is_nearly_right_is_a_warning(loaded: Build, kind: str) -> None:
    (warning,) = loaded({"p.yml": f"kind: {kind}\nname: x\n"}).catalog.warnings
    assert "Did you mean `rollout_policy`?" in warning.message


def test_each_of_many_endpoints_finds_its_own() -> None:
    claims = [Claim(f"p{number}.yml", names=(f"e{number}",)) for number in range(2000)]
    policies = Policies.of(claims)
    found: Mapping[str, tuple[Claim, ...]] = {f"e{n}": policies.claims(f"e{n}", ()) for n in range(2000)}
    assert [found[f"e{number}"] for number in range(2000)] == [(claim,) for claim in claims]
    assert policies.claims("e2000", ()) == ()


def test_a_gate_that_waits_for_checks_needs_some(loaded: Build) -> None:
    asks = {"p.yml": policy("p", "", "gates: [{name: a, metric: checks}]\n")}
    ((problem,),) = loaded(asks).catalog.broken.values()
    assert (problem.file, problem.severity) == ("blue.yml", "error")
    assert "The policy `p` has a gate with `metric: checks`, and this deployment has none" in problem.message
    checks = {"c.yml": "kind: checks\ndeployment: blue\nchecks: [{name: a, request: 1}]\n"}
    assert loaded(asks | checks).catalog.problems == ()
    idle = loaded(asks | {"endpoint.yml": "name: shop\nauth_mode: key\n"}).catalog
    assert set(idle.endpoints) == {"shop"}


@pytest.mark.parametrize(
    "rest", ["gates: [{name: a, metric: checks, dry_run: true}]\n", "steps: [{warmup: 5}, {weight: 5}]\n"]
)
def test_a_policy_that_asks_for_checks_where_there_are_none(loaded: Build, rest: str) -> None:
    found = loaded({"p.yml": policy("p", "", rest)}).catalog
    (warning,) = found.warnings
    assert (warning.file, set(found.endpoints)) == ("blue.yml", {"shop"})
    assert "The policy `p` has a" in warning.message
    checks = "kind: checks\ndeployment: blue\nchecks: [{name: a, request: 1}]\n"
    assert loaded({"c.yml": checks}).catalog.problems == ()
