"""A file whose keys do not tell that it is an endpoint is one where a deployment asks for it by name."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.loader import Loaded, affected, load
from tests.spec.commits import CONDA, DEPLOYMENT, ENDPOINT, REPOSITORY, MemoryFiles, differences, without
from tests.spec.conftest import Check

MISSPELT = "name: shop\ntrafic: {blue: 100}\n"
BARE = "name: shop\n"
LOOSE = without(DEPLOYMENT, "endpoint_name")
SECOND = "name: other\ntraffic: {}\n"


@pytest.mark.parametrize("place", ["endpoint.yml", "far/away.yml"])
def test_a_misspelt_key_is_said_where_it_is(loaded: Check, place: str) -> None:
    found = loaded({"endpoint.yml": None, place: MISSPELT, "e/syn.yml": SECOND}).catalog
    (problem,) = found.problems
    assert (problem.file, problem.line, problem.field) == (place, 2, "trafic")
    assert "Did you mean `traffic`?" in problem.message
    assert found.broken.keys() == {"shop"}


@pytest.mark.parametrize(
    "text",
    [BARE, BARE + "description: d\ntags: {a: b}\n", "name: Shop\n", "$schema: https://online/x.json\nname: shop\n"],
)
def test_a_name_alone_is_an_endpoint(loaded: Check, text: str) -> None:
    found = loaded({"endpoint.yml": text}).catalog
    assert found.problems == ()
    assert (found.endpoints["shop"].traffic, found.endpoints["shop"].file) == ((), "endpoint.yml")


@pytest.mark.parametrize("text", [MISSPELT, BARE])
def test_a_deployment_beside_it_that_names_no_endpoint_asks_for_it_too(loaded: Check, text: str) -> None:
    found = loaded({"endpoint.yml": text, "blue.yml": LOOSE}).catalog
    assert found.unattributed == ()
    assert {*found.endpoints, *found.broken} == {"shop"}


def test_two_deployments_one_of_which_names_it(loaded: Check) -> None:
    found = loaded({"endpoint.yml": BARE, "green.yml": LOOSE.replace("blue", "green")}).catalog
    assert [one.name for one in found.endpoints["shop"].deployments] == ["blue", "green"]


@pytest.mark.parametrize(
    "text",
    [
        CONDA.replace("name: env", "name: shop"),
        "name: shop\ndependencies: [numpy]\n",
        "name: shop\non: push\njobs: {}\n",
        "name: shop\nservices: {}\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: shop\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\nname: shop\n",
        "apiVersion: v1\nname: shop\n",
        "kind: thing\nname: shop\n",
        "name: '{{NAME}}'\n",
        "name: shop\ndescription: what the model is for\ntags: {team: x}\n",
        "name: 5\n",
    ],
)
def test_what_is_something_else_is_no_endpoint(loaded: Check, text: str) -> None:
    found = loaded({"endpoint.yml": None, "x.yml": text}).catalog
    assert "No file declares the endpoint `shop`" in found.broken["shop"][0].message


@pytest.mark.parametrize(
    "files",
    [
        {"x.yml": MISSPELT},
        {"endpoint.yml": None, "x.yml": MISSPELT, "y.yml": MISSPELT},
        {"endpoint.yml": "name: shop\nauth_mode: [\n", "x.yml": MISSPELT},
        {"endpoint.yml": None, "blue.yml": LOOSE, "x.yml": MISSPELT, "y.yml": "name: third\ntrafic: {}\n"},
        {"endpoint.yml": SECOND, "blue.yml": LOOSE, "x.yml": MISSPELT},
        {"endpoint.yml": None, "blue.yml": None, "x.yml": MISSPELT},
    ],
)
def test_it_is_left_alone_where_it_is_not_asked_for_or_not_the_only_one(
    loaded: Check, files: Mapping[str, str | None]
) -> None:
    found = loaded(files).catalog
    assert "x.yml" not in {spec.file for spec in found.endpoints.values()}
    assert "x.yml" not in {problem.file for problem in found.problems}


def test_the_one_beside_the_deployment_is_meant(loaded: Check) -> None:
    found = loaded({"endpoint.yml": BARE, "far/endpoint.yml": BARE}).catalog
    assert found.endpoints["shop"].file == "endpoint.yml"


PATHS = ("a-endpoint.yml", "b.yml", "x/endpoint.yml", "x/b.yml", "x/c.yml")
TEXTS = (
    BARE, MISSPELT, "name: other\n", ENDPOINT, SECOND, DEPLOYMENT, LOOSE, LOOSE.replace("blue", "green"),
    DEPLOYMENT.replace("shop", "other"), "a: [\n", "auth_mode: [\n", "name: shop\nauth_mode: [\n",
    "kind: checks\ndeployment: blue\n", "on: push\n",
)  # fmt: skip
COMMITS = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(TEXTS), max_size=5)
REST = {path: text for path, text in REPOSITORY.items() if path not in ("endpoint.yml", "blue.yml")}


def told(loaded: Loaded) -> tuple[object, ...]:
    """What a catalog says, but for the words of problems: near matches among neighbours are not followed."""
    catalog = loaded.catalog
    places = [(one.file, one.line, one.field, one.severity) for one in catalog.problems]
    return catalog.endpoints, catalog.broken.keys(), len(catalog.unattributed), sorted(places)


@given(st.lists(COMMITS, min_size=2, max_size=4))
@settings(max_examples=300, deadline=None)
def test_following_commits_ends_where_loading_the_last_one_does(commits: list[dict[str, str]]) -> None:
    # What does not parse belongs to whom it belonged before, which loading one commit alone cannot know.
    files = [{**REST, **{path: text for path, text in one.items() if "[\n" not in text}} for one in commits]
    found = load("c", MemoryFiles(files[0]))
    for old, new in pairwise(files):
        after = load("c", MemoryFiles(new), found, differences(old, new))
        whole = load("c", MemoryFiles(new))
        assert told(after) == told(whole)
        assert after.index == whole.index
        changed = {name for name in {*found.catalog.endpoints, *after.catalog.endpoints}
                   if found.catalog.endpoints.get(name) != after.catalog.endpoints.get(name)}  # fmt: skip
        assert changed <= affected(found, after)
        found = after


@given(st.lists(COMMITS, min_size=2, max_size=4))
@settings(max_examples=100, deadline=None)
def test_following_commits_that_do_not_parse_ends_where_loading_with_the_same_past_does(
    commits: list[dict[str, str]],
) -> None:
    files = [{**REST, **one} for one in commits]
    found = load("c", MemoryFiles(files[0]))
    for old, new in pairwise(files):
        after = load("c", MemoryFiles(new), found, differences(old, new))
        assert told(after) == told(load("c", MemoryFiles(new), found))
        found = after


def test_a_file_that_was_nothing_of_ours_and_becomes_a_symlink_is_nothing_still(loaded: Check) -> None:
    files = {**REPOSITORY, "x.yml": "name: x\n"}
    before = load("c1", MemoryFiles(files))
    after = load("c2", MemoryFiles(REPOSITORY, {"x.yml": "symlink"}), before, differences(files, REPOSITORY))
    (warning,) = after.catalog.problems
    assert (warning.file, warning.is_error) == ("x.yml", False)
    assert loaded().catalog.problems == ()
