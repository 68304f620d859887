"""Splits: they total 10 000, lose no share that should be there, and go one way."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.split import Split, candidates, describe, scale_to_total, split_at
from router.table import TOTAL

NAMES = ("a", "b", "c", "d")


@st.composite
def splits(draw: st.DrawFn) -> Split:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    cuts = draw(st.lists(st.integers(1, TOTAL - 1), min_size=len(names) - 1, max_size=len(names) - 1, unique=True))
    edges = [0, *sorted(cuts), TOTAL]
    return tuple(sorted(zip(names, (b - a for a, b in pairwise(edges)), strict=True)))


FEW = settings(max_examples=40, deadline=None)
FRACTIONS = st.integers(0, TOTAL)


@FEW
@given(source=splits(), target=splits(), fraction=FRACTIONS)
def test_it_totals_and_has_no_zeros(source: Split, target: Split, fraction: int) -> None:
    found = split_at(source, target, fraction)
    assert sum(share for _, share in found) == TOTAL
    assert all(share > 0 for _, share in found)
    assert list(found) == sorted(found)


@FEW
@given(source=splits(), target=splits(), one=FRACTIONS, other=FRACTIONS)
def test_each_share_is_monotone(source: Split, target: Split, one: int, other: int) -> None:
    before, after = (dict(split_at(source, target, fraction)) for fraction in sorted((one, other)))
    for name in NAMES:
        begin, end = dict(source).get(name, 0), dict(target).get(name, 0)
        lower, upper = before.get(name, 0), after.get(name, 0)
        assert (lower <= upper) if end >= begin else (lower >= upper)
        assert min(begin, end) <= lower <= max(begin, end)


@FEW
@given(source=splits(), target=splits(), fraction=st.integers(1, TOTAL - 1))
def test_in_between_everybody_of_both_ends_has_a_share(source: Split, target: Split, fraction: int) -> None:
    """Unless so few units move that there is nothing to hand out."""
    moved = sum(max(0, share - dict(source).get(name, 0)) for name, share in target)
    if moved < 2 * len(NAMES):
        return
    assert set(dict(split_at(source, target, fraction))) == set(dict(source)) | set(dict(target))


@FEW
@given(source=splits(), target=splits(), fraction=FRACTIONS)
def test_it_is_close_to_the_straight_line(source: Split, target: Split, fraction: int) -> None:
    found = dict(split_at(source, target, fraction))
    for name in NAMES:
        begin, end = dict(source).get(name, 0), dict(target).get(name, 0)
        assert abs(found.get(name, 0) - (begin + (end - begin) * fraction / TOTAL)) <= len(NAMES)


@FEW
@given(source=splits(), target=splits())
def test_the_ends_are_exact(source: Split, target: Split) -> None:
    assert split_at(source, target, 0) == source
    assert split_at(source, target, TOTAL) == target


@pytest.mark.parametrize(
    ("source", "target", "fraction", "expected"),
    [
        ((), (("a", TOTAL),), 1, (("a", TOTAL),)),
        ((), (("a", TOTAL),), 0, ()),
        ((("a", TOTAL),), (), 1, ()),
        ((("a", TOTAL),), (), 0, (("a", TOTAL),)),
        ((("a", TOTAL),), (("a", TOTAL),), 5000, (("a", TOTAL),)),
        ((("a", TOTAL),), (("b", TOTAL),), 1, (("a", 9999), ("b", 1))),
        ((("a", TOTAL),), (("b", TOTAL),), 9999, (("a", 1), ("b", 9999))),
        ((("a", 8000), ("b", 2000)), (("a", 4000), ("b", 6000)), 5000, (("a", 6000), ("b", 4000))),
        ((("a", TOTAL),), (("b", 5000), ("c", 5000)), 1, (("a", 9998), ("b", 1), ("c", 1))),
        ((("a", 5000), ("b", 5000)), (("c", TOTAL),), 9999, (("a", 1), ("b", 1), ("c", 9998))),
        ((("a", 9999), ("b", 1)), (("a", 9998), ("b", 2)), 5000, (("a", 9999), ("b", 1))),
        ((("a", 5001), ("b", 4999)), (("a", 4999), ("b", 5001)), 5000, (("a", 5000), ("b", 5000))),
    ],
)
def test_examples(source: Split, target: Split, fraction: int, expected: Split) -> None:
    assert split_at(source, target, fraction) == expected


def test_candidates_are_those_that_gain() -> None:
    source = (("a", 5000), ("b", 3000), ("c", 2000))
    assert candidates(source, (("a", 5000), ("b", 2000), ("c", 2500), ("d", 500))) == ("c", "d")
    assert candidates(source, source) == ()


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10_000), min_size=1))
def test_scaling_keeps_the_proportions(shares: dict[str, int]) -> None:
    found = dict(scale_to_total(shares))
    whole = sum(shares.values())
    assert sum(found.values()) == TOTAL
    for name, share in shares.items():
        assert abs(found[name] - share * TOTAL / whole) < 1


def test_scaling_gives_what_is_left_to_the_largest_remainders() -> None:
    assert scale_to_total({"a": 1, "b": 1, "c": 1}) == (("a", 3334), ("b", 3333), ("c", 3333))
    assert scale_to_total({"a": 1, "b": 2}) == (("a", 3333), ("b", 6667))


def test_words() -> None:
    assert describe(()) == "no traffic"
    assert describe((("blue@1", 9950), ("green@1", 50))) == "blue@1 99.5%, green@1 0.5%"


def test_shares_move_in_proportion_to_the_hundredth_of_a_percent() -> None:
    two, one = (("a", 7000), ("b", 3000)), (("c", 10_000),)
    assert split_at(one, two, 1000) == (("a", 700), ("b", 300), ("c", 9000))
    assert split_at(two, one, 1000) == (("a", 6300), ("b", 2700), ("c", 1000))
    assert split_at(one, two, 3333) == (("a", 2333), ("b", 1000), ("c", 6667))


@pytest.mark.parametrize(
    ("source", "target", "fraction", "found"),
    [
        # Of five units that come the third is the larger one's, after everybody's first.
        ((("s", 10_000),), (("a", 2), ("b", 3), ("s", 9995)), 6000, (("a", 1), ("b", 2), ("s", 9997))),
        # Of three that go the first is the larger one's; nobody's last goes before the end.
        ((("a", 1), ("b", 2), ("s", 9997)), (("s", 10_000),), 3000, (("a", 1), ("b", 1), ("s", 9998))),
        ((("a", 2), ("b", 5), ("s", 9993)), (("s", 10_000),), 4300, (("a", 1), ("b", 3), ("s", 9996))),
    ],
)
def test_who_is_next(source: Split, target: Split, fraction: int, found: Split) -> None:
    assert split_at(source, target, fraction) == found
