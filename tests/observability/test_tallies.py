"""Counting attempts."""

from datetime import UTC, datetime, timedelta

import pytest

from observability.evidence import BOUNDS_MS, NOTHING, OUTCOMES, Reading, Tally
from observability.tallies import IDLE, Tallies

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_attempts_are_counted_by_release_and_outcome() -> None:
    tallies = Tallies("e")
    batch = [("iris", "blue@1", outcome, 2.0) for outcome in OUTCOMES]
    assert tallies.count([*batch, ("moons", "blue@1", "ok", 1.0)], NOW) == {"iris", "moons"}
    tallies.count([("iris", "green@1", "5xx", 2.0)] * 3, NOW)
    reading = tallies.reading("iris", NOW)
    assert reading.at == NOW
    assert reading.tallies["blue@1"].outcomes == (1,) * 6
    assert reading.tallies["green@1"].count(("5xx",)) == 3


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [(0.0, 0), (1.0, 0), (1.01, 1), (BOUNDS_MS[20], 20), (BOUNDS_MS[20] + 0.01, 21), (1e9, len(BOUNDS_MS))],
)
def test_latency_is_counted_in_the_bucket_whose_bound_it_does_not_exceed(milliseconds: float, bucket: int) -> None:
    tallies = Tallies("e")
    tallies.count([("iris", "blue@1", "ok", milliseconds)], NOW)
    latency = tallies.reading("iris", NOW).tallies["blue@1"].latency
    assert (latency[bucket], sum(latency)) == (1, 1)


def test_what_was_not_answered_has_no_latency() -> None:
    tallies = Tallies("e")
    tallies.count([("iris", "blue@1", outcome, 2.0) for outcome in OUTCOMES], NOW)
    assert sum(tallies.reading("iris", NOW).tallies["blue@1"].latency) == len(OUTCOMES) - 2


def test_an_unknown_outcome_is_a_fault() -> None:
    with pytest.raises(KeyError):
        Tallies("e").count([("iris", "blue@1", "teapot", 1.0)], NOW)


def test_silence_is_a_reading_and_counts_go_on_in_its_epoch() -> None:
    tallies = Tallies("e")
    silent = tallies.reading("iris", NOW)
    tallies.count([("iris", "blue@1", "ok", 1.0)], NOW)
    later = tallies.reading("iris", NOW + timedelta(seconds=1))
    assert (silent.tallies, later.epoch) == ({}, silent.epoch)
    assert later.tallies["blue@1"].since(silent.tallies.get("blue@1", NOTHING)).total == 1


def test_a_reading_does_not_change_afterwards() -> None:
    tallies = Tallies("e")
    tallies.count([("iris", "blue@1", "ok", 1.0)], NOW)
    before = tallies.reading("iris", NOW)
    tallies.count([("iris", "blue@1", "ok", 1.0)], NOW)
    assert before.tallies["blue@1"].total == 1


def test_an_idle_endpoint_is_forgotten_and_begins_a_new_epoch() -> None:
    tallies = Tallies("e")
    tallies.count([(f"e{number}", "blue@1", "ok", 1.0) for number in range(100)], NOW)
    first = tallies.reading("e1", NOW)
    for minutes in range(1, 60):
        tallies.reading("e2", NOW + timedelta(minutes=minutes))
    assert len(tallies) == 1
    again = tallies.reading("e1", NOW + timedelta(minutes=60))
    assert again == Reading(again.epoch, NOW + timedelta(minutes=60), {})
    assert again.epoch != first.epoch


def test_one_that_is_only_asked_for_is_kept() -> None:
    tallies = Tallies("e")
    tallies.count([("iris", "blue@1", "ok", 1.0)], NOW)
    for minutes in range(0, 120, 5):
        reading = tallies.reading("iris", NOW + timedelta(minutes=minutes))
    assert timedelta(minutes=5) < IDLE
    assert reading.tallies["blue@1"] == Tally((1, 0, 0, 0, 0, 0), (1,) + (0,) * len(BOUNDS_MS))


def test_another_start_is_another_epoch() -> None:
    assert Tallies("a").reading("iris", NOW).epoch != Tallies("b").reading("iris", NOW).epoch
