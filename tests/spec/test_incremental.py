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
        assert (files.listed, files.reads) == (0, [])
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

CHANGES = [
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
     "5: 6\n", "on: off\n"]
)  # fmt: skip
TEXTS = st.sampled_from([ENDPOINT, DEPLOYMENT, CONDA, SCORE, MODEL_FILE, SETTINGS])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good file with some bytes replaced, cut, or fragments put in."""
    text = draw(TEXTS).encode()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + draw(st.one_of(FRAGMENTS.map(str.encode), st.binary(max_size=4))) + text[end:]
    return text


PATHS = st.sampled_from([*REPOSITORY, "x/y.yml", "model/m.yml", "settings.yml"])


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
