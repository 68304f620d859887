"""How two JSON values differ."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.difference import compare

NAN = float("nan")

EQUAL = [
    (1, 1), (1, 1.0), (0.1 + 0.2, 0.3), (NAN, NAN), (math.inf, math.inf), ("a", "a"), (None, None), (True, True),
    ([], []), ({}, {}), ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}), ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
]  # fmt: skip
OTHER = [
    (1, "1", '"1" instead of 1'), (1, True, "true instead of 1"), (0, False, "false instead of 0"),
    (None, 0, "0 instead of null"), ([1], [1, 2], "2 items instead of 1"), ([1], {"a": 1}, "an object instead of a"),
    ({"a": 1}, {}, "the key a is missing"), ({}, {"a": 1}, "the key a should not be there"),
    (1.5, NAN, "nan instead of 1.5"), (NAN, 1.5, "1.5 instead of nan"), (1e308, math.inf, "inf instead of 1e+308"),
    (math.inf, -math.inf, "-inf instead of inf"), (-1e308, 1e308, "1e+308 instead"),
    (10**400, 1.5, "1.5 instead of a very large number"), ("a", "b", '"b" instead of "a"'),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: object, other: object) -> None:
    found = compare(one, other)
    assert (found.is_change, found.beyond, found.first) == (False, 0, "")


@pytest.mark.parametrize(("one", "other", "words"), OTHER)
def test_what_is_no_difference_of_numbers(one: object, other: object, words: str) -> None:
    found = compare(one, other, allowed=1e307)
    assert (found.is_other, found.beyond, found.largest) == (True, 1, 0.0)
    assert found.first.startswith("at $ ")
    assert words in found.first


def test_numbers_by_absolute_difference() -> None:
    found = compare({"a": [1.0, 2.0, 3.0], "b": 10}, {"a": [1.1, 2.0, 2.5], "b": 10}, allowed=0.2)
    assert (found.largest, found.is_other, found.beyond) == (0.5, False, 1)
    assert found.first == "at $.a[2] 2.5 instead of 3.0"


@pytest.mark.parametrize(("one", "other", "allowed"), [(1.1, 0.7, 0.4), (0.9, 0.5, 0.4), (1.0, 1.3, 0.3), (5, 6, 1)])
def test_a_difference_that_is_just_allowed(one: float, other: float, allowed: float) -> None:
    found = compare(one, other, allowed)
    assert (found.is_change, found.beyond) == (True, 0)


def test_large_whole_numbers_are_exact() -> None:
    assert compare(10**17, 10**17 + 1).beyond == 1


def test_the_first_place_is_the_first_in_the_document() -> None:
    assert compare([{"x": 1}, 2, 3], [{"x": 9}, 8, 7]).first.startswith("at $[0].x")


def test_what_is_shown_is_short() -> None:
    found = compare({"k" * 500: "a" * 500}, {"k" * 500: "b" * 500})
    assert len(found.first) < 250


def test_depth_is_no_matter() -> None:
    one, other = 1.0, 2.0
    for _ in range(20_000):
        one, other = [one], [other]
    assert compare(one, other).largest == 1.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_every_value_is_itself(value: object) -> None:
    assert not compare(value, json.loads(json.dumps(value))).is_change


@given(JSON, JSON, st.floats(0, 1e300))
def test_it_is_symmetric_and_never_raises(one: object, other: object, allowed: float) -> None:
    there, back = compare(one, other, allowed), compare(other, one, allowed)
    assert (there.largest, there.is_other, there.beyond) == (back.largest, back.is_other, back.beyond)
    assert there.is_change or not there.beyond
    assert bool(there.first) == bool(there.beyond)
