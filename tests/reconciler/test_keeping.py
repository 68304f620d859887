"""What is remembered is not removed by files that cannot be read, whoever has read them before."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.keeping import keep, remembered
from reconciler.state import Memory
from spec.catalog import Catalog, EndpointSpec
from spec.files import Kind
from spec.loader import load
from tests.spec.commits import DEPLOYMENT, ENDPOINT, REPOSITORY, MemoryFiles, differences

POLICY = "kind: rollout_policy\nname: careful\nendpoints: [shop]\nshield: true\n"
CHECKS = "kind: checks\ndeployment: blue\nchecks: [{name: a, request: 1}]\n"
GREEN = DEPLOYMENT.replace("blue", "green")
SHOP: Mapping[str, bytes | str] = {
    **{path: text for path, text in REPOSITORY.items() if path not in ("endpoint.yml", "blue.yml")},
    "shop/endpoint.yml": ENDPOINT,
    "shop/blue.yml": DEPLOYMENT.replace("model/model.pkl", "../model/model.pkl")
    .replace("code: code", "code: ../code")
    .replace("conda.yml", "../conda.yml"),
}
UTF_16 = ENDPOINT.encode("utf-16")
LOCKED = b"\0GITCRYPT\0" + bytes(range(256))
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
LISTED = "- name: shop\n"
BOTH = ("shop/endpoint.yml", "shop/blue.yml")


def spec_of(files: Mapping[str, bytes | str]) -> EndpointSpec:
    return load("c1", MemoryFiles(files)).catalog.endpoints["shop"]


def fresh(files: Mapping[str, bytes | str | None], specials: Mapping[str, Kind] | None = None) -> Catalog:
    """What a Headgate that has just started makes of a commit, remembering the good one."""
    there = {path: text for path, text in files.items() if text is not None}
    return keep(load("c2", MemoryFiles(there, specials)).catalog, [spec_of(SHOP)])


@pytest.mark.parametrize(
    ("content", "words"),
    [(UTF_16, "not UTF-8"), (LOCKED, "not UTF-8"), (LFS, "LFS"), (LISTED, "a list"), ("a: [\n", "not valid YAML")],
)
def test_files_that_cannot_be_read_break_the_endpoint_and_say_what_to_do(content: bytes | str, words: str) -> None:
    found = fresh({**SHOP, **dict.fromkeys(BOTH, content)})
    assert [problem.file for problem in found.broken["shop"]] == sorted(BOTH)
    deployment, endpoint = (problem.message for problem in found.broken["shop"])
    assert words in endpoint
    assert "To have the endpoint `shop`, which was declared here, removed: delete `shop/endpoint.yml`." in endpoint
    assert "the deployment `blue` of `shop`" in deployment
    assert (found.unattributed, found.warnings) == ((), ())
    assert keep(found, [spec_of(SHOP)]) == found


@pytest.mark.parametrize("kind", ["symlink", "submodule"])
def test_a_folder_that_is_a_symlink_or_submodule_now_breaks_it_too(kind: Kind) -> None:
    found = fresh({**SHOP, **dict.fromkeys(BOTH)}, {"shop": kind})
    (problem,) = found.broken["shop"]
    assert (problem.file, f"This is a {kind}" in problem.message) == ("shop", True)
    assert "To have the endpoint `shop`, which was declared here, removed: delete `shop`." in problem.message


def test_one_symlink_is_enough() -> None:
    for gone, link in (BOTH, BOTH[::-1]):
        found = fresh({**SHOP, **dict.fromkeys(BOTH)}, {link: "symlink"})
        assert [problem.file for problem in found.broken["shop"]] == [link], gone


@pytest.mark.parametrize("content", [None, "", "# gone\n", "image: redis\n", "name: other\nauth_mode: key\n"])
def test_a_file_that_is_gone_or_says_something_else_is_a_wish(content: str | None) -> None:
    found = fresh({**SHOP, "shop/endpoint.yml": content, "shop/blue.yml": None, "x.yml": UTF_16}, {"y": "submodule"})
    assert "shop" not in {**found.endpoints, **found.broken}
    assert [warning.file for warning in found.warnings] == ["x.yml"]


def test_a_deployment_checks_and_a_policy_are_not_removed_by_that_either() -> None:
    files = {**SHOP, "green.yml": GREEN, "policy.yml": POLICY, "shop/checks.yml": CHECKS}
    last = spec_of(files)
    for path, words in (
        ("green.yml", "To have the deployment `green` of `shop`"),
        ("policy.yml", "policy `careful` of `shop`"),
        ("shop/checks.yml", "checks of the deployment `blue` of `shop`"),
    ):
        found = keep(load("c2", MemoryFiles({**files, path: UTF_16})).catalog, [last])
        (problem,) = found.broken["shop"]
        assert (problem.file, words in problem.message, found.endpoints) == (path, True, {})
        assert keep(load("c2", MemoryFiles({**files, path: ""})).catalog, [last]).broken == {}


def test_what_is_declared_elsewhere_now_may_leave_anything_behind() -> None:
    moved = {path.replace("shop/", "new/"): text for path, text in SHOP.items()}
    found = fresh(moved, {"shop": "symlink"})
    assert (found.endpoints.keys(), found.broken) == ({"shop"}, {})


def test_what_the_loader_knows_already_is_said_once_and_the_rest_beside_it() -> None:
    files = {**SHOP, "shop/endpoint.yml": UTF_16}
    found = fresh(files)
    assert {problem.file for problem in found.broken["shop"]} == set(BOTH)
    before = load("c1", MemoryFiles(SHOP))
    after = load("c2", MemoryFiles(files), before, differences(SHOP, files)).catalog
    assert keep(after, [spec_of(SHOP)]).broken == after.broken


def test_the_newest_good_spec_counts_and_one_that_never_was_good_does_not() -> None:
    old, new = spec_of(REPOSITORY), spec_of(SHOP)
    memories = {"shop": Memory("shop", spec=old), "late": Memory("late")}
    assert remembered(memories, {}) == [old]
    assert remembered(memories, {"shop": new, "late": new}) == [new]


STATES = st.sampled_from([None, "", "a: 1\n", "a: [\n", UTF_16, LOCKED, LFS, LISTED, "symlink"])
COMMIT = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*BOTH, "x.yml"), STATES)),
    st.just({**dict.fromkeys(BOTH), "shop": "symlink"}),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(COMMIT, min_size=1, max_size=4))
def test_a_restart_comes_to_the_same_as_going_on(history: list[dict[str, bytes | str | None]]) -> None:
    running = load("c", MemoryFiles(SHOP))
    last, old = [spec_of(SHOP)], dict(SHOP)
    for edits in history:
        new = {path: text for path, text in {**SHOP, **edits}.items() if text is not None}
        links: dict[str, Kind] = {path: "symlink" for path, text in new.items() if text == "symlink"}
        files = {path: text for path, text in new.items() if path not in links}
        running = load("c", MemoryFiles(files, links), running, differences(old, new))
        going_on, anew = keep(running.catalog, last), keep(load("c", MemoryFiles(files, links)).catalog, last)
        assert (going_on.endpoints, going_on.broken.keys()) == (anew.endpoints, anew.broken.keys())
        assert {one.file for one in going_on.unattributed} == {one.file for one in anew.unattributed}
        if last and "shop" not in {**anew.endpoints, **anew.broken}:
            assert not anew.unreadable.keys() & {*BOTH, "shop"}
            last = last if anew.unattributed else []
        last = list(anew.endpoints.values()) or last
        old = new
