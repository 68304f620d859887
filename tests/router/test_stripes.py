"""Who changes release when shares move."""

from bisect import bisect_right
from collections import Counter
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.stripes import Split, Stripe, stripes

WHOLE = 10_000
NAMES = ("blue@1", "blue@2", "green@1", "red@1")


def moved(source: Split, target: Split, fraction: float) -> Split:
    """`source + fraction (target - source)`, rounded so that it totals the same."""
    before, after = dict(source), dict(target)
    names = sorted({*before, *after})
    edges = [
        round(sum(before.get(n, 0) * (1 - fraction) + after.get(n, 0) * fraction for n in names[:i]))
        for i in range(len(names) + 1)
    ]
    shares = {name: edges[i + 1] - edges[i] for i, name in enumerate(names)}
    return tuple((name, share) for name, share in shares.items() if share)


def who(found: tuple[Stripe, ...]) -> list[str]:
    """The release of every tenth client."""
    ends = list(accumulate(size for _, size in found))
    return [found[bisect_right(ends, client)][0] for client in range(0, WHOLE, 10)]


@pytest.mark.parametrize(
    ("settled", "split", "laid"),
    [
        ({"b": 10_000}, {"b": 9000, "c": 1000}, [("b", 9000), ("c", 1000)]),
        ({"b": 10_000}, {"a": 1000, "b": 9000}, [("a", 1000), ("b", 9000)]),
        ({"a": 5000, "c": 5000}, {"a": 4000, "b": 2000, "c": 4000}, [("a", 4000), ("b", 2000), ("c", 4000)]),
        ({"a": 10_000}, {"a": 6000, "b": 3000, "c": 1000}, [("a", 4500), ("b", 3000), ("a", 1500), ("c", 1000)]),
        ({"a": 3333, "b": 6667}, {"c": 10_000}, [("c", 10_000)]),
        ({}, {"a": 4000, "b": 6000}, [("a", 4000), ("b", 6000)]),
    ],
)
def test_layouts(settled: dict[str, int], split: dict[str, int], laid: list[Stripe]) -> None:
    assert list(stripes(tuple(settled.items()), tuple(split.items()))) == laid


splits = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 100), min_size=1).map(
    lambda parts: moved((), tuple((name, part * WHOLE // sum(parts.values())) for name, part in parts.items()), 1)
)


def total(split: Split) -> Split:
    """Give what rounding lost to the first."""
    (name, share), *others = split
    return ((name, share + WHOLE - sum(size for _, size in split)), *others)


@given(splits.map(total), splits.map(total))
def test_a_split_has_its_shares_whatever_it_came_from(settled: Split, split: Split) -> None:
    sizes: Counter[str] = Counter()
    for name, size in stripes(settled, split):
        assert size > 0
        sizes[name] += size
    assert sizes == dict(split)


@given(splits.map(total), splits.map(total), st.floats(0, 1), st.floats(0, 1))
def test_only_the_share_that_moves_changes_its_release(
    source: Split, target: Split, one: float, other: float
) -> None:
    """Up to a thousandth of all clients at each edge, where rounded shares of several gainers meet."""
    lower, upper = sorted((one, other))
    before = who(stripes(source, moved(source, target, lower)))
    after = who(stripes(source, moved(source, target, upper)))
    gained = dict(moved(source, target, upper))
    share = dict(moved(source, target, lower))
    least = sum(max(0, gained.get(name, 0) - share.get(name, 0)) for name in NAMES)
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    assert changed <= least / 10 + len(NAMES) ** 2


def test_one_that_grows_only_takes() -> None:
    source, target = (("blue@1", WHOLE),), (("blue@2", WHOLE),)
    layouts = [who(stripes(source, moved(source, target, percent / 100))) for percent in range(101)]
    for before, after in pairwise(layouts):
        assert all(new == "blue@2" for old, new in zip(before, after, strict=True) if old != new)
        assert [new for old, new in zip(before, after, strict=True) if old == "blue@2"].count("blue@1") == 0
