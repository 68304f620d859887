"""Windows and freezes, with time zones: when a step forward may be taken, and when that changes."""

from datetime import UTC, datetime

import pytest

from reconciler.calendar import OPEN, opening
from spec.policy import Freeze, RolloutPolicy, Window

MONDAY, TUESDAY, FRIDAY, SATURDAY, SUNDAY = 0, 1, 4, 5, 6
WORK = Window((0, 1, 2, 3, 4), 9 * 60, 17 * 60)
NIGHT = Window((FRIDAY,), 22 * 60, 4 * 60)
ALL_DAY = Window((SATURDAY,), 0, 1440)
XMAS = Freeze("2026-12-24T00:00:00", "2026-12-27T00:00:00", "Holidays")
NOON = Freeze("2026-06-01T12:00", "2026-06-01T13:00")
AFTER = Freeze("2026-12-26T00:00:00", "2027-01-02T00:00:00")
LATER = Freeze("2026-06-03T00:00", "2026-06-04T00:00")
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_windows_and_freezes_it_is_always_open() -> None:
    assert opening(RolloutPolicy(), at("2026-01-01")) is OPEN


@pytest.mark.parametrize(
    ("windows", "freezes", "zone", "now", "is_open", "until"),
    [
        # 2026-06-01 is a Monday.
        ((WORK,), (), "UTC", "2026-06-01T08:59:59", False, "2026-06-01T09:00"),
        ((WORK,), (), "UTC", "2026-06-01T09:00", True, "2026-06-01T17:00"),
        ((WORK,), (), "UTC", "2026-06-01T16:59:59", True, "2026-06-01T17:00"),
        ((WORK,), (), "UTC", "2026-06-01T17:00", False, "2026-06-02T09:00"),
        ((WORK,), (), "UTC", "2026-06-05T17:00", False, "2026-06-08T09:00"),
        ((WORK,), (), BERLIN, "2026-06-01T07:00", True, "2026-06-01T15:00"),
        ((WORK,), (), BERLIN, "2026-06-01T15:00", False, "2026-06-02T07:00"),
        ((WORK,), (), BERLIN, "2026-01-05T08:00", True, "2026-01-05T16:00"),
        # Over midnight: it belongs to the day on which it begins.
        ((NIGHT,), (), "UTC", "2026-06-05T21:59", False, "2026-06-05T22:00"),
        ((NIGHT,), (), "UTC", "2026-06-05T22:00", True, "2026-06-06T04:00"),
        ((NIGHT,), (), "UTC", "2026-06-06T03:59", True, "2026-06-06T04:00"),
        ((NIGHT,), (), "UTC", "2026-06-06T04:00", False, "2026-06-12T22:00"),
        ((NIGHT,), (), "UTC", "2026-06-05T03:00", False, "2026-06-05T22:00"),
        ((ALL_DAY,), (), "UTC", "2026-06-06T00:00", True, "2026-06-07T00:00"),
        ((ALL_DAY,), (), "UTC", "2026-06-06T23:59", True, "2026-06-07T00:00"),
        ((ALL_DAY,), (), "UTC", "2026-06-07T00:00", False, "2026-06-13T00:00"),
        # Two that touch or overlap are one opening.
        ((WORK, Window((MONDAY,), 600, 1200)), (), "UTC", "2026-06-01T10:30", True, "2026-06-01T20:00"),
        ((WORK, Window((MONDAY,), 1200, 1260)), (), "UTC", "2026-06-01T18:00", False, "2026-06-01T20:00"),
        # Clocks go forward on 2026-03-29 and back on 2026-10-25 in Berlin: local hours hold.
        ((Window((SUNDAY,), 60, 300),), (), BERLIN, "2026-03-29T00:00", True, "2026-03-29T03:00"),
        ((Window((SUNDAY,), 60, 300),), (), BERLIN, "2026-03-29T02:59", True, "2026-03-29T03:00"),
        ((Window((SUNDAY,), 60, 300),), (), BERLIN, "2026-03-29T03:00", False, "2026-04-04T23:00"),
        ((Window((SUNDAY,), 60, 300),), (), BERLIN, "2026-10-24T23:00", True, "2026-10-25T04:00"),
        ((Window((SATURDAY,), 1320, 240),), (), BERLIN, "2026-03-28T21:30", True, "2026-03-29T02:00"),
        # Freezes.
        ((), (XMAS,), "UTC", "2026-12-23T23:59", True, "2026-12-24T00:00"),
        ((), (XMAS,), "UTC", "2026-12-24T00:00", False, "2026-12-27T00:00"),
        ((), (XMAS,), "UTC", "2026-12-26T23:59:59", False, "2026-12-27T00:00"),
        ((), (XMAS,), "UTC", "2026-12-27T00:00", True, None),
        ((), (XMAS,), BERLIN, "2026-12-23T22:59", True, "2026-12-23T23:00"),
        ((), (XMAS,), BERLIN, "2026-12-23T23:00", False, "2026-12-26T23:00"),
        ((), (XMAS, AFTER), "UTC", "2026-12-26T01:00", False, "2027-01-02"),
        ((), (AFTER, XMAS), "UTC", "2026-12-23T01:00", True, "2026-12-24"),
        # A freeze within an open window closes it; a window that is open says when the freeze begins.
        ((WORK,), (NOON,), "UTC", "2026-06-01T10:00", True, "2026-06-01T12:00"),
        ((WORK,), (NOON,), "UTC", "2026-06-01T12:00", False, "2026-06-01T13:00"),
        ((WORK,), (NOON,), "UTC", "2026-06-01T13:00", True, "2026-06-01T17:00"),
        ((WORK,), (LATER,), "UTC", "2026-06-01T10:00", True, "2026-06-01T17:00"),
    ],
)  # fmt: skip
def test_opening(
    windows: tuple[Window, ...],
    freezes: tuple[Freeze, ...],
    zone: str,
    now: str,
    is_open: bool,  # noqa: FBT001 -- a table's column
    until: str | None,
) -> None:
    found = opening(RolloutPolicy(windows=windows, freezes=freezes, time_zone=zone), at(now))
    assert (found.is_open, found.until) == (is_open, at(until) if until else None)
    assert bool(found.because) is not is_open


def test_it_says_why() -> None:
    policy = RolloutPolicy(windows=(WORK,), freezes=(XMAS,), time_zone=BERLIN)
    assert opening(policy, at("2026-12-24T10:00")).because == (
        "frozen until 2026-12-27T00:00:00 Europe/Berlin (Holidays)"
    )
    assert (
        opening(policy, at("2026-06-05T18:00")).because == "the next window opens at 2026-06-08 09:00 Europe/Berlin"
    )
    assert opening(RolloutPolicy(windows=(Window(days=()),)), at("2026-06-05T18:00")).because == "no window is open"


@pytest.mark.parametrize("policy", [RolloutPolicy(windows=(WORK, NIGHT), freezes=(XMAS,), time_zone=BERLIN)])
def test_it_stays_as_it_is_until_it_says(policy: RolloutPolicy) -> None:
    """Looking again at the time that it names always brings another answer, or the same for longer."""
    now, seen = at("2026-12-18"), []
    for _ in range(30):
        found = opening(policy, now)
        seen.append(found.is_open)
        if found.until is None:
            break
        assert found.until > now
        now = found.until
    assert {True, False} == set(seen)
