"""Paths that are there and cannot be read: kept count of, told of once, and the same after a change as anew."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.files import Changes, Kind
from spec.loader import load
from spec.problem import Severity
from spec.unreadable import SHOWN_LIMIT
from tests.spec.commits import DEPLOYMENT, ENDPOINT, REPOSITORY, MemoryFiles, differences

UTF_16 = ENDPOINT.encode("utf-16")
UNMARKED = ENDPOINT.encode("utf-16-le")
LOCKED = b"\0GITCRYPT\0" + bytes(range(256))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
LISTED = "- name: shop\n  auth_mode: key\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(UTF_16, "not UTF-8 text", id="UTF-16"),
        pytest.param(UNMARKED, "byte 1 is zero", id="UTF-16 without a mark"),
        pytest.param(LOCKED, "not UTF-8 text", id="git-crypt"),
        pytest.param(LFS, "Git LFS pointer", id="LFS"),
        pytest.param(b"#" * (1024 * 1024 + 1), "split it", id="too large"),
        pytest.param("name: [\n", "not valid YAML", id="no YAML"),
        pytest.param("a: 1\n---\nb: 2\n", "one file holds one document", id="two documents"),
        pytest.param(LISTED, "holds a list", id="a list"),
        pytest.param("shop\n", "holds a single value", id="a word"),
        pytest.param("", "", id="emptied"),
        pytest.param("# endpoint of the shop\n", "", id="commented out"),
        pytest.param("image: redis\n", "", id="something else"),
    ],
)
def test_what_cannot_be_read_is_told_of_by_path(content: bytes | str, words: str) -> None:
    files = {**REPOSITORY, "endpoint.yml": content, "notes.txt": UTF_16}
    found = load("c1", MemoryFiles(files)).catalog.unreadable
    assert [(path, words in one.problem.message) for path, one in found.items()] == (
        [("endpoint.yml", True)] if words else []
    )


@pytest.mark.parametrize("kind", ["symlink", "submodule"])
def test_symlinks_and_submodules_are_told_of_whatever_their_names(kind: Kind) -> None:
    found = load("c1", MemoryFiles(REPOSITORY, {"team/shop": kind})).catalog
    assert f"This is a {kind}, which is not followed" in found.unreadable["team/shop"].problem.message
    assert found.problems == ()


class TestPassedOver:
    """Warnings on files that may be meant for Headgate, for all that can be seen of them."""

    @pytest.mark.parametrize("content", [UTF_16, UNMARKED, LOCKED])
    def test_what_is_no_text_is_a_warning_and_harms_nothing(self, content: bytes) -> None:
        found = load("c1", MemoryFiles({**REPOSITORY, "x/green.yml": content})).catalog
        (warning,) = found.problems
        assert (warning.file, warning.severity, set(found.endpoints)) == ("x/green.yml", Severity.WARNING, {"shop"})
        assert "save the file as UTF-8" in warning.message
        assert "It is passed over" in warning.message

    def test_so_is_a_symlink(self) -> None:
        found = load("c1", MemoryFiles(REPOSITORY, {"x/green.yaml": "symlink", "x/src": "symlink"})).catalog
        (warning,) = found.problems
        assert (warning.file, warning.severity) == ("x/green.yaml", Severity.WARNING)
        assert "put the files themselves here" in warning.message

    @pytest.mark.parametrize("content", [LISTED, "{{ if x }}\na: [\n", "a: 1\n---\nb: 2\n"])
    def test_text_that_is_nothing_of_ours_is_none(self, content: str) -> None:
        assert load("c1", MemoryFiles({**REPOSITORY, "charts/x.yaml": content})).catalog.problems == ()

    def test_nobody_is_told_twice(self) -> None:
        before = load("c1", MemoryFiles(REPOSITORY))
        new = {**REPOSITORY, "endpoint.yml": UTF_16}
        after = load("c2", MemoryFiles(new), before, differences(REPOSITORY, new)).catalog
        assert [one.severity for one in after.problems if one.file == "endpoint.yml"] == [Severity.ERROR]

    def test_very_many_are_counted(self) -> None:
        links: dict[str, Kind] = {f"x/{number:03}.yml": "symlink" for number in range(SHOWN_LIMIT + 2)}
        *told, rest = sorted(
            load("c1", MemoryFiles(REPOSITORY, links)).catalog.warnings, key=lambda one: not one.file
        )
        assert (len(told), rest.message.partition(" ")[0], rest.severity) == (SHOWN_LIMIT, "2", Severity.WARNING)


STATES = st.sampled_from([ENDPOINT, DEPLOYMENT, UTF_16, LOCKED, LFS, LISTED, "", "a: 1\n", "a: [\n"])
PLACES = st.sampled_from(["endpoint.yml", "blue.yml", "x/y.yml", "notes.txt", "team"])
SPECIALS = st.sampled_from(["symlink", "submodule"])
COMMITS = st.lists(
    st.tuples(
        st.dictionaries(PLACES, st.one_of(STATES, st.none()), max_size=3),
        st.dictionaries(PLACES, SPECIALS, max_size=2),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=80, deadline=None)
@given(COMMITS)
def test_a_change_comes_to_the_same_as_everything(
    history: list[tuple[Mapping[str, bytes | str | None], Mapping[str, Kind]]],
) -> None:
    loaded = load("c0", MemoryFiles(REPOSITORY))
    old: dict[str, bytes | str] = dict(REPOSITORY)
    for edits, specials in history:
        merged = {**REPOSITORY, **edits}
        new = {path: text for path, text in merged.items() if text is not None and path not in specials}
        seen = {**new, **{path: kind.encode() + b" here" for path, kind in specials.items()}}
        before, loaded = loaded, load("c", MemoryFiles(new, specials), loaded, differences(old, seen))
        alone, whole = load("c", MemoryFiles(new, specials)), load("c", MemoryFiles(new, specials), before)
        assert loaded.catalog.unreadable == alone.catalog.unreadable
        assert loaded.catalog == whole.catalog
        again = load("d", MemoryFiles(new, specials), loaded, Changes.of(["endpoint.yml", "team"]))
        assert again.catalog.unreadable is loaded.catalog.unreadable
        old = seen
