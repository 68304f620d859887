"""Durations as people and Azure write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.durations import milliseconds, seconds, spell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5), ("30s", 30), ("2m", 120), ("24h", 86_400), ("1d", 86_400), ("1h30m", 5400), ("1.5h", 5400),
        ("30", 30), ("0", 0), ("0.25", 0.25), ("PT30S", 30), ("PT1H30M", 5400), ("P1D", 86_400), ("pt5m", 300),
        (" 5s ", 5), ("PT0.5S", 0.5), ("P1W", 604_800),
    ],
)  # fmt: skip
def test_reads(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1M", "P", "PT", "P1DT", "1h-5m", "nan", "inf", "1e9", "9" * 50, "1 h"]
)
def test_refuses(text: str) -> None:
    assert seconds(text) is None


def test_a_latency_needs_its_unit() -> None:
    assert (milliseconds("250ms"), milliseconds("2s"), milliseconds("250")) == (250, 2000, None)


@given(st.integers(0, 10**10))
def test_what_is_spelt_is_read_back(thousandths: int) -> None:
    assert seconds(spell(thousandths / 1000)) == pytest.approx(thousandths / 1000)
