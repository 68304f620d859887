"""When steps forward may be taken: a policy's weekly windows and its freezes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from spec.policy import Freeze, RolloutPolicy, Window


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a step forward may be taken now, and until when that stays so (None: for ever, as far as known)."""

    is_open: bool
    until: datetime | None = None
    because: str = ""


OPEN = Opening(is_open=True)
_HORIZON = 8
"""Days looked ahead: every weekly window begins within them."""


def opening(policy: RolloutPolicy, now: datetime) -> Opening:
    """Whether the policy lets a step forward happen at `now`."""
    if not policy.windows and not policy.freezes:
        return OPEN
    zone = ZoneInfo(policy.time_zone)
    frozen = [found for found in policy.freezes if _start(found, zone) <= now < _end(found, zone)]
    if frozen:
        last = max(frozen, key=lambda found: _end(found, zone))
        why = f" ({last.reason})" if last.reason else ""
        return Opening(
            is_open=False, until=_end(last, zone), because=f"frozen until {last.end} {policy.time_zone}{why}"
        )
    starts = [start for found in policy.freezes if (start := _start(found, zone)) > now]
    if not policy.windows:
        return Opening(is_open=True, until=min(starts, default=None))
    return _within(policy, now, zone, starts)


def _within(policy: RolloutPolicy, now: datetime, zone: ZoneInfo, starts: list[datetime]) -> Opening:
    times = sorted(span for window in policy.windows for span in _spans(window, now, zone))
    current = [end for start, end in times if start <= now < end]
    if current:
        return Opening(is_open=True, until=min([max(current), *starts]))
    following = min((start for start, _ in times if start > now), default=None)
    text = (
        f"the next window opens at {following.astimezone(zone):%Y-%m-%d %H:%M} {policy.time_zone}"
        if following
        else ""
    )
    return Opening(is_open=False, until=following, because=text or "no window is open")


def _spans(window: Window, now: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Every occurrence that may hold `now` or come next, in UTC."""
    today = now.astimezone(zone).date()
    length = (window.end_minute - window.start_minute) % 1440 or 1440
    for offset in range(-1, _HORIZON):
        day = today + timedelta(days=offset)
        if day.weekday() in window.days:
            start = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=window.start_minute)
            yield start.astimezone(UTC), (start + timedelta(minutes=length)).astimezone(UTC)


def _start(freeze: Freeze, zone: ZoneInfo) -> datetime:
    return _local(freeze.start, zone)


def _end(freeze: Freeze, zone: ZoneInfo) -> datetime:
    return _local(freeze.end, zone)


def _local(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
