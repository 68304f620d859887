"""Paths that are there and cannot be read: kept count of, and the same after a change as anew."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.files import Changes, Kind
from spec.loader import load
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
