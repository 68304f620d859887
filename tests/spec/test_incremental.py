"""Loading a change: the same outcome as loading everything, at the cost of the change."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spec.files import Changes
from spec.loader import Loaded, affected, load
from spec.problem import Problem, Severity
from tests.spec.commits import CONDA, DEPLOYMENT, ENDPOINT, REPOSITORY, SCORE, MemoryFiles, differences, without

Files = Mapping[str, bytes | str]


def many(count: int) -> dict[str, bytes | str]:
    """That many endpoints, of which each has its own files and all share code, model and environment."""
    files: dict[str, bytes | str] = {
        "shared/model.pkl": "m",
        "shared/code/score.py": SCORE,
        "shared/conda.yml": CONDA,
    }
    shared = DEPLOYMENT.replace("model/model.pkl", "../shared/model.pkl").replace(
        "code: code", "code: ../shared/code"
    )
    shared = shared.replace("conda_file: conda.yml", "conda_file: ../shared/conda.yml")
    for number in range(count):
        files[f"e{number}/endpoint.yml"] = ENDPOINT.replace("shop", f"shop{number}")
        files[f"e{number}/blue.yml"] = shared.replace("shop", f"shop{number}")
    return files


def follow(before: Loaded, old: Files, new: Files) -> tuple[Loaded, MemoryFiles]:
    files = MemoryFiles(new)
    return load("c2", files, before, differences(old, new)), files


class TestCost:
    def test_an_irrelevant_change_reads_nothing_and_keeps_every_object(self) -> None:
        old = many(20)
        before = load("c1", MemoryFiles(old))
        after, files = follow(before, old, {**old, "README.md": "x", "docs/a/b.txt": "y"})
        assert (files.listed, files.reads) == (1, [])
        assert after.catalog.commit == "c2"
        assert after.catalog.endpoints is before.catalog.endpoints
        assert affected(before, after) == frozenset()

    def test_a_foreign_yaml_file_costs_one_read(self) -> None:
        old = many(20)
        before = load("c1", MemoryFiles(old))
        after, files = follow(before, old, {**old, ".github/ci.yml": "on: push\n"})
        assert files.reads == [".github/ci.yml"]
        assert after.catalog.endpoints is before.catalog.endpoints

    def test_one_endpoint_costs_that_endpoint(self) -> None:
        reads = []
        for count in (5, 50):
            old = many(count)
            before = load("c1", MemoryFiles(old))
            changed = str(old["e3/endpoint.yml"]) + "description: x\n"
            after, files = follow(before, old, {**old, "e3/endpoint.yml": changed})
            assert affected(before, after) == {"shop3"}
            assert after.catalog.endpoints["shop2"] is before.catalog.endpoints["shop2"]
            reads.append(len(files.reads))
        assert reads[0] == reads[1] <= 5

    def test_a_shared_conda_file_reaches_all_and_is_read_once(self) -> None:
        old = many(5)
        before = load("c1", MemoryFiles(old))
        after, files = follow(before, old, {**old, "shared/conda.yml": CONDA.replace("2.3.1", "2.3.2")})
        assert affected(before, after) == {f"shop{number}" for number in range(5)}
        assert files.reads.count("shared/conda.yml") == 1

    def test_a_touched_file_with_the_same_outcome_keeps_the_object(self) -> None:
        before = load("c1", MemoryFiles(REPOSITORY))
        after, _ = follow(before, REPOSITORY, {**REPOSITORY, "endpoint.yml": ENDPOINT + "# a comment\n"})
        assert after.catalog.endpoints["shop"] is before.catalog.endpoints["shop"]
        assert affected(before, after) == frozenset()

    def test_loading_everything_again_keeps_the_objects_too(self) -> None:
        before = load("c1", MemoryFiles(REPOSITORY))
        after = load("c2", MemoryFiles(REPOSITORY), before)
        assert after.catalog.endpoints["shop"] is before.catalog.endpoints["shop"]


MODEL_FILE = "name: m\nversion: 1\npath: model\n"
BY_NAME = DEPLOYMENT.replace("model:\n  path: model/model.pkl", "model: azureml:m:1")
OTHER = ENDPOINT.replace("shop", "other")
SETTINGS = "kind: settings\nexact_python: true\n"

LONE = "name: other\nauth_mode: key\n"
POLICY = "kind: rollout_policy\nname: p\nendpoints: [shop]\nshield: true\n"
PATTERN = POLICY.replace("[shop]", "['sh*']")
DEFAULT = POLICY.replace("endpoints: [shop]\n", "")
TAGS = POLICY.replace("endpoints: [shop]", "tags: {tier: gold}")
TAGGED = ENDPOINT + "tags: {tier: gold}\n"
CHECKS = "kind: checks\ndeployment: blue\nchecks: [{name: a, request_file: body.json}]\n"
OWNED = CHECKS + "endpoint: shop\n"
BODY = '{"x": 1}'

CHANGES = [
    pytest.param({}, {"p.yml": POLICY}, {"shop"}, id="a policy comes"),
    pytest.param({"x/o.yml": LONE}, {"p.yml": POLICY}, {"shop"}, id="a policy comes for one of two"),
    pytest.param({"x/o.yml": LONE}, {"p.yml": DEFAULT}, {"shop", "other"}, id="a default comes"),
    pytest.param({"x/o.yml": LONE, "p.yml": POLICY}, {"d.yml": DEFAULT}, {"other"}, id="a default for the rest"),
    pytest.param({"p.yml": POLICY}, {"p.yml": POLICY.replace("true", "false")}, {"shop"}, id="a policy changes"),
    pytest.param({"x/o.yml": LONE, "p.yml": POLICY}, {"p.yml": POLICY.replace("[shop]", "[other]")},
                 {"shop", "other"}, id="a policy is given to another"),
    pytest.param({"p.yml": POLICY}, {"p.yml": None, "x/p.yml": POLICY}, set(), id="a policy moves"),
    pytest.param({"p.yml": POLICY}, {"p.yml": POLICY + "# comment\n"}, set(), id="a policy's comment changes"),
    pytest.param({"p.yml": PATTERN}, {"q.yml": PATTERN}, {"shop"}, id="a policy has a rival"),
    pytest.param({"p.yml": PATTERN, "q.yml": PATTERN}, {"r.yml": POLICY}, {"shop"}, id="a tie is ended"),
    pytest.param({"p.yml": DEFAULT, "x/o.yml": LONE}, {"p.yml": DEFAULT + "steps: [\n"}, {"shop", "other"},
                 id="a default turns wrong"),
    pytest.param({"p.yml": POLICY, "x/o.yml": LONE}, {"p.yml": POLICY + "x: y\n"}, {"shop"},
                 id="a policy turns wrong"),
    pytest.param({"p.yml": TAGS}, {"endpoint.yml": TAGGED}, {"shop"}, id="a tag comes that a policy asks for"),
    pytest.param({"p.yml": TAGS, "endpoint.yml": TAGGED}, {"p.yml": None}, {"shop"}, id="a policy by tags goes"),
    pytest.param({"p.yml": DEFAULT}, {"x/o.yml": LONE}, {"other"}, id="an endpoint comes to a default"),
    pytest.param({"p.yml": POLICY}, {"endpoint.yml": None, "blue.yml": None}, {"shop"},
                 id="a policy outlives its endpoint"),
    pytest.param({"p.yml": DEFAULT}, {"s.yml": SETTINGS}, {"shop"}, id="settings come beside a policy"),
    pytest.param({"body.json": BODY}, {"c.yml": CHECKS}, {"shop"}, id="checks come"),
    pytest.param({"body.json": BODY, "c.yml": CHECKS}, {"body.json": "[1]"}, {"shop"}, id="a request changes"),
    pytest.param({"body.json": BODY, "c.yml": CHECKS}, {"body.json": None}, {"shop"}, id="a request goes"),
    pytest.param({"c.yml": CHECKS}, {"body.json": BODY}, {"shop"}, id="a request comes"),
    pytest.param({"body.json": BODY, "c.yml": CHECKS}, {"x.yml": OWNED}, {"shop"}, id="checks have a rival"),
    pytest.param({"body.json": BODY, "c.yml": CHECKS}, {"o.yml": OTHER}, {"shop", "other"},
                 id="a second endpoint in the folder of loose checks"),
    pytest.param({"body.json": BODY, "c.yml": OWNED}, {"endpoint.yml": None, "blue.yml": None}, {"shop"},
                 id="checks outlive their endpoint"),
    pytest.param({"body.json": BODY, "c.yml": OWNED}, {"blue.yml": DEPLOYMENT.replace("blue", "green")}, {"shop"},
                 id="checks outlive their deployment"),
    pytest.param({"body.json": BODY, "c.yml": OWNED}, {"c.yml": OWNED.replace("shop", "other")}, {"shop"},
                 id="checks name an endpoint that is not there"),
    pytest.param({}, {"model/model.pkl": "new"}, {"shop"}, id="model"),
    pytest.param({}, {"code/helper.py": "x = 1"}, {"shop"}, id="a file joins the code"),
    pytest.param({}, {"code/score.py": SCORE + "#"}, {"shop"}, id="script"),
    pytest.param({}, {"conda.yml": CONDA + "\nx: y\n"}, {"shop"}, id="conda file turns wrong"),
    pytest.param({}, {"endpoint.yml": None, "blue.yml": None}, {"shop"}, id="endpoint goes"),
    pytest.param({}, {"endpoint.yml": None}, {"shop"}, id="endpoint file goes"),
    pytest.param({"endpoint.yml": None}, {"x/e.yml": ENDPOINT}, {"shop"}, id="endpoint file comes"),
    pytest.param({}, {"endpoint.yml": None, "x/e.yml": ENDPOINT}, {"shop"}, id="endpoint file moves"),
    pytest.param({}, {"endpoint.yml": OTHER}, {"shop", "other"}, id="endpoint is renamed"),
    pytest.param({}, {"x/o.yml": OTHER}, {"other"}, id="another endpoint comes"),
    pytest.param({"model/model.pkl": None}, {"model/model.pkl": "x"}, {"shop"}, id="what was missing comes"),
    pytest.param({"blue.yml": BY_NAME}, {"m.yml": MODEL_FILE}, {"shop"}, id="a model file comes"),
    pytest.param({"blue.yml": BY_NAME, "m.yml": MODEL_FILE}, {"m.yml": MODEL_FILE.replace("1", "2")}, {"shop"},
                 id="a model's version changes"),
    pytest.param({"blue.yml": BY_NAME, "m.yml": MODEL_FILE}, {"n.yml": MODEL_FILE}, {"shop"},
                 id="a model has a rival"),
    pytest.param({"blue.yml": BY_NAME, "m.yml": MODEL_FILE}, {"m.yml": None}, {"shop"}, id="a model file goes"),
    pytest.param({}, {"s.yml": SETTINGS}, {"shop"}, id="settings come"),
    pytest.param({"s.yml": SETTINGS}, {"s.yml": None}, {"shop"}, id="settings go"),
    pytest.param({}, {"s.yml": "kind: settings\nx: y\n"}, {"shop"}, id="settings turn wrong"),
    pytest.param({"blue.yml": DEPLOYMENT + "description: '{{D}}'\n"}, {"v.yml": "kind: values\nvalues: {D: x}\n"},
                 {"shop"}, id="a placeholder is filled"),
    pytest.param({"blue.yml": without(DEPLOYMENT, "endpoint_name")}, {"o.yml": OTHER}, {"shop", "other"},
                 id="a second endpoint in the folder of a loose deployment"),
    pytest.param({"blue.yml": without(DEPLOYMENT, "endpoint_name"), "o.yml": OTHER}, {"o.yml": None},
                 {"shop", "other"}, id="and its going"),
    pytest.param({}, {"g.yml": DEPLOYMENT.replace("blue", "green")}, {"shop"}, id="a deployment comes"),
    pytest.param({"endpoint.yml": None, "blue.yml": without(DEPLOYMENT, "endpoint_name"), "conda.yml": None},
                 {"conda.yml": CONDA}, set(), id="what nobody's deployment lacked comes"),
    pytest.param({"endpoint.yml": None, "model/model.pkl": None}, {"model/model.pkl": "x"}, {"shop"},
                 id="what an orphan lacked comes"),
    pytest.param({"s.yml": "kind: settings\nx: y\n"}, {"code/score.py": "1 1"}, {"shop"},
                 id="a script turns wrong beside wrong settings"),
]  # fmt: skip


def applied(files: Files, edits: Mapping[str, str | None]) -> dict[str, bytes | str]:
    found = {**files, **edits}
    return {path: text for path, text in found.items() if text is not None}


@pytest.mark.parametrize(("start", "edits", "names"), CHANGES)
def test_a_change_reaches_whom_it_concerns(
    start: Mapping[str, str | None], edits: Mapping[str, str | None], names: set[str]
) -> None:
    old = applied(REPOSITORY, start)
    new = applied(old, edits)
    before = load("c1", MemoryFiles(old))
    after, _ = follow(before, old, new)
    assert after.catalog == load("c2", MemoryFiles(new)).catalog
    assert affected(before, after) == names
    back = load("c1", MemoryFiles(old), after, differences(new, old))
    assert back.catalog == before.catalog


class TestCostOfPolicies:
    def test_a_policy_costs_its_own_file_and_moves_only_whom_it_concerns(self) -> None:
        old = many(50)
        before = load("c1", MemoryFiles(old))
        after, files = follow(before, old, {**old, "p.yml": POLICY.replace("[shop]", "['shop3*']")})
        assert files.reads == ["p.yml"]
        assert affected(before, after) == {"shop3", *(f"shop3{digit}" for digit in range(10))}
        assert after.catalog.endpoints["shop2"] is before.catalog.endpoints["shop2"]

    def test_an_endpoint_beside_policies_costs_that_endpoint(self) -> None:
        old = {**many(20), **{f"p{n}.yml": POLICY.replace("[shop]", f"[shop{n}]") for n in range(20)}}
        before = load("c1", MemoryFiles(old))
        changed = str(old["e3/endpoint.yml"]) + "description: x\n"
        after, files = follow(before, old, {**old, "e3/endpoint.yml": changed})
        assert affected(before, after) == {"shop3"}
        assert not [path for path in files.reads if path.startswith("p")]

    def test_a_policy_that_only_moves_is_shown_with_its_new_place(self) -> None:
        old = {**REPOSITORY, "p.yml": POLICY}
        before = load("c1", MemoryFiles(old))
        after, _ = follow(before, old, {**REPOSITORY, "x/q.yml": POLICY.replace("name: p", "name: q")})
        policy = after.catalog.endpoints["shop"].policy
        assert (policy.name, policy.file, affected(before, after)) == ("q", "x/q.yml", frozenset())

    @pytest.mark.parametrize("broken", ["a: [\n", b"\xff", "version https://git-lfs.github.com/spec/v1\n"])
    def test_a_policy_that_turns_unreadable_concerns_whom_it_concerned(self, broken: str | bytes) -> None:
        old = {**REPOSITORY, "x/o.yml": LONE, "p.yml": POLICY}
        before = load("c1", MemoryFiles(old))
        after, _ = follow(before, old, {**old, "p.yml": broken})
        assert after.catalog.broken.keys() == {"shop"}
        assert after.catalog.unattributed == ()
        whole = load("c2", MemoryFiles({**old, "p.yml": broken}), after)
        assert whole.catalog.broken.keys() == {"shop"}


class TestWhatWasKnownBefore:
    @pytest.mark.parametrize("broken", ["a: [\n", b"\xff", "x: *y\n", "- {a\n"])
    @pytest.mark.parametrize("path", ["endpoint.yml", "blue.yml"])
    def test_a_file_that_turns_unreadable_stays_its_endpoints(self, path: str, broken: str | bytes) -> None:
        moved = {**REPOSITORY, "x/y.yml": OTHER, "x/z.yml": ENDPOINT.replace("shop", "third")}
        before = load("c1", MemoryFiles(moved))
        after, _ = follow(before, moved, {**moved, path: broken})
        assert path in {problem.file for problem in after.catalog.broken["shop"]}
        assert after.catalog.unattributed == ()
        again = load("c3", MemoryFiles({**moved, path: broken}), after)
        assert again.catalog.broken.keys() == {"shop", "other", "third"}

    def test_a_file_that_turns_into_a_symlink_is_not_gone(self) -> None:
        before = load("c1", MemoryFiles(REPOSITORY))
        rest = {path: text for path, text in REPOSITORY.items() if path != "endpoint.yml"}
        files = MemoryFiles(rest, {"endpoint.yml": "symlink"})
        after = load("c2", files, before, Changes.of(["endpoint.yml"]))
        assert "symlink, which is not followed" in after.catalog.broken["shop"][0].message


FRAGMENTS = st.sampled_from(
    ["name: shop\n", "name: {{X}}\n", "traffic:\n", "  blue: 100\n", "endpoint_name: shop\n", "auth_mode: key\n",
     "kind: settings\n", "kind: values\n", "values: {X: 1}\n", "model: azureml:m:1\n", "*a", "&a ", "[", "{", "}",
     "- ",      "? ", "!!int ", "<<: ", "\t", "'", '"', "|\n", "\x00", "\ue000\ue000X\ue001\ue001", "${X}", "null",
     ".nan", "1e999", "2020-01-01", "0x", "path: ../..\n", "environment: {conda_file: .}\n", "compute: azureml:x\n",
     "5: 6\n", "on: off\n", "kind: rollout_policy\n", "kind: checks\n", "endpoints: [shop]\n", "endpoint: shop\n",
     "tags: {tier: gold}\n", "deployment: blue\n", "steps: [{weight: 5}]\n"]
)  # fmt: skip
ASKING = DEFAULT + "gates: [{name: c, metric: checks}]\n"
OWN = [POLICY, PATTERN, DEFAULT, TAGS, CHECKS, OWNED, ASKING]
TEXTS = st.sampled_from([ENDPOINT, DEPLOYMENT, CONDA, SCORE, MODEL_FILE, SETTINGS, TAGGED, OTHER, *OWN])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good file with some bytes replaced, cut, or fragments put in."""
    text = draw(TEXTS).encode()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + draw(st.one_of(FRAGMENTS.map(str.encode), st.binary(max_size=4))) + text[end:]
    return text


PATHS = st.sampled_from(
    [*REPOSITORY, "x/y.yml", "model/m.yml", "settings.yml", "p.yml", "q.yml", "c.yml", "body.json"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.dictionaries(PATHS, st.one_of(mutated(), st.none()), max_size=4))
def test_no_input_raises_and_a_change_is_as_good_as_everything(edits: dict[str, bytes | None]) -> None:
    new = {path: text for path, text in {**REPOSITORY, **edits}.items() if text is not None}
    before = load("c1", MemoryFiles(REPOSITORY))
    after, _ = follow(before, REPOSITORY, new)
    whole = load("c2", MemoryFiles(new), before)
    assert after.catalog == whole.catalog
    alone = load("c2", MemoryFiles(new)).catalog
    assert all(problem.message for problem in alone.problems)
    assert not alone.endpoints.keys() & alone.broken.keys()


WHOLE = st.sampled_from(
    [*OWN, ENDPOINT, TAGGED, OTHER, DEPLOYMENT, BODY, SETTINGS, POLICY + "x: y\n", DEFAULT + "x: [\n"]
)
COMMIT = st.dictionaries(PATHS, st.one_of(WHOLE, st.none(), mutated()), max_size=4)


def outcome(loaded: Loaded) -> list[object]:
    """What loading came to; a message's near matches may be those of an earlier commit."""
    catalog = loaded.catalog
    problems = {(one.file, one.line, one.field, one.severity) for one in catalog.problems}
    origins = {name: (spec.policy.name, spec.policy.file) for name, spec in catalog.endpoints.items()}
    return [catalog.endpoints, origins, catalog.broken.keys(), problems, loaded.resolved]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(COMMIT, min_size=1, max_size=4))
def test_a_history_of_policies_and_checks_is_as_good_as_its_last_commit(
    history: list[dict[str, str | bytes | None]],
) -> None:
    old: Files = REPOSITORY
    loaded = load("c0", MemoryFiles(old))
    for edits in history:
        new = {path: text for path, text in {**old, **edits}.items() if text is not None}
        before = loaded
        loaded, _ = follow(before, old, new)
        whole = load("c2", MemoryFiles(new), before)
        assert outcome(loaded) == outcome(whole)
        assert affected(before, loaded) <= affected(before, whole)
        again = load("c3", MemoryFiles(new), loaded, Changes.of([]))
        assert again.catalog.endpoints is loaded.catalog.endpoints
        old = new


@settings(max_examples=120, deadline=None)
@given(
    blob=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(FRAGMENTS).map("".join).map(str.encode),
    )
)
def test_no_single_file_raises(blob: bytes) -> None:
    catalog = load("c", MemoryFiles({"a.yml": blob, "b.yml": ENDPOINT.encode() + blob})).catalog
    assert catalog.broken or catalog.unattributed
    assert not catalog.endpoints


class TestLeftOut:
    """Entries that the source leaves out are warnings, and harm nothing."""

    BELL = Problem("bell\\x07", 0, 0, "", "This entry is left out.", severity=Severity.WARNING)

    def test_are_warnings_from_the_first_load_on(self) -> None:
        files = MemoryFiles(REPOSITORY)
        files.left_out = (self.BELL,)
        found = load("c1", files).catalog
        assert (found.problems, set(found.endpoints)) == ((self.BELL,), {"shop"})

    def test_come_and_go_with_a_change_and_touch_no_endpoint(self) -> None:
        before = load("c1", MemoryFiles(REPOSITORY))
        files = MemoryFiles(REPOSITORY)
        files.left_out = (self.BELL,)
        after = load("c2", files, before, Changes.of([]))
        assert (after.catalog.commit, after.catalog.warnings) == ("c2", (self.BELL,))
        assert (files.listed, files.reads, affected(before, after)) == (0, [], frozenset())
        same = load("c3", files, after, Changes.of([]))
        assert same.catalog.warnings is after.catalog.warnings
        assert load("c4", MemoryFiles(REPOSITORY), same, Changes.of([])).catalog.warnings == ()
