"""The default hold against mass removal, one row a rule."""

import pytest

from reconciler.removal import held

FIVE = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("live", "kept", "confirmed", "expected"),
    [
        (["a"], [], set(), {"a"}),
        (["a"], [], {"a"}, set()),
        (["a", "b"], ["b"], set(), set()),
        (["a", "b", "c"], ["c"], set(), set()),
        (FIVE, [], set(), set(FIVE)),
        (FIVE, ["a", "b", "c"], set(), set()),
        (FIVE, ["a", "b"], set(), {"c", "d", "e"}),
        (["a", "b", "c", "d"], ["a", "b"], set(), set()),
        (FIVE, ["a", "b"], {"c"}, set()),
        ([], [], set(), set()),
    ],
)
def test_who_waits(live: list[str], kept: list[str], confirmed: set[str], expected: set[str]) -> None:
    found = held(live, kept, 0.5, frozenset(confirmed), unreadable=False)
    assert set(found) == expected


def test_an_unreadable_file_removes_nothing() -> None:
    found = held(["a", "b", "c"], ["a", "b"], 0.5, frozenset({"c"}), unreadable=True)
    assert "cannot be read" in found["c"]


def test_the_message_counts_and_says_what_to_do() -> None:
    assert held(["a", "b"], [], 0.5, frozenset(), unreadable=False)["a"] == (
        "the commit removes 2 of 2 endpoints; confirm with `headgate confirm`, or bring the files back"
    )
